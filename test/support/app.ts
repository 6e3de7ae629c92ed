/** The daemon within a test's own process: a broker, a sink, a configuration that changes, and one life after the other. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type App, openApp } from "../../src/app.ts";
import type { AppOptions } from "../../src/app/options.ts";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { askStatus } from "../../src/status/control-client.ts";
import { controlPath } from "../../src/status/control-path.ts";
import type { DaemonStatus } from "../../src/status/daemon-status.ts";
import type { SupervisorOutcome } from "../../src/supervision/supervisor.ts";
import { RecordingLog } from "./fakes/recording-log.ts";
import { InfluxSink } from "./influx-sink.ts";
import { type Mosquitto, requireMosquitto } from "./mosquitto.ts";
import { publishAll } from "./publisher.ts";
import { uplink, type UplinkMessage } from "./uplinks.ts";
import { temporaryFolder, waitFor } from "./wait.ts";

export const cleanEnd: SupervisorOutcome = { failure: undefined, stragglers: [] };

/** Lines for tables of the configuration: instead of ours for `mqtt`, besides them for the others. */
export interface ConfigLines {
  /** One or more whole `[[mqtt]]` tables; by default one source "main". */
  readonly mqtt?: string;
  readonly influxUrl?: string;
  readonly influxdb?: string;
  readonly journal?: string;
  /** Further tables. */
  readonly more?: string;
}

export class AppScene {
  readonly broker: Mosquitto;
  readonly sink: InfluxSink;
  readonly #t: TestContext;
  readonly #folder: string;

  private constructor(t: TestContext, broker: Mosquitto, sink: InfluxSink, folder: string) {
    this.#t = t;
    this.broker = broker;
    this.sink = sink;
    this.#folder = folder;
  }

  /** Undefined without mosquitto: the test is skipped. */
  static async open(t: TestContext): Promise<AppScene | undefined> {
    // By default mosquitto drops what is more than 1000 for who is away.
    const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 0"] });
    if (broker === undefined) return undefined;
    const folder = await temporaryFolder("app");
    t.after(() => folder.remove());
    return new AppScene(t, broker, await startSink(t), folder.path);
  }

  get dataDir(): string {
    return join(this.#folder, "data");
  }

  /** A `[[mqtt]]` table. */
  source(name: string, lines = ""): string {
    return `[[mqtt]]\nname = "${name}"\nurl = "${this.broker.url}"\n${lines}\n`;
  }

  async config(lines: ConfigLines = {}): Promise<Config> {
    const file = join(this.#folder, "flightline.toml");
    const text = `
      ${lines.mqtt ?? this.source("main")}
      [journal]
      dir = "${this.dataDir}"
      ${lines.journal ?? 'commit_interval = "20ms"'}
      [influxdb]
      url = "${lines.influxUrl ?? this.sink.url}"
      database = "lorawan"
      batch_max_age = "50ms"
      ${lines.influxdb ?? ""}
      [clock]
      ntp = "ignore"
      ${lines.more ?? ""}`;
    await writeFile(file, text);
    const loaded = loadConfig({ file, env: {} });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    return loaded.config;
  }

  /** Opens it; nothing runs yet. */
  open(config: Config, more: Partial<AppOptions> = {}): AppLife {
    return new AppLife(this.#t, config, more);
  }

  /** Opens it, runs it, and waits until its sources are subscribed. */
  async start(config: Config, more: Partial<AppOptions> = {}): Promise<AppLife> {
    const life = this.open(config, more);
    life.run();
    await life.connected(config.mqtt.length);
    return life;
  }

  /** How often a client whose id ends so has connected. */
  connects(source: string): number {
    const found = this.broker.log().matchAll(/New client connected from \S+ as (\S+) /g);
    return [...found].filter(([, clientId]) => clientId?.endsWith(`-${source}`)).length;
  }

  /** Each has its PUBACK when this resolves. */
  async publish(messages: Iterable<UplinkMessage>, ratePerSecond?: number): Promise<void> {
    const options = { url: this.broker.url, messages };
    const { records } = await publishAll(
      ratePerSecond === undefined ? options : { ...options, ratePerSecond },
    );
    assert.ok(records.every(({ acknowledgedMs }) => acknowledgedMs !== undefined));
  }
}

export async function startSink(t: TestContext): Promise<InfluxSink> {
  const sink = new InfluxSink();
  await sink.start();
  t.after(() => sink.stop());
  return sink;
}

/** One life of the daemon. */
export class AppLife {
  readonly app: App;
  readonly log = new RecordingLog();
  readonly #options: AppOptions;
  readonly #stop = new AbortController();
  #outcome: Promise<SupervisorOutcome> | undefined;

  constructor(t: TestContext, config: Config, more: Partial<AppOptions>) {
    this.#options = { config, log: this.log, version: "1.2.3", ...more };
    this.app = openApp(this.#options);
    t.after(() => this.stop());
  }

  run(): void {
    this.#outcome = this.app.run(this.#stop.signal);
    this.#outcome.catch(() => {});
  }

  /** As SIGTERM does. */
  async stop(): Promise<SupervisorOutcome> {
    this.#stop.abort(new Error("SIGTERM"));
    if (this.#outcome === undefined) this.run();
    return await this.ended();
  }

  async ended(): Promise<SupervisorOutcome> {
    assert.ok(this.#outcome !== undefined, "it runs");
    return await this.#outcome;
  }

  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    await waitFor(condition, { what, timeoutMs: 15_000 });
  }

  async connected(count: number): Promise<void> {
    await this.until(() => {
      const { sources } = this.app.snapshot();
      return sources.filter(({ state }) => state === "connected").length === count;
    }, `${count} connected sources`);
  }

  /** This life has taken in so many messages, and nothing in the journal waits or is unknown to the registry. */
  async settled(count: number): Promise<void> {
    await this.until(() => {
      const { counters, journal } = this.app.snapshot();
      return counters.committed >= count && journal.backlog === 0;
    }, `${count} settled messages`);
  }

  async projected(): Promise<void> {
    await this.until(() => this.app.snapshot().registry.lag === 0, "the registry to have seen everything");
  }

  /** As `flightline status` gets it; `text`: the JSON on the wire. */
  async status(): Promise<{ readonly status: DaemonStatus; readonly text: string }> {
    const { config, runtimeDir } = this.#options;
    const path = controlPath(runtimeDir, config.journal.dir);
    const signal = new AbortController().signal;
    return await waitFor(
      async () => {
        const answer = await askStatus(path, { signal });
        return "status" in answer ? answer : undefined;
      },
      { what: "an answer on the control socket" },
    );
  }

  async partNames(): Promise<string[]> {
    const { status } = await this.status();
    return status.parts.map(({ name }) => name);
  }
}

export function range(from: number, to: number): UplinkMessage[] {
  return Array.from({ length: to - from + 1 }, (_, index) => uplink(from + index));
}

/** Every one of them came to one of the sinks, and none twice. */
export function assertOnce(count: number, ...sinks: readonly InfluxSink[]): void {
  const times = new Map<number, number>();
  for (const { uplinks } of sinks) for (const [n, more] of uplinks) times.set(n, (times.get(n) ?? 0) + more);
  const missing = range(1, count).flatMap((_, index) => (times.has(index + 1) ? [] : [index + 1]));
  assert.deepEqual(missing, [], "none is missing");
  assert.deepEqual(
    [...times].filter(([, more]) => more !== 1),
    [],
    "none was written twice",
  );
  assert.equal(times.size, count);
}
