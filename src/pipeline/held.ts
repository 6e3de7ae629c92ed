import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";

/** Messages that wait after a refusal, and what the last one was. */
export interface HeldStatus {
  readonly count: number;
  readonly fault: Fault;
}

/** How many messages are parked because of what InfluxDB has said of them, until when, and what it said last. */
export class Held {
  readonly #clock: Clock;
  /** By the time at which they are tried again (monotonic ms). */
  readonly #counts = new Map<number, number>();
  #lastFault: Fault | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  refused(fault: Fault): void {
    this.#lastFault = fault;
  }

  add(count: number, untilMs: number): void {
    this.#counts.set(untilMs, (this.#counts.get(untilMs) ?? 0) + count);
  }

  /** All of them are tried again now. */
  clear(): void {
    this.#counts.clear();
  }

  get count(): number {
    const nowMs = this.#clock.uptimeMs();
    let sum = 0;
    for (const [untilMs, count] of this.#counts) {
      if (untilMs <= nowMs) this.#counts.delete(untilMs);
      else sum += count;
    }
    return sum;
  }

  get status(): HeldStatus | undefined {
    const { count } = this;
    return count === 0 || this.#lastFault === undefined ? undefined : { count, fault: this.#lastFault };
  }
}
