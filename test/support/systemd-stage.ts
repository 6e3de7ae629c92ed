/**
 * What a scenario is played on: the unit with a broker of its own, uplinks that keep coming, and a database
 * of its own in the stand-in that all stages share.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Account } from "../../src/sandbox/account.ts";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { writeConfig } from "./daemon.ts";
import { makeUplinks, publishUplinks } from "./fleet-uplinks.ts";
import type { UplinkMessage } from "./fleet-uplinks.ts";
import { judge } from "./judge.ts";
import { startMosquitto } from "./mosquitto.ts";
import type { Mosquitto } from "./mosquitto.ts";
import type { PublishReport } from "./publisher.ts";
import { Pubacks } from "./systemd-pubacks.ts";
import { type Program, type Shown, Unit } from "./systemd-unit.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { waitFor } from "./wait.ts";
import type { WatchedInflux } from "./watched-influx.ts";

export interface StageOptions {
  readonly program: Program;
  /** Undefined: what ships. */
  readonly watchdogMs?: number;
  readonly ratePerSecond?: number;
  /** Instead of the stand-in's own: a proxy before it. */
  readonly influxUrl?: string;
}

/** What the judge says, and how long messages waited for the daemon's PUBACK since they were published. */
export interface Figures {
  readonly account: Account;
  /** Of those that were published while the daemon that acknowledged them was connected. */
  readonly steady: { readonly count: number; readonly p99Ms: number; readonly worstMs: number };
  /** Of those that had to wait for a daemon: across a restart. */
  readonly across: { readonly count: number; readonly worstMs: number };
}

/** For more than two minutes. */
const mostUplinks = 4000;
let stages = 0;

export class Stage {
  readonly unit: Unit;
  readonly broker: Mosquitto;
  readonly proxy: TcpProxy;
  readonly pubacks: Pubacks;
  readonly #influx: WatchedInflux;
  readonly #influxUrl: string;
  readonly #database: string;
  readonly #ratePerSecond: number;
  readonly #uplinks: readonly UplinkMessage[];
  readonly #ledger = new MemoryLedger();
  readonly #struck = new AbortController();
  #isOver = false;
  #publishing: Promise<PublishReport<UplinkMessage>> | undefined;

  private constructor(
    name: string,
    options: StageOptions,
    broker: Mosquitto,
    proxy: TcpProxy,
    influx: WatchedInflux,
  ) {
    this.unit = new Unit(name);
    this.broker = broker;
    this.proxy = proxy;
    this.pubacks = new Pubacks(proxy);
    this.#influx = influx;
    this.#influxUrl = options.influxUrl ?? influx.url;
    this.#database = name;
    this.#ratePerSecond = options.ratePerSecond ?? 30;
    stages += 1;
    this.#uplinks = makeUplinks({ count: mostUplinks, seed: 400 + stages });
    this.unit.install(options.program, options.watchdogMs);
    this.writeConfig();
  }

  /** systemd must be told to look at its files after that. */
  static async set(name: string, influx: WatchedInflux, options: StageOptions): Promise<Stage> {
    const broker = await startMosquitto({ extraLines: ["max_queued_messages 20000"] });
    if (broker === undefined) throw new Error("mosquitto is not installed");
    return new Stage(name, options, broker, await TcpProxy.start(broker.port), influx);
  }

  /** `more`: lines at its end. */
  writeConfig(more: readonly string[] = []): void {
    const { folder, configFile } = this.unit;
    writeConfig({
      folder,
      mqttUrl: `mqtt://127.0.0.1:${this.proxy.port}`,
      influxUrl: this.#influxUrl,
      lines: { influxdb: ['batch_max_age = "100ms"'] },
    });
    const text = readFileSync(configFile, "utf8").replace(
      /^database = .*$/m,
      `database = "${this.#database}"`,
    );
    writeFileSync(configFile, [text, ...more, ""].join("\n"));
  }

  /** Starts the unit, and uplinks as soon as they can reach it. */
  async begin(): Promise<Shown> {
    if (!(await this.unit.control("start"))) throw new Error(`${this.unit.name} did not start`);
    await waitFor(() => this.broker.log().includes("Sending SUBACK"), {
      timeoutMs: 10_000,
      what: `${this.unit.name} to subscribe`,
    });
    const shown = await this.unit.show();
    this.#publishing = publishUplinks(this.#ledger, {
      url: this.broker.url,
      messages: this.#flow(),
      ratePerSecond: this.#ratePerSecond,
      signal: this.#struck.signal,
    });
    await this.acknowledgedMore(30);
    return shown;
  }

  *#flow(): Generator<UplinkMessage> {
    for (const uplink of this.#uplinks) {
      if (this.#isOver) return;
      yield uplink;
    }
  }

  /** The daemon goes on acknowledging. */
  async acknowledgedMore(count: number): Promise<void> {
    const wanted = this.pubacks.count + count;
    await waitFor(() => this.pubacks.count >= wanted, {
      timeoutMs: 20_000,
      everyMs: 50,
      what: `${this.unit.name}: ${count} more PUBACKs`,
    });
  }

  /** All that was published up to now is in the database. */
  async delivered(): Promise<void> {
    const ids = [...this.#ledger.entries()].map(({ uplink }) => uplink.deduplicationId);
    await waitFor(() => ids.every((id) => this.#influx.written.has(id)), {
      timeoutMs: 30_000,
      everyMs: 100,
      what: `${this.unit.name}: ${ids.length} uplinks in the database`,
    });
  }

  /** Publishes no more, waits until all is delivered, and ends the unit. */
  async finish(): Promise<Figures> {
    this.#isOver = true;
    const report = await this.#publishing;
    // The judge says better what is missing.
    await this.delivered().catch(() => undefined);
    await this.unit.control("stop");
    const account = await judge({
      ledger: this.#ledger.entries(),
      influxUrl: this.#influx.url,
      database: this.#database,
    });
    return { account, ...this.#waits(report?.records ?? []) };
  }

  #waits(records: PublishReport<UplinkMessage>["records"]): Pick<Figures, "steady" | "across"> {
    const steady: number[] = [];
    const across: number[] = [];
    for (const { message, publishedMs } of records) {
      const puback = this.pubacks.of(message.payload);
      if (puback === undefined) continue;
      (publishedMs < puback.connectedMs ? across : steady).push(puback.atMs - publishedMs);
    }
    return {
      steady: { count: steady.length, p99Ms: percentile(steady, 0.99), worstMs: percentile(steady, 1) },
      across: { count: across.length, worstMs: percentile(across, 1) },
    };
  }

  /** Also after a scenario that did not come to its end. */
  async strike(): Promise<void> {
    this.#struck.abort();
    await this.#publishing;
    await this.unit.control("stop");
    await this.proxy.stop();
    await this.broker.dispose();
  }
}

/** The smallest value that so large a share of them does not exceed; 0 of none. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
