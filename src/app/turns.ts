/** Changes of the tree of parts: one at a time, in the order of asking, and none once the daemon ends. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #isOver = false;

  /** Rejects with what `change` throws; the next one comes all the same. After `end` it does nothing. */
  async take(change: () => Promise<void>): Promise<void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      if (!this.#isOver) await change();
    } finally {
      resolve();
    }
  }

  /** Resolves when the change that is under way has ended. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#last;
  }
}
