/**
 * What a scenario of the proof plays on: real mosquitto and a stand-in for InfluxDB in processes of their own,
 * each behind a proxy, the built daemon, and a publisher that notes each PUBACK. Whatever befalls them, at the
 * end each event is looked for in InfluxDB and in `flightline buffer`.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Fleet } from "../../src/sandbox/devices/fleet.ts";
import {
  database,
  dataFolder,
  type Program,
  type ProgramOptions,
  startDaemon,
  writeConfig,
} from "./daemon.ts";
import type { UplinkMessage } from "./fleet-uplinks.ts";
import { committedCount, forgetStarts, unsettledCount } from "./journal-files.ts";
import { judgeEvents } from "./judge.ts";
import { type Mosquitto, type MosquittoOptions, requireMosquitto } from "./mosquitto.ts";
import { type MqttTraffic, observeMqtt } from "./observe-mqtt.ts";
import { bufferAccount, type BufferAccount, pendingCount } from "./proof-buffer.ts";
import { type InfluxOptions, ProofInflux } from "./proof-influx.ts";
import type { Published, Verdict } from "./proof-verdicts.ts";
import { publishAll } from "./publisher.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { temporaryFolder, waitFor } from "./wait.ts";

/** For what must happen sooner or later, on a machine that may be busy. */
export const deadlineMs = 60_000;
/** Before now, of the first event: enough for some hundred thousand of so many devices. */
const ageMs = 9 * 3_600_000;
const deviceCount = 200;

export interface StageOptions {
  /** Where data directory and configuration are; a temporary folder unless given. */
  readonly folder?: string;
  readonly lines?: Readonly<Record<string, readonly string[]>>;
  readonly broker?: MosquittoOptions;
  readonly influx?: InfluxOptions;
  /** Of the devices and their events. */
  readonly seed: number;
}

export interface Flow {
  stop(): Promise<void>;
}

interface StageParts {
  readonly broker: Mosquitto;
  readonly influx: ProofInflux;
  readonly mqttProxy: TcpProxy;
  readonly influxProxy: TcpProxy;
  readonly folder: string;
}

export class ProofStage {
  readonly broker: Mosquitto;
  readonly influx: ProofInflux;
  /** Between broker and daemon. */
  readonly mqttProxy: TcpProxy;
  /** Between daemon and InfluxDB. */
  readonly influxProxy: TcpProxy;
  readonly traffic: MqttTraffic;
  readonly dir: string;
  readonly configFile: string;
  readonly #stack: AsyncDisposableStack;
  /** Publishers end with it. */
  readonly #ending = new AbortController();
  readonly #fleet: Fleet;
  #isSubscribed = false;
  readonly #published = new Map<UplinkMessage, { isAcknowledged: boolean }>();

  private constructor(stack: AsyncDisposableStack, parts: StageParts, options: StageOptions) {
    const { lines = {}, seed } = options;
    this.#stack = stack;
    this.broker = parts.broker;
    this.influx = parts.influx;
    this.mqttProxy = parts.mqttProxy;
    this.influxProxy = parts.influxProxy;
    this.traffic = observeMqtt(parts.mqttProxy);
    this.dir = dataFolder(parts.folder);
    this.configFile = writeConfig({
      folder: parts.folder,
      mqttUrl: `mqtt://127.0.0.1:${parts.mqttProxy.port}`,
      influxUrl: `http://127.0.0.1:${parts.influxProxy.port}`,
      lines: {
        ...lines,
        influxdb: ['batch_max_age = "50ms"', ...(lines["influxdb"] ?? [])],
        journal: ['commit_interval = "20ms"', ...(lines["journal"] ?? [])],
      },
    });
    this.#fleet = new Fleet({ seed, deviceCount, intervalMs: 1000, startMs: Date.now() - ageMs });
  }

  /** Undefined without mosquitto: the test is skipped. */
  static async open(t: TestContext, options: StageOptions): Promise<ProofStage | undefined> {
    const { extraLines = [], ...broker } = options.broker ?? {};
    const mosquitto = await requireMosquitto(t, {
      ...broker,
      extraLines: [
        "max_queued_messages 1000000",
        "log_type none",
        "log_type information",
        "log_type subscribe",
        ...extraLines,
      ],
    });
    if (mosquitto === undefined) return undefined;
    const temporary = options.folder === undefined ? await temporaryFolder("proof") : undefined;
    t.after(() => temporary?.remove());
    // The last one that came goes first.
    const stack = new AsyncDisposableStack();
    t.after(() => stack.disposeAsync());
    const influx = stack.adopt(await ProofInflux.start(options.influx), (it) => it.stop());
    const mqttProxy = stack.adopt(await TcpProxy.start(mosquitto.port), (it) => it.stop());
    const influxProxy = stack.adopt(await TcpProxy.start(influx.port), (it) => it.stop());
    const folder = options.folder ?? temporary?.path ?? "";
    const parts = { broker: mosquitto, influx, mqttProxy, influxProxy, folder };
    const stage = new ProofStage(stack, parts, options);
    stack.defer(() => {
      stage.#ending.abort();
    });
    return stage;
  }

  get publishedCount(): number {
    return this.#published.size;
  }

