/** A reading as an async iterator over the elements of its batches. */
import { assert } from "../../lib/fault.ts";
import { cancelled } from "./faults.ts";
import type { Reading } from "./reading.ts";
import { Turns } from "./wait.ts";

/**
 * An element that has come already costs a resolved promise and nothing else. Once the reading has failed it is not
 * handed out any more. Calls of `next` that overlap are served in
 * their order; `return` does not wait for them: it ends the query, and they are done.
 */
class Pulls<B extends object, T> implements AsyncIterator<T> {
  readonly #reading: Reading<B>;
  readonly #elementsOf: (batch: B) => readonly T[];
  readonly #turns = new Turns();
  #elements: readonly T[] = [];
  #taken = 0;
  #isOver = false;

  constructor(reading: Reading<B>, elementsOf: (batch: B) => readonly T[]) {
    this.#reading = reading;
    this.#elementsOf = elementsOf;
  }

  // oxlint-disable-next-line typescript/promise-function-async -- an async function costs three times as much for each row
  next(): Promise<IteratorResult<T>> {
    if (this.#hasElement && this.#turns.isFree) return Promise.resolve(this.#take());
    return this.#turns.take(async () => await this.#pull());
  }

  get #hasElement(): boolean {
    return this.#taken < this.#elements.length && !this.#reading.hasFailed;
  }

  async return(): Promise<IteratorResult<T>> {
    this.#finish();
    this.#reading.fail(cancelled());
    return { done: true, value: undefined };
  }

  async #pull(): Promise<IteratorResult<T>> {
    while (!this.#hasElement && !this.#isOver) {
      this.#elements = [];
      this.#taken = 0;
      await this.#refill();
    }
    return this.#take();
  }

  async #refill(): Promise<void> {
    try {
      const batch = await this.#reading.next();
      if (batch === undefined) this.#finish();
      else if (!this.#isOver) this.#elements = this.#elementsOf(batch);
    } catch (error) {
      // Who has left does not hear of it.
      if (this.#isOver) return;
      this.#finish();
      throw error;
    }
  }

  #take(): IteratorResult<T> {
    if (this.#isOver) return { done: true, value: undefined };
    const value = this.#elements[this.#taken] as T;
    this.#taken += 1;
    return { done: false, value };
  }

  #finish(): void {
    this.#isOver = true;
    this.#elements = [];
    this.#taken = 0;
  }
}

/** Can be iterated once: a second iterator is a bug of the caller's. */
export function pullsOf<B extends object, T>(
  reading: Reading<B>,
  elementsOf: (batch: B) => readonly T[],
): AsyncIterable<T> {
  let isTaken = false;
  return {
    [Symbol.asyncIterator]: () => {
      assert(!isTaken, "a Flight stream is read once, and this one is being iterated already");
      isTaken = true;
      return new Pulls(reading, elementsOf);
    },
  };
}
