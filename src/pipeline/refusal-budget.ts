import type { Clock } from "../lib/clock.ts";

interface Allowance {
  readonly capacity: number;
  /** One more each time. */
  readonly refillMs: number;
}

/**
 * Refused batches that may be halved at once: enough to find half a dozen bad lines among two thousand messages;
 * one more every few seconds. When everything is refused, batches are left alone whole, and the server is
 * spared thousands of requests.
 */
export const halving: Allowance = { capacity: 64, refillMs: 5000 };
/**
 * Answers that name a line: each buries at least one, so that nothing is asked in vain; but of a fleet whose
 * every uplink is refused not more than these are looked into.
 */
export const cutting: Allowance = { capacity: 512, refillMs: 50 };

export class RefusalBudget {
  readonly #clock: Clock;
  readonly #allowance: Allowance;
  #left: number;
  #refilledMs: number;

  constructor(clock: Clock, allowance: Allowance) {
    this.#clock = clock;
    this.#allowance = allowance;
    this.#left = allowance.capacity;
    this.#refilledMs = clock.uptimeMs();
  }

  /** False when a refused batch must be left alone as it is. */
  take(): boolean {
    const { capacity, refillMs } = this.#allowance;
    const refill = Math.floor((this.#clock.uptimeMs() - this.#refilledMs) / refillMs);
    this.#left = Math.min(capacity, this.#left + refill);
    this.#refilledMs += refill * refillMs;
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  /** What was taken has done some good. */
  refund(count: number): void {
    this.#left = Math.min(this.#allowance.capacity, this.#left + count);
  }
}
