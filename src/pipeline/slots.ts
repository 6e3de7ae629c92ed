import { once } from "../lib/abort.ts";

export type Lane = "fresh" | "backlog";

/**
 * A bounded number of writes in flight. Fresh messages wait in front of the backlog, and the backlog
 * never takes the last slot when there is more than one: an uplink of now does not queue behind
 * yesterday's.
 *
 * Invariant: between two calls nobody waits who could have a slot. A slot that becomes free is given away
 * inside `release`, so that no wake-up can be lost and nobody can slip in before one who waits.
 */
export class Slots {
  readonly #backlogCapacity: number;
  #free: number;
  #backlogInUse = 0;
  readonly #waiting: Readonly<Record<Lane, Set<() => void>>> = { fresh: new Set(), backlog: new Set() };

  constructor(capacity: number) {
    this.#free = capacity;
    this.#backlogCapacity = Math.max(1, capacity - 1);
  }

  /** Resolves with true when the caller has a slot, with false when the signal aborted first. */
  async acquire(lane: Lane, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#canTake(lane)) {
      this.#take(lane);
      return true;
    }
    return await new Promise<boolean>((resolve) => {
      const waiting = this.#waiting[lane];
      const granted = (): void => {
        stopListening();
        resolve(true);
      };
      const stopListening = once(signal, () => {
        waiting.delete(granted);
        resolve(false);
      });
      waiting.add(granted);
    });
  }

  release(lane: Lane): void {
    this.#free += 1;
    if (lane === "backlog") this.#backlogInUse -= 1;
    this.#grant("fresh");
    this.#grant("backlog");
  }

  #grant(lane: Lane): void {
    for (const granted of this.#waiting[lane]) {
      if (!this.#canTake(lane)) return;
      this.#waiting[lane].delete(granted);
      this.#take(lane);
      granted();
    }
  }

  #canTake(lane: Lane): boolean {
    return this.#free > 0 && (lane === "fresh" || this.#backlogInUse < this.#backlogCapacity);
  }

  #take(lane: Lane): void {
    this.#free -= 1;
    if (lane === "backlog") this.#backlogInUse += 1;
  }
}
