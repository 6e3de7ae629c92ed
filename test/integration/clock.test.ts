/** The wall clock is wrong at boot, or jumps while the daemon runs: libfaketime under the built program. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { dataFolder, type Program, startDaemon, untilSubscribed, writeConfig } from "../support/daemon.ts";
import { InfluxSink } from "../support/influx-sink.ts";
import { committedCount } from "../support/journal-files.ts";
import { type Mosquitto, requireMosquitto } from "../support/mosquitto.ts";
import { publishAll } from "../support/publisher.ts";
import { numbersIn, uplink, type UplinkMessage } from "../support/uplinks.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const library = ["x86_64", "aarch64"]
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

class Scene {
  readonly sink = new InfluxSink();
  readonly broker: Mosquitto;
  readonly dir: string;
  readonly #configFile: string;
  readonly #timeFile: string;
  readonly #preload: string;
  #subscriptions = 0;

  private constructor(broker: Mosquitto, folder: string, sinkUrl: string, sink: InfluxSink, preload: string) {
    this.broker = broker;
    this.sink = sink;
    this.#preload = preload;
    this.dir = dataFolder(folder);
    this.#timeFile = join(folder, "time");
    this.#configFile = writeConfig({
      folder,
      mqttUrl: broker.url,
      influxUrl: sinkUrl,
      lines: {
        "[mqtt]": ['topics = ["application/#"]'],
        influxdb: ['batch_max_age = "50ms"'],
        journal: ['commit_interval = "20ms"', 'keep_settled = "1h"'],
      },
    });
  }

  static async open(t: TestContext): Promise<Scene | undefined> {
    if (library === undefined) {
      assert.ok(process.env["CI"] === undefined, "faketime is not installed: apt-get install faketime");
      t.skip("faketime is not installed: apt-get install -y --no-install-recommends faketime");
      return undefined;
    }
    const broker = await requireMosquitto(t);
    if (broker === undefined) return undefined;
    const folder = await temporaryFolder("clock");
    t.after(() => folder.remove());
    const sink = new InfluxSink();
    await sink.start();
    t.after(() => sink.stop());
    return new Scene(broker, folder.path, sink.url, sink, library);
  }

  /** "+0" is right, "+3h" ahead, "@1970-01-02 00:00:00" unset. */
  setClock(time: string): void {
    writeFileSync(this.#timeFile, `${time}\n`);
  }

  async start(): Promise<Program> {
    const daemon = startDaemon(this.#configFile, {
      env: {
        LD_PRELOAD: this.#preload,
        FAKETIME_TIMESTAMP_FILE: this.#timeFile,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      },
    });
    this.#subscriptions += 1;
    await untilSubscribed(this.broker, [daemon], this.#subscriptions);
    return daemon;
  }

  async publish(messages: Iterable<UplinkMessage>, ratePerSecond?: number): Promise<void> {
    await publishAll({
      url: this.broker.url,
      messages,
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    });
  }

  async written(count: number, timeoutMs = 15_000): Promise<void> {
    await waitFor(() => this.sink.uplinks.size >= count, { timeoutMs, what: `${count} uplinks in InfluxDB` });
  }

  /** ms since 1970 of the rows of table `uplink`, by the uplink's number. */
  get times(): ReadonlyMap<number, number> {
    const lines = [...this.sink.taken.keys()];
    return new Map(
      lines.flatMap((line) =>
        numbersIn(line).map((n) => [n, Number(line.slice(line.lastIndexOf(" ") + 1)) / 1e6] as const),
      ),
    );
  }

  /** Lines that were written, by table. */
  get rows(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [line, times] of this.sink.taken) {
      const table = /^[^,\s]+/.exec(line)?.[0] ?? "";
      counts.set(table, (counts.get(table) ?? 0) + times);
    }
    return counts;
  }
}

/** They state no time: that of their receipt decides. */
function* timeless(from: number, to: number): Generator<UplinkMessage> {
  for (let n = from; n <= to; n += 1)
    yield uplink(n, {
      time: undefined,
      rxInfo: [{ gatewayId: "e4e124dadef64eee", rssi: -68, crcStatus: "CRC_OK" }],
    });
}

test("a clock of 1970 at boot: uplinks wait in the journal, also over a restart, and get their right times once it is set", async (t) => {
  const scene = await Scene.open(t);
  if (scene === undefined) return;
  scene.setClock("+0");
  {
    await using daemon = await scene.start();
    await scene.publish(timeless(1, 10));
    await scene.written(10);
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  }
  scene.setClock("@1970-01-02 00:00:00");
  const fromMs = Date.now();
  {
    await using daemon = await scene.start();
    await scene.publish(timeless(11, 20));
    await waitFor(() => committedCount(scene.dir) === 20, { what: "the next in the journal" });
    await daemon.kill();
  }
  await using daemon = await scene.start();
  await scene.publish(timeless(21, 30));
  await waitFor(() => committedCount(scene.dir) === 30, { what: "all in the journal" });
  const toMs = Date.now();
  await delay(1000);
  assert.equal(scene.sink.uplinks.size, 10, "none is written before the clock is right");
  assert.ok([...scene.rows.keys()].every((table) => table !== "flightline_node"));
  scene.setClock("+0");
  await scene.written(30);
  for (const [n, timeMs] of scene.times) {
    if (n > 10)
      assert.ok(timeMs >= fromMs - 1000 && timeMs <= toMs + 1000, `${n}: ${new Date(timeMs).toISOString()}`);
  }
  assert.deepEqual(new Set(scene.sink.uplinks.values()), new Set([1]), "once each");
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
});

test("steps of three hours forth and back: no schedule runs wild, nothing is written twice, nothing leaves the journal", async (t) => {
  const scene = await Scene.open(t);
  if (scene === undefined) return;
  scene.setClock("+0");
  await using daemon = await scene.start();
  let next = 1;
  const seen: string[] = [];
  for (const time of ["+0", "+3h", "-3h", "+0"]) {
    scene.setClock(time);
    await scene.publish(timeless(next, next + 29), 30);
    next += 30;
    await scene.written(next - 1);
    const aheadMs = (scene.times.get(next - 1) ?? Infinity) - Date.now();
    seen.push((aheadMs / 3_600_000).toFixed(1).replace("-0.0", "0.0"));
  }
  assert.deepEqual(seen, ["0.0", "3.0", "-3.0", "0.0"], "the daemon has seen the steps");
  const { rows } = scene;
  t.diagnostic(JSON.stringify(Object.fromEntries(rows)));
  assert.equal(rows.get("uplink"), next - 1);
  assert.ok((rows.get("flightline_node") ?? 0) <= 3, "one for each new minute that was seen");
  assert.ok((rows.get("device") ?? 0) <= 4 * 10, "the registry, once for each step at most");
  assert.deepEqual(new Set(scene.sink.uplinks.values()), new Set([1]), "once each");
  assert.equal(committedCount(scene.dir), next - 1, "all of them are still in the journal");
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
});
