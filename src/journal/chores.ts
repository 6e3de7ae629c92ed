import type { Clock } from "../lib/clock.ts";
import { errorCode, Fault } from "../lib/fault.ts";
import type { Interval } from "../lib/intervals.ts";
import type { Journal } from "./journal.ts";
import { contentBytes, countWithin, type JournalMessage } from "./message.ts";

/** Of one step. It takes about as long as a commit. */
const maxCount = 256;
const maxBytes = 256 * 1024;
/** Rows looked at in one step. */
const maxRows = 1024;
/** After a step nothing is done for so many times as long: the event loop is for others as well. */
const restFactor = 3;
/** So long a step waits for a time at which it makes no group wait; then it makes one wait. */
const patienceMs = 1000;

interface Chore {
  /** One transaction. Returns what it appended, and whether that was the last. */
  step(): { readonly stored: readonly JournalMessage[]; readonly isDone: boolean };
  readonly fail: (error: unknown) => void;
}

/** Is told of messages that are in the log now, in the order given. */
export type Stored = (messages: readonly JournalMessage[]) => void;

/**
 * What a person, or the salvage of a damaged file, wants to be written beside the group commits: in the order
 * of asking, one transaction of bounded size after the other, each when it does not make a group wait.
 */
export class Chores {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #added: () => void;
  readonly #waiting: Chore[] = [];
  #lastTookMs = 0;
  #lastEndMs = 0;
  /** Since when the first one waits to be begun, or to go on. */
  #waitingSinceMs = 0;
  #ended: { readonly reason: unknown } | undefined;

  constructor(journal: Journal, clock: Clock, added: () => void) {
    this.#journal = journal;
    this.#clock = clock;
    this.#added = added;
  }

  /** See `Committer.requeue`. */
  async requeue(messages: readonly JournalMessage[], each?: Stored): Promise<JournalMessage[]> {
    const all: JournalMessage[] = [];
    await this.#add(() => {
      const stored = this.#journal.requeue(portion(messages, all.length));
      for (const message of stored) all.push(message);
      return { stored, isDone: all.length === messages.length };
    }, each);
    return all;
  }

  /** See `Committer.unsettleAll`. */
  async unsettleAll(runs: readonly Interval[]): Promise<number> {
    const journal = this.#journal;
    const left = runs.toReversed();
    let count = 0;
    await this.#add(() => {
      for (let looks = maxRows; looks > 0;) {
        const run = left.pop();
        if (run === undefined) break;
        const from = Math.max(run.lo, journal.settled.atOrAfter(run.lo)?.lo ?? Infinity);
        const to = Math.min(run.hi, from + looks - 1);
        count += journal.unsettle(from, to);
        if (to < run.hi) left.push({ lo: to + 1, hi: run.hi });
        looks -= Math.max(1, to - from + 1);
      }
      // Also when this step has found none: an earlier one may not have been saved.
      if (journal.hasUnsavedSettlement) journal.commit([]);
      return { stored: [], isDone: left.length === 0 };
    });
    return count;
  }

  async #add(step: Chore["step"], each?: Stored): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended.reason);
        return;
      }
      const told = (): ReturnType<Chore["step"]> => {
        const { stored, isDone } = step();
        try {
          each?.(stored);
        } catch (error) {
          // It is stored all the same, and the log goes on.
          reject(error);
          return { stored, isDone: true };
        }
        if (isDone) resolve();
        return { stored, isDone };
      };
      if (this.#waiting.length === 0) this.#waitingSinceMs = this.#clock.uptimeMs();
      this.#waiting.push({ step: told, fail: reject });
      this.#added();
    });
  }

  /** When a step is to be done, or looked for again; the next group is due in `groupDueInMs`. */
  dueInMs(groupDueInMs: number | undefined): number | undefined {
    if (this.#waiting.length === 0) return undefined;
    const nowMs = this.#clock.uptimeMs();
    const restMs = this.#lastEndMs + restFactor * this.#lastTookMs - nowMs;
    if (restMs > 0) return restMs;
    if (groupDueInMs === undefined || groupDueInMs > this.#lastTookMs) return 0;
    return Math.max(0, this.#waitingSinceMs + patienceMs - nowMs);
  }

  /**
   * Returns what was appended. Who asked is told of any fault; those that a retry does not mend are thrown as
   * well.
   */
  step(): readonly JournalMessage[] {
    const [chore] = this.#waiting;
    if (chore === undefined) return [];
    const startMs = this.#clock.uptimeMs();
    try {
      const { stored, isDone } = chore.step();
      if (isDone) this.#waiting.shift();
      return stored;
    } catch (error) {
      this.#waiting.shift();
      chore.fail(withoutRoom(error));
      if (!(error instanceof Fault) || error.disposition !== "retry") throw error;
      return [];
    } finally {
      this.#lastEndMs = this.#clock.uptimeMs();
      this.#lastTookMs = this.#lastEndMs - startMs;
      this.#waitingSinceMs = this.#lastEndMs;
    }
  }

  /** What waits, and whatever is asked from now on, is rejected. */
  end(reason: unknown): void {
    this.#ended = { reason };
    for (const chore of this.#waiting.splice(0)) chore.fail(reason);
  }
}

/** From `start` on, as many as one transaction should hold, but at least one. */
function portion(messages: readonly JournalMessage[], start: number): readonly JournalMessage[] {
  const some = messages.slice(start, start + maxCount);
  return some.slice(0, countWithin(some.map(contentBytes), maxBytes));
}

function withoutRoom(error: unknown): unknown {
  if (errorCode(error) !== "journal_full" || !(error instanceof Fault)) return error;
  return new Fault({
    code: "journal_full",
    layer: "journal",
    disposition: "retry",
    message: "the journal has no room for messages that are put back: the rest of them stays where it is",
    hint: `try again once InfluxDB has taken some; or ${error.hint}`,
    cause: error,
  });
}
