import { type ChildProcess, spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { once } from "../lib/abort.ts";
import { Fault } from "../lib/fault.ts";
import type { Position } from "./salvage-file.ts";
import { FrameReader, type SalvageEnd, type SalvageFrame } from "./salvage-frames.ts";

const maxHeapMiB = 192;

/**
 * A salvage process, asked for one frame after the other (salvage-frames.ts). Ends with its pipe, with its
 * parent, and with `signal`.
 */
export class SalvageProcess implements Disposable {
  readonly #child: ChildProcess;
  readonly #reader = new FrameReader();
  readonly #stopListening: () => void;
  #waiting: PromiseWithResolvers<SalvageFrame | undefined> | undefined;
  #hasEnded = false;

  /** `after`: what has been taken over already. */
  constructor(file: string, after: Position | undefined, signal: AbortSignal) {
    // The same file in src and in dist, as what this one is: TypeScript or JavaScript.
    const program = new URL(`./salvage-process${extname(import.meta.filename)}`, import.meta.url);
    const from = after === undefined ? "" : JSON.stringify(after);
    this.#child = spawn(
      process.execPath,
      [`--max-old-space-size=${maxHeapMiB}`, fileURLToPath(program), file, String(process.pid), from],
      { stdio: ["pipe", "pipe", "ignore"] },
    );
    this.#stopListening = once(signal, () => this.#child.kill("SIGKILL"));
    const over = (): void => {
      this.#hasEnded = true;
      this.#waiting?.resolve(undefined);
    };
    this.#child.on("error", over).on("close", over);
    // It is gone, which "close" tells.
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#take(chunk);
    });
    if (signal.aborted) this.#child.kill("SIGKILL");
  }

  /** Undefined: it has ended, in whatever way. */
  async next(): Promise<SalvageFrame | undefined> {
    if (this.#hasEnded) return undefined;
    this.#waiting = Promise.withResolvers();
    this.#child.stdin?.write("+");
    return await this.#waiting.promise;
  }

  #take(chunk: Buffer): void {
    try {
      const frame = this.#reader.read(chunk);
      if (frame !== undefined) this.#waiting?.resolve(frame);
    } catch (error) {
      this.#waiting?.reject(error);
    }
  }

  [Symbol.dispose](): void {
    this.#stopListening();
    this.#child.kill("SIGKILL");
  }
}

/** The process ended before it had said everything: it is started again. */
export function salvageBrokenFault(file: string): Fault {
  return new Fault({
    code: "salvage_failed",
    layer: "journal",
    disposition: "retry",
    message: `reading what is left in ${file} broke off; it is taken up again where it was`,
    hint: "nothing is lost by it; the kernel's log says whether the disk hangs or memory was short",
  });
}

/** A moved journal has been read to its end. */
export function salvagedFault(file: string, end: SalvageEnd): Fault {
  const { recovered, lost, settled, isSettlementKnown } = end;
  const total = recovered + lost;
  const what = isSettlementKnown
    ? `${recovered} of ${total} messages that were owed are sent on, ${lost} could not be read, ${settled} were done already`
    : `${recovered} messages are sent on, ${lost} between them could not be read; which of them were done already was not to be read, so all are sent again`;
  return new Fault({
    code: "journal_salvaged",
    layer: "journal",
    disposition: "drop",
    message: `${file} has been salvaged: ${what}`,
    hint: "the moved file is kept, delete it when you do not need it any more; look at the kernel log for disk errors",
  });
}
