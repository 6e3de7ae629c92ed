/** A block of lines that is drawn over itself on a terminal, and one below the other elsewhere. */
import type { Io } from "./io.ts";

export class StatusScreen {
  readonly #io: Io;
  readonly #rows: () => number | undefined;
  #drawnLines = 0;
  #isFirst = true;

  /** `rows`: of the terminal, if that is known; what has no room is not drawn. */
  constructor(io: Io, rows: () => number | undefined) {
    this.#io = io;
    this.#rows = rows;
  }

  draw(lines: readonly string[]): void {
    if (!this.#io.isTerminal) {
      this.#io.out(`${this.#isFirst ? "" : "\n"}${lines.join("\n")}\n`);
      this.#isFirst = false;
      return;
    }
    // The cursor stands below the block, on a row of its own; above the first row it cannot go.
    const rows = this.#rows() ?? 0;
    // 0 is what a terminal says that has never been told its size.
    const room = rows === 0 ? Infinity : Math.max(1, rows - 1);
    const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), "…"];
    const up = this.#drawnLines === 0 ? "" : `\u001b[${this.#drawnLines}A`;
    // Also what was typed there, as ^C, and what is left of a longer block.
    this.#io.out(`${up}\r${shown.map((line) => `\u001b[2K${line}\n`).join("")}\u001b[J`);
    this.#drawnLines = shown.length;
  }
}
