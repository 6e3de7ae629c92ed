/**
 * InfluxDB as the forwarder sees it: a `LineWriter` that keeps what it was given and answers as it is
 * told. Like the real one it rejects only with the signal's reason, or when it is told to have a bug.
 */
import { once } from "../../../src/lib/abort.ts";
import { type Disposition, Fault } from "../../../src/lib/fault.ts";
import type { LineWriter, RefusedLine, WriteOutcome } from "../../../src/pipeline/ports.ts";

export type Answer =
  | WriteOutcome
  | { readonly kind: "bug"; readonly error: Error }
  | { readonly kind: "hang" };

export interface Write {
  readonly lines: string;
  readonly number: number;
}

function fault(code: string, disposition: Disposition): Fault {
  return new Fault({ code, layer: "write", disposition, message: code });
}

export const delivered: Answer = { kind: "delivered" };
export const hang: Answer = { kind: "hang" };
/** Without saying why or which lines: what a server in trouble may say too. */
export const refusedBatch: Answer = refused({ isCertain: false });
export const refusedEndpoint: Answer = { kind: "hold", fault: fault("write_unauthorized", "fatal") };
export const tooLarge: Answer = { kind: "too_large", fault: fault("write_too_large", "quarantine") };
export function refused({
  isCertain = true,
  lines = [],
}: { isCertain?: boolean; lines?: readonly RefusedLine[] } = {}): Answer {
  return { kind: "refused", fault: fault("write_refused", "quarantine"), lines, isCertain };
}
export function retry(afterMs?: number): Answer {
  return { kind: "retry", afterMs, fault: fault("write_overloaded", "retry") };
}
/** A failure that may be the batch's doing. */
export const stumbled: Answer = {
  kind: "retry",
  afterMs: undefined,
  fault: fault("write_server_error", "retry"),
};

export class ScriptedWriter implements LineWriter {
  /** What the server says to a write; by default it takes everything. */
  answer: (write: Write) => Answer = () => delivered;
  /** How long it takes to say so. 0: a microtask. */
  latencyMs = 0;
  readonly writes: Write[] = [];
  /** Lines that the server has, with how often it took them. */
  readonly taken = new Map<string, number>();
  inFlight = 0;
  mostInFlight = 0;

  async write(lines: string, signal: AbortSignal): Promise<WriteOutcome> {
    signal.throwIfAborted();
    const write = { lines, number: this.writes.length + 1 };
    this.writes.push(write);
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      const answer = this.answer(write);
      if (answer.kind === "hang") return await never(signal);
      if (this.latencyMs > 0) await delay(this.latencyMs, signal);
      if (answer.kind === "bug") throw answer.error;
      if (answer.kind === "delivered") this.#take(lines);
      return answer;
    } finally {
      this.inFlight -= 1;
    }
  }

  #take(lines: string): void {
    for (const line of lines.split("\n")) this.taken.set(line, (this.taken.get(line) ?? 0) + 1);
  }
}

async function never(signal: AbortSignal): Promise<never> {
  return await new Promise<never>((_resolve, reject) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the contract says: the reason
    once(signal, () => reject(signal.reason));
  });
}

async function delay(latencyMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      stopListening();
      resolve();
    }, latencyMs);
    const stopListening = once(signal, () => {
      clearTimeout(timer);
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the contract says: the reason
      reject(signal.reason);
    });
  });
}
