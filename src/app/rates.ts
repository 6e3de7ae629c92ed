/** How many messages of brokers come and go per second, over the last minute. Pure but for what it is told. */
import type { Counters } from "../pipeline/counters.ts";

const windowMs = 60_000;

interface Sample {
  readonly atMs: number;
  readonly received: number;
  readonly written: number;
}

export class Rates {
  #samples: readonly Sample[] = [];

  /** Now and then, some seconds apart. `nowMs`: monotonic. */
  sample({ received, written }: Pick<Counters, "received" | "written">, nowMs: number): void {
    const recent = this.#samples.filter(({ atMs }) => atMs >= nowMs - windowMs);
    this.#samples = [...recent, { atMs: nowMs, received, written }];
  }

  get perSecond(): { readonly received: number; readonly written: number } {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs <= first.atMs)
      return { received: 0, written: 0 };
    const seconds = (last.atMs - first.atMs) / 1000;
    return {
      received: (last.received - first.received) / seconds,
      written: (last.written - first.written) / seconds,
    };
  }
}
