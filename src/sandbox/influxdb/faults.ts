/**
 * Faults that a test plants. Each next write takes the oldest one that waits; `seen` counts what was acted
 * out, so that a test can assert that its fault has fallen.
 */
import type { Answer } from "./answer.ts";

export type WriteFault =
  /** Nothing is written; this is the answer. */
  | ({ readonly kind: "answer" } & Answer)
  /** The write is committed, then the connection is destroyed instead of an answer. */
  | { readonly kind: "lose_answer" }
  /** Nothing is written, and the connection is destroyed. */
  | { readonly kind: "reset" }
  /** Nothing is written, and no answer comes until the client gives up or the stand-in stops. */
  | { readonly kind: "hang" };

export class Faults {
  readonly seen: Record<WriteFault["kind"], number> = { answer: 0, lose_answer: 0, reset: 0, hang: 0 };
  /** Every answer to a write is held back for so long. */
  delayMs = 0;
  /** "v2only": write_lp answers 405, as Clustered, Dedicated and Serverless do. */
  writeApi: "all" | "v2only" = "all";
  #planted: WriteFault[] = [];

  /** The next `times` writes meet this fault, after those that were planted before. */
  nextWrites(fault: WriteFault, times = 1): void {
    for (let n = 0; n < times; n += 1) this.#planted.push(fault);
  }

  /** Planted and not met yet. */
  get waiting(): number {
    return this.#planted.length;
  }

  /** Back to an honest server. */
  clear(): void {
    this.#planted = [];
    this.delayMs = 0;
    this.writeApi = "all";
  }

  /** For the server: the fault of the write that has come. */
  take(): WriteFault | undefined {
    const fault = this.#planted.shift();
    if (fault !== undefined) this.seen[fault.kind] += 1;
    return fault;
  }
}
