import type { Fault } from "./fault.ts";

/** What the rooms know of logging. The one implementation is in cli/; tests pass their own. */
export interface Log {
  debug(message: string, details?: LogDetails): void;
  info(message: string, details?: LogDetails): void;
  warn(message: string, details?: LogDetails): void;
  error(message: string, details?: LogDetails): void;
  /** One line with code, sentence and hint. The level follows the disposition: fatal and restart are errors. */
  fault(fault: Fault, details?: LogDetails): void;
}

export type LogDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The same fault again and again is one line per `everyMs`, with the number that was left out: an outage
 * must not fill the disk with its own story.
 */
export class FaultThrottle {
  readonly #everyMs: number;
  readonly #seen = new Map<string, { atMs: number; suppressed: number }>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Undefined: say nothing now. A number: say it, that many were left out since the last time. */
  admit(key: string, nowMs: number): number | undefined {
    const last = this.#seen.get(key);
    if (last !== undefined && nowMs - last.atMs < this.#everyMs) {
      last.suppressed += 1;
      return undefined;
    }
    this.#seen.set(key, { atMs: nowMs, suppressed: 0 });
    return last?.suppressed ?? 0;
  }

  /** After a recovery the next failure is news again. */
  reset(key: string): void {
    this.#seen.delete(key);
  }
}
