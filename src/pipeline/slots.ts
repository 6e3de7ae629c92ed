import { once } from "../lib/abort.ts";

export type Lane = "fresh" | "backlog";

/**
 * A bounded number of writes in flight. Fresh messages wait in front of the backlog, and the backlog
 * never takes the last slot when there is more than one: an uplink of now does not queue behind
 * yesterday's.
 */
export class Slots {
  readonly #backlogCapacity: number;
  #free: number;
  #backlogInUse = 0;
  readonly #waiting: Record<Lane, (() => void)[]> = { fresh: [], backlog: [] };

  constructor(capacity: number) {
    this.#free = capacity;
    this.#backlogCapacity = Math.max(1, capacity - 1);
  }

  /** Resolves with true when the caller has a slot, with false when the signal aborted first. */
  async acquire(lane: Lane, signal: AbortSignal): Promise<boolean> {
    while (!this.#canTake(lane)) {
      if (signal.aborted) return false;
      await new Promise<void>((resolve) => {
        const stopListening = once(signal, resolve);
        this.#waiting[lane].push(() => {
          stopListening();
          resolve();
        });
      });
    }
    this.#free -= 1;
    if (lane === "backlog") this.#backlogInUse += 1;
    return true;
  }

  release(lane: Lane): void {
    this.#free += 1;
    if (lane === "backlog") this.#backlogInUse -= 1;
    // Both are woken and look again in this order; who finds nothing waits on.
    this.#waiting.fresh.shift()?.();
    this.#waiting.backlog.shift()?.();
  }

  #canTake(lane: Lane): boolean {
    if (this.#free === 0) return false;
    if (lane === "fresh") return true;
    return this.#backlogInUse < this.#backlogCapacity && this.#waiting.fresh.length === 0;
  }
}
