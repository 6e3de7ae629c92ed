import type { Fault } from "../lib/fault.ts";
import type { LineWriter, WriteOutcome } from "./ports.ts";

type Retry = Extract<WriteOutcome, { kind: "retry" }>;

/** What became of asking for the database. */
type DatabaseOutcome =
  | { readonly kind: "ready" }
  | Retry
  | { readonly kind: "refused"; readonly fault: Fault | undefined };

export interface DatabaseAsker {
  /** Creates the database with its retention, unless it is there. Rejects only with the signal's reason. */
  ensureDatabase(signal: AbortSignal): Promise<DatabaseOutcome>;
}

/**
 * Makes sure of one database before the first line: the first write would create it without its retention,
 * which Core cannot change afterwards. Whoever writes there passes the same gate, whatever his token: the one
 * who says the retention need not be the first to write.
 *
 * The askers are asked in the order in which they were added, until one is not refused. When all are, that is
 * said once and writes go on, because the database may well be there. Without askers the gate is open.
 */
export class DatabaseGate {
  readonly #askers: { readonly asker: DatabaseAsker; readonly report: (fault: Fault) => void }[] = [];
  #asking: Promise<Retry | undefined> | undefined;
  #isOpen = false;

  /** Before the first write. `report` hears of a refusal. */
  add(asker: DatabaseAsker, report: (fault: Fault) => void): void {
    this.#askers.push({ asker, report });
  }

  /** The same writer, behind this gate. */
  before(writer: LineWriter): LineWriter {
    return {
      write: async (lines, signal) => (await this.#pass(signal)) ?? (await writer.write(lines, signal)),
    };
  }

  /** Undefined: lines may be written. Who stops while another's question is under way waits for its end. */
  async #pass(signal: AbortSignal): Promise<Retry | undefined> {
    while (!this.#isOpen) {
      this.#asking ??= this.#ask(signal)
        .catch((error: unknown) => {
          // That the one who asked has stopped is no answer for the others, who ask again.
          if (!signal.aborted) throw error;
          return undefined;
        })
        .finally(() => {
          this.#asking = undefined;
        });
      const retry = await this.#asking;
      signal.throwIfAborted();
      if (retry !== undefined) return retry;
    }
    return undefined;
  }

  async #ask(signal: AbortSignal): Promise<Retry | undefined> {
    let sayRefused: (() => void) | undefined;
    for (const { asker, report } of this.#askers) {
      const outcome = await asker.ensureDatabase(signal);
      if (outcome.kind === "retry") return outcome;
      if (outcome.kind === "ready") {
        this.#isOpen = true;
        return undefined;
      }
      const { fault } = outcome;
      if (fault !== undefined) sayRefused ??= () => report(fault);
    }
    sayRefused?.();
    this.#isOpen = true;
    return undefined;
  }
}