  get published(): Published[] {
    return [...this.#published].map(([message, { isAcknowledged }]) => ({ message, isAcknowledged }));
  }

  /** A row of kills is no reason for safe mode here. */
  start(options: Omit<ProgramOptions, "args"> = {}): Program {
    if (existsSync(join(this.dir, "state.db"))) forgetStarts(this.dir);
    return this.#stack.use(startDaemon(this.configFile, options));
  }

  /**
   * As `start`; resolves when the session at the broker is taken up. The first time there is none yet, and what was
   * published before would be nobody's.
   */
  async startAndWait(options: Omit<ProgramOptions, "args"> = {}): Promise<Program> {
    const connects = this.traffic.connects;
    const daemon = this.start(options);
    const hasSubscribed = (): boolean => this.broker.log().includes("application/+/device/+/event/+");
    await this.until(
      () => this.traffic.connects > connects && hasSubscribed(),
      daemon,
      "the daemon to connect and subscribe",
    );
    this.#isSubscribed = true;
    return daemon;
  }

  /** New uplinks; resolves when each has its PUBACK. */
  async publish(count: number, ratePerSecond?: number): Promise<void> {
    await this.#publish(this.#uplinks(count), ratePerSecond);
  }

  /** New uplinks at this rate until it is stopped, or so many; then it resolves when each has its PUBACK. */
  flow(ratePerSecond: number, maxCount = Infinity): Flow {
    let isStopped = false;
    const fleet = this.#fleet;
    const isOver = (count: number): boolean => isStopped || count >= maxCount;
    function* uplinks(): Generator<UplinkMessage> {
      for (let count = 0; !isOver(count);) {
        for (const { topic, payload, uplink } of fleet.step()) {
          if (uplink === undefined || isOver(count)) continue;
          count += 1;
          yield { topic, payload, uplink };
        }
      }
    }
    const done = this.#publish(uplinks(), ratePerSecond);
    // Awaited in `stop`, perhaps much later.
    done.catch(() => undefined);
    return {
      stop: async () => {
        isStopped = true;
        await done;
      },
    };
  }

  /** Waits for something that needs the daemon. */
  async until(
    condition: () => boolean | Promise<boolean>,
    daemon: Program,
    what: string,
    timeoutMs = deadlineMs,
  ): Promise<void> {
    const isOver = async (): Promise<boolean> => !daemon.isRunning || (await condition());
    try {
      await waitFor(isOver, { timeoutMs, everyMs: 50, what });
    } catch (error) {
      throw new Error(`the daemon said:\n${daemon.stdout.slice(-4000)}${daemon.stderr}`, { cause: error });
    }
    if (!daemon.isRunning && !(await condition())) {
      throw new Error(`it ended before ${what}:\n${daemon.stdout.slice(-4000)}${daemon.stderr}`);
    }
  }

  async untilCommitted(count: number, daemon: Program): Promise<void> {
    await this.until(() => committedCount(this.dir) >= count, daemon, `${count} messages in the journal`);
  }

  /** Nothing on its way from the broker, and all that came is settled, by the daemon's account. */
  async untilSettled(daemon: Program, timeoutMs = deadlineMs): Promise<void> {
    const isIdle = (): boolean => {
      const connection = this.traffic.delivered.at(-1)?.connection;
      return connection === undefined || this.traffic.outstanding(connection) === 0;
    };
    let quietLooks = 0;
    await this.until(
      async () => {
        quietLooks = isIdle() && (await pendingCount(this.dir)) === 0 ? quietLooks + 1 : 0;
        // One look may fall between two deliveries.
        return quietLooks >= 5;
      },
      daemon,
      "everything to be settled",
      timeoutMs,
    );
  }

  /** Until the daemon says this code of a fault. */
  async untilCode(code: string, daemon: Program): Promise<Readonly<Record<string, unknown>>> {
    const find = (): Readonly<Record<string, unknown>> | undefined =>
      daemon.log.find((line) => line["code"] === code);
    await this.until(() => find() !== undefined, daemon, `the code ${code}`);
    return find() ?? {};
  }

  async stop(daemon: Program): Promise<void> {
    daemon.signal("SIGTERM");
    await waitFor(() => !daemon.isRunning, { timeoutMs: deadlineMs, what: "the end after SIGTERM" });
    assert.deepEqual(
      await daemon.ended,
      { code: 0, signal: null },
      daemon.stdout.slice(-4000) + daemon.stderr,
    );
  }

  /** …and then the files say so, too. */
  async settleAndStop(daemon: Program): Promise<void> {
    await this.untilSettled(daemon);
    await this.stop(daemon);
    assert.equal(unsettledCount(this.dir), 0, "each message is settled in the file");
  }

  /** Without a daemon, or beside one that rests. `unreadable`: what a salvage has counted as beyond rescue. */
  async verdict(unreadable = 0): Promise<Verdict & { readonly buffer: BufferAccount }> {
    const buffer = await bufferAccount(this.configFile);
    const kept = { ...buffer, gone: buffer.gone + unreadable };
    const verdict = await judgeEvents({
      published: this.published,
      kept,
      influxUrl: this.influx.url,
      database,
    });
    assert.equal(verdict.events, this.published.length, "each of them was acknowledged to the publisher");
    assert.equal(buffer.stats.quarantined.count, 0, "there is nothing that cannot be decoded");
    return { ...verdict, buffer };
  }

  async #publish(messages: Iterable<UplinkMessage>, ratePerSecond: number | undefined): Promise<void> {
    assert.ok(this.#isSubscribed, "there is a session that the broker keeps them for");
    await publishAll({
      url: this.broker.url,
      messages,
      signal: this.#ending.signal,
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
      onPublish: (message) => this.#published.set(message, { isAcknowledged: false }),
      onAcknowledged: (message) => this.#published.set(message, { isAcknowledged: true }),
    });
    assert.ok(this.#fleet.nextAtMs <= Date.now(), "their times are past");
  }

  #uplinks(count: number): UplinkMessage[] {
    const made: UplinkMessage[] = [];
    while (made.length < count) {
      for (const { topic, payload, uplink } of this.#fleet.step()) {
        if (uplink !== undefined && made.length < count) made.push({ topic, payload, uplink });
      }
    }
    return made;
  }
}
