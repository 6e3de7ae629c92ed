/** A line on standard error that says how far a query is, while its rows go elsewhere. */
import { formatBytes } from "../lib/units.ts";
import { duration, number } from "./status-layout.ts";

export interface QueryCount {
  readonly rows: number;
  /** Written. */
  readonly bytes: number;
}

const refreshMs = 250;

export class QueryProgress {
  readonly #write: (text: string) => void;
  readonly #count: () => QueryCount;
  readonly #width: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `width`: of the terminal; a longer line could not be cleared. */
  constructor(write: (text: string) => void, count: () => QueryCount, width: number | undefined) {
    this.#write = write;
    this.#count = count;
    this.#width = width;
  }

  start(): void {
    const startedAtMs = performance.now();
    this.#timer = setInterval(() => {
      const line = progressLine(this.#count(), performance.now() - startedAtMs);
      this.#write(`\r\u001b[2K${line.slice(0, (this.#width ?? 80) - 1)}`);
    }, refreshMs);
  }

  /** Nothing of it is left on the terminal. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#write("\r\u001b[2K");
  }
}

export function progressLine({ rows, bytes }: QueryCount, elapsedMs: number): string {
  const rate = `${number(rows / (elapsedMs / 1000))} rows/s`;
  return `${number(rows)} rows, ${formatBytes(bytes)}, ${rate}, ${duration(elapsedMs)}`;
}
