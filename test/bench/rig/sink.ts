/** The sink process as a benchmark sees it. */
import { setTimeout as delay } from "node:timers/promises";
import { Child } from "./child.ts";
import { monotonicMs } from "./figures.ts";
import type { Progress } from "./figures.ts";

export interface SinkReport {
  /** Rows of table `uplink`, ever. */
  readonly uplinks: number;
  /** Different uplinks among them. */
  readonly distinct: number;
  /** Of uplinks, in whatever table. */
  readonly lines: number;
  readonly requests: number;
  /** On the wire. */
  readonly bytes: number;
  /** Since the last report. */
  readonly deliveries: readonly { readonly atMs: number; readonly uplinks: number }[];
}

/** Two gateways at least, and the decoded payload. */
const fewestLinesPerUplink = 4;
const deliveryTimeoutMs = 15_000;

export class Sink {
  readonly #child: Child<object, SinkReport>;
  readonly port: number;

  private constructor(child: Child<object, SinkReport>, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(): Promise<Sink> {
    const file = new URL("./sink-process.ts", import.meta.url);
    const { child, report } = await Child.start<object, SinkReport | { readonly port: number }>(file, {});
    if (!("port" in report)) throw new Error("the sink did not say its port");
    return new Sink(child as Child<object, SinkReport>, report.port);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Waits until it has had `expected` uplinks, ever, and returns when those since the last call came.
   * Throws when one is missing, doubled or without all of its lines.
   */
  async deliveries(expected: number): Promise<Progress[]> {
    const deliveries: SinkReport["deliveries"][number][] = [];
    const deadlineMs = monotonicMs() + deliveryTimeoutMs;
    for (;;) {
      this.#child.send({});
      const report = await this.#child.nextReport();
      deliveries.push(...report.deliveries);
      if (report.uplinks >= expected) {
        check(report, expected);
        break;
      }
      if (monotonicMs() > deadlineMs)
        throw new Error(`of ${expected} uplinks ${report.uplinks} came to the sink`);
      await delay(100);
    }
    let total = 0;
    return deliveries.map(({ atMs, uplinks }) => {
      total += uplinks;
      return { atMs, total };
    });
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}

function check({ uplinks, distinct, lines }: SinkReport, expected: number): void {
  if (uplinks !== expected || distinct !== expected) {
    throw new Error(`the sink had ${uplinks} uplinks, ${distinct} different ones, instead of ${expected}`);
  }
  if (lines < fewestLinesPerUplink * uplinks)
    throw new Error(`the sink had ${lines} lines of ${uplinks} uplinks`);
}
