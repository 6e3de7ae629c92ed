/** A database that is away until it is told to return, as the backlog's benchmark sees it. */
import { Child } from "./child.ts";

export interface BacklogSinkSettings {
  /** Numbers of the uplink stream from here up to before `backlogEnd` are the backlog; all others are fresh. */
  readonly backlogFirst: number;
  readonly backlogEnd: number;
}

export type BacklogSinkOrder = "return" | "count";

/** One write, as it came. */
export interface SunkWrite {
  /** `monotonicMs()` of its last byte. */
  readonly atMs: number;
  /** Of uplinks of the backlog, and their own rows. */
  readonly lines: number;
  readonly backlog: readonly number[];
  readonly fresh: readonly number[];
}

export interface BacklogCount {
  readonly writes: readonly SunkWrite[];
  /** Rows of uplinks, in whatever table. */
  readonly lines: number;
  /** On the wire. */
  readonly bytes: number;
}

type Report = { readonly port: number } | { readonly returnedMs: number } | BacklogCount;

/** Of a million uplinks. */
const countTimeoutMs = 180_000;

export class BacklogSink {
  readonly #child: Child<{ readonly order: BacklogSinkOrder }, Report>;
  /** Nobody listens there until `comeBack`. */
  readonly port: number;

  private constructor(child: Child<{ readonly order: BacklogSinkOrder }, Report>, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(settings: BacklogSinkSettings): Promise<BacklogSink> {
    const file = new URL("./backlog-sink-process.ts", import.meta.url);
    const { child, report } = await Child.start<{ readonly order: BacklogSinkOrder }, Report>(file, settings);
    if (!("port" in report)) throw new Error("the sink did not say its port");
    return new BacklogSink(child, report.port);
  }

  /** Resolves with the moment (`monotonicMs()`) from which it listens. */
  async comeBack(): Promise<number> {
    this.#child.send({ order: "return" });
    const report = await this.#child.nextReport();
    if (!("returnedMs" in report)) throw new Error("the sink did not return");
    return report.returnedMs;
  }

  /** All that it has taken, in the order in which it came. Not to be asked for while something is measured. */
  async count(): Promise<BacklogCount> {
    this.#child.send({ order: "count" });
    const report = await this.#child.nextReport(countTimeoutMs);
    if (!("writes" in report)) throw new Error("the sink did not count");
    return report;
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}
