/** The publishing process as a benchmark sees it. */
import { setTimeout as delay } from "node:timers/promises";
import { waitFor } from "../../support/wait.ts";
import { Child } from "./child.ts";
import { monotonicMs } from "./figures.ts";
import type { Progress } from "./figures.ts";

export type PublisherOrder =
  | { readonly upTo: number }
  | { readonly perSecond: number; readonly count: number };

interface PublisherReport {
  readonly acknowledged: number;
  /** In the first report. */
  readonly meanPayloadBytes?: number;
}

/**
 * Published and not yet taken by the subscriber, at most. mosquitto queues 1,000 messages for a subscriber
 * on top of its window, and drops what comes then.
 */
const mostAhead = 900;
const pollMs = 10;
const stallMs = 15_000;

export class Publisher {
  readonly #child: Child<PublisherOrder, PublisherReport>;
  readonly meanPayloadBytes: number;
  #published = 0;
  #acknowledged = 0;

  private constructor(child: Child<PublisherOrder, PublisherReport>, meanPayloadBytes: number) {
    this.#child = child;
    this.meanPayloadBytes = meanPayloadBytes;
    child.onReport(({ acknowledged }) => {
      this.#acknowledged = acknowledged;
    });
  }

  static async start(port: number): Promise<Publisher> {
    const file = new URL("./publisher-process.ts", import.meta.url);
    const { child, report } = await Child.start<PublisherOrder, PublisherReport>(file, { port });
    return new Publisher(child, report.meanPayloadBytes ?? Number.NaN);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Messages so far, over all runs. */
  get published(): number {
    return this.#published;
  }

  /**
   * As fast as the subscriber takes them, never so far ahead that the broker's queue overflows. `taken`:
   * messages that the subscriber has, ever. Resolves when it has all; throws when one does not come.
   */
  async closedLoop(count: number, taken: () => number): Promise<Progress[]> {
    const before = this.#published;
    const samples: Progress[] = [];
    let movedMs = monotonicMs();
    for (;;) {
      const total = taken() - before;
      const atMs = monotonicMs();
      if (total > (samples.at(-1)?.total ?? -1)) movedMs = atMs;
      samples.push({ atMs, total });
      if (total >= count) break;
      if (atMs - movedMs > stallMs)
        throw new Error(`of ${count} uplinks only ${total} came to the subscriber`);
      this.#published = Math.max(this.#published, before + Math.min(count, total + mostAhead));
      this.#child.send({ upTo: this.#published });
      await delay(pollMs);
    }
    await this.#allAcknowledged();
    return samples;
  }

  /** At a steady rate, whatever the subscriber does. Resolves when the broker has acknowledged all. */
  async atRate(perSecond: number, seconds: number): Promise<void> {
    const count = Math.round(perSecond * seconds);
    this.#published += count;
    this.#child.send({ perSecond, count });
    await delay(seconds * 1000);
    await this.#allAcknowledged();
  }

  async #allAcknowledged(): Promise<void> {
    await waitFor(() => this.#acknowledged === this.#published, {
      timeoutMs: stallMs,
      what: "the broker to acknowledge what was published",
    });
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}
