/** Waiting for the server, and for one's turn. Neither leaves a timer or a listener behind. */
import { once, timerMs } from "../../lib/abort.ts";
import type { Fault } from "../../lib/fault.ts";

/**
 * Silence is measured in slices, and ends the wait only when this many have passed. A process that was busy or asleep
 * finds its timers due before it finds what the socket has for it; that costs one slice.
 */
const slices = 4;

export interface Silence {
  readonly limitMs: number;
  /** Asked with each slice; while it does not, nothing is measured. Default: always. */
  readonly counts?: () => boolean;
  readonly fault: () => Fault;
}

/** What `ask` gives; rejects with the signal's reason as soon as it aborts, and with the fault of a silence that is too long. */
export async function answerTo<T>(ask: () => Promise<T>, signal: AbortSignal, silence?: Silence): Promise<T> {
  signal.throwIfAborted();
  return await new Promise<T>((resolve, reject) => {
    let slicesLeft = slices;
    const stopListening = once(signal, () => fail(signal.reason));
    const watch = silence && setInterval(listen, timerMs(silence.limitMs / slices), silence);

    function listen({ counts = () => true, fault }: Silence): void {
      slicesLeft = counts() ? slicesLeft - 1 : slices;
      if (slicesLeft === 0) fail(fault());
    }
    function settle(): void {
      clearInterval(watch);
      stopListening();
    }
    function fail(reason: unknown): void {
      settle();
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- an abort reason may be anything
      reject(reason);
    }
    async function forward(): Promise<void> {
      try {
        const answer = await ask();
        settle();
        resolve(answer);
      } catch (error) {
        fail(error);
      }
    }
    void forward();
  });
}

/** Work that is done one piece at a time, in the order in which it was asked for. */
export class Turns {
  #last: Promise<unknown> | undefined;

  get isFree(): boolean {
    return this.#last === undefined;
  }

  /** What became of the pieces before does not matter to this one. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last === undefined ? work() : this.#last.then(work, work);
    this.#last = turn;
    try {
      return await turn;
    } finally {
      if (this.#last === turn) this.#last = undefined;
    }
  }
}
