import type { Clock } from "../lib/clock.ts";

/**
 * Refusals that may be looked into at once: enough to find half a dozen bad messages among two thousand; one
 * more every few seconds. When everything is refused, batches are left alone whole, and the server is
 * spared thousands of requests.
 */
const capacity = 64;
const refillMs = 5000;

export class RefusalBudget {
  readonly #clock: Clock;
  #left = capacity;
  #refilledMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#refilledMs = clock.uptimeMs();
  }

  /** False when a refused batch must be left alone as it is. */
  take(): boolean {
    const refill = Math.floor((this.#clock.uptimeMs() - this.#refilledMs) / refillMs);
    this.#left = Math.min(capacity, this.#left + refill);
    this.#refilledMs += refill * refillMs;
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }
}
