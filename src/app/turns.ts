/** Changes of the tree of parts: one at a time, in the order of asking, and none once the daemon ends. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #isOver = false;

  /**
   * What `change` gives; undefined after `end`, when nothing is changed any more. Rejects with what it throws; the
   * next one comes all the same.
   */
  async take<T>(change: () => Promise<T>): Promise<T | undefined> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      return this.#isOver ? undefined : await change();
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
