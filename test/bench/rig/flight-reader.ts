/** The reader process as the Flight benchmark sees it. */
import { Child } from "./child.ts";

export type Way = "raw" | "official" | "chunks" | "reader" | "rows" | "batches" | "all";

export interface ReadSettings {
  readonly url: string;
  readonly way: Way;
}

export interface ReadOrder {
  readonly batches: number;
  /** After each batch. */
  readonly pauseMs?: number;
  /** Leave the loop then. */
  readonly breakAfter?: number;
}

export interface ReadReport {
  /** Rows; messages, where nothing is decoded. */
  readonly seen: number;
  readonly ms: number;
  /** `monotonicMs()` */
  readonly endedAtMs: number;
  readonly cpuMs: number;
  /** Each 50 ms. */
  readonly rssBytes: readonly number[];
}

const readTimeoutMs = 180_000;

export class Reader {
  readonly #child: Child<ReadOrder, ReadReport>;

  private constructor(child: Child<ReadOrder, ReadReport>) {
    this.#child = child;
  }

  static async start(settings: ReadSettings): Promise<Reader> {
    const file = new URL("./flight-reader-process.ts", import.meta.url);
    const { child } = await Child.start<ReadOrder, ReadReport>(file, settings);
    return new Reader(child);
  }

  async read(order: ReadOrder): Promise<ReadReport> {
    const report = this.#child.nextReport(readTimeoutMs);
    this.#child.send(order);
    return await report;
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}
