/** A real `Source` as app.ts would run it, with deliveries, log lines and back pressure in a test's hands. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { systemClock } from "../../src/lib/clock.ts";
import type { Fault } from "../../src/lib/fault.ts";
import type { Log, LogDetails } from "../../src/lib/log.ts";
import type { MqttConfig } from "../../src/mqtt/config.ts";
import { type Delivery, Source, type SourceDeps } from "../../src/mqtt/source.ts";
import { Wakeup } from "../../src/lib/wakeup.ts";
import { waitFor } from "./wait.ts";

export function mqttConfig(changes: Partial<MqttConfig> & { readonly url: string }): MqttConfig {
  return {
    name: "mqtt",
    topics: ["application/#"],
    protocol: "auto",
    receiveMaximum: 1000,
    sessionExpiryMs: 3_600_000,
    keepaliveMs: 30_000,
    connectTimeoutMs: 5000,
    stateTopic: "",
    tls: { verify: true },
    ...changes,
  };
}

export interface RecordedLog extends Log {
  readonly lines: { readonly message: string; readonly details: LogDetails }[];
  readonly faults: { readonly fault: Fault; readonly details: LogDetails; readonly atMs: number }[];
}

function recordedLog(): RecordedLog {
  const lines: RecordedLog["lines"] = [];
  const faults: RecordedLog["faults"] = [];
  const line = (message: string, details: LogDetails = {}): void => {
    lines.push({ message, details });
  };
  return {
    lines,
    faults,
    debug: line,
    info: line,
    warn: line,
    error: line,
    fault: (fault, details = {}) => faults.push({ fault, details, atMs: performance.now() }),
  };
}

export interface SourceRunOptions {
  readonly config: MqttConfig;
  readonly clientId?: string;
  /** Topic filters in the session that the broker should have; without it there is none. */
  readonly sessionFilters?: readonly string[];
  readonly isSafeMode?: boolean;
  /** "on_arrival": as if each message were committed at once. "held": `release` does it. */
  readonly acknowledge?: "on_arrival" | "held";
  readonly pressure?: SourceDeps["pressure"];
  /** What the jitter of the backoff is drawn from; 0 is no waiting. */
  readonly random?: () => number;
  readonly onDelivery?: (delivery: Delivery) => void;
}

/** Stops the source when the test ends; a source that does not stop fails the test. */
export function runSource(t: TestContext, options: SourceRunOptions): SourceRun {
  const run = new SourceRun(options);
  t.after(async () => {
    await run.stop();
  });
  return run;
}

export class SourceRun {
  readonly log = recordedLog();
  readonly deliveries: Delivery[] = [];
  readonly source: Source;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #released = 0;

  isSafeMode: boolean;
  readonly modeChanged = new Wakeup();
  /** What the source remembers of its session. */
  sessionFilters: readonly string[] | undefined;

  constructor(options: SourceRunOptions) {
    const { config, clientId, acknowledge, pressure, random, onDelivery } = options;
    this.sessionFilters = options.sessionFilters;
    this.isSafeMode = options.isSafeMode ?? false;
    this.source = new Source({
      config,
      clientId: clientId ?? config.clientId ?? "flightline-under-test",
      mode: { isSafe: () => this.isSafeMode, changed: this.modeChanged },
      session: {
        filters: () => this.sessionFilters,
        keep: (filters) => {
          this.sessionFilters = filters;
        },
      },
      clock: systemClock,
      log: this.log,
      random: random ?? (() => 0.1),
      pressure: pressure ?? (() => undefined),
      deliver: (delivery) => {
        this.deliveries.push(delivery);
        onDelivery?.(delivery);
        if (acknowledge !== "held") this.release(1);
      },
    });
    this.#ended = this.source.run(this.#stop.signal);
    // `stop` passes a failure on; until then it is nobody's unhandled rejection.
    this.#ended.catch(() => {});
  }

  /** Acknowledges the oldest `count` deliveries that are not acknowledged yet; all without a count. */
  release(count = Number.POSITIVE_INFINITY): void {
    const upTo = Math.min(this.deliveries.length, this.#released + count);
    const committed = this.deliveries.slice(this.#released, upTo);
    this.#released = upTo;
    for (const { acknowledge } of committed) acknowledge?.();
  }

  get texts(): string[] {
    return this.deliveries.map(({ payload }) => Buffer.from(payload).toString());
  }

  get faultCodes(): string[] {
    return this.log.faults.map(({ fault }) => fault.code);
  }

  fault(code: string): Fault {
    const found = this.log.faults.find(({ fault }) => fault.code === code)?.fault;
    assert(found !== undefined, `no fault ${code}, only: ${this.faultCodes.join(", ")}`);
    return found;
  }

  /** The `connects`-th connection stands and is subscribed. */
  async subscribed(connects = 1, timeoutMs = 5000): Promise<void> {
    const { status } = this.source;
    await waitFor(() => status.connects >= connects && status.state === "connected", {
      timeoutMs,
      what: `connection ${connects} (faults: ${this.faultCodes.join(", ")})`,
    });
  }

  async received(count: number, timeoutMs = 10_000): Promise<void> {
    await waitFor(() => this.deliveries.length >= count, { timeoutMs, what: `${count} deliveries` });
  }

  async faulted(code: string, timeoutMs = 5000): Promise<Fault> {
    await waitFor(() => this.faultCodes.includes(code), {
      timeoutMs,
      what: `fault ${code} (there were: ${this.faultCodes.join(", ")})`,
    });
    return this.fault(code);
  }

  /** Gives how long the stop took, ms. */
  async stop(): Promise<number> {
    const startMs = performance.now();
    this.#stop.abort();
    await this.#ended;
    return performance.now() - startMs;
  }
}
