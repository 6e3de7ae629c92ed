/**
 * Writes wait here for the next flush, as they wait in InfluxDB 3 Core for its WAL: all of one interval are
 * one transaction. The flushes fall on multiples of the interval; an idle queue has no timer.
 */
import { setTimeout as sleep } from "node:timers/promises";

import type { AcceptedPoint } from "./ingest.ts";

export interface FlushQueueOptions {
  readonly intervalMs: number;
  /** Core's limit is 100,000. */
  readonly maxWrites: number;
  readonly commit: (points: readonly AcceptedPoint[]) => Promise<void>;
}

/** The queue is full; `writes` is how many wait. */
export class QueueFull extends Error {
  readonly writes: number;

  constructor(writes: number) {
    super(`${writes} writes wait for the next flush`);
    this.writes = writes;
  }
}

export class FlushQueue {
  readonly #options: FlushQueueOptions;
  readonly #startedAtMs = performance.now();
  readonly #stopping = new AbortController();
  #waiting: AcceptedPoint[] = [];
  #writes = 0;
  /** What the waiting writes wait for. */
  #flush: Promise<void> | undefined;
  #lastCommit: Promise<void> = Promise.resolve();

  constructor(options: FlushQueueOptions) {
    this.#options = options;
  }

  /** Resolves when the points are durable and visible; rejects when their transaction failed. */
  async append(points: readonly AcceptedPoint[]): Promise<void> {
    if (this.#writes >= this.#options.maxWrites) throw new QueueFull(this.#writes);
    this.#writes += 1;
    for (const point of points) this.#waiting.push(point);
    this.#flush ??= this.#flushAtNextTick();
    await this.#flush;
  }

  /** Flushes what waits at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#flush?.catch(() => undefined);
    await this.#lastCommit.catch(() => undefined);
  }

  async #flushAtNextTick(): Promise<void> {
    const { intervalMs } = this.#options;
    const sinceTickMs = (performance.now() - this.#startedAtMs) % intervalMs;
    await sleep(intervalMs - sinceTickMs, undefined, { signal: this.#stopping.signal }).catch(
      () => undefined,
    );
    await this.#lastCommit.catch(() => undefined);
    const points = this.#waiting;
    this.#waiting = [];
    this.#writes = 0;
    this.#flush = undefined;
    this.#lastCommit = this.#options.commit(points);
    await this.#lastCommit;
  }
}
