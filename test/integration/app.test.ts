/** The daemon without its command line: real mosquitto, real journal, and a sink that takes writes. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { type App, openApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/config.ts";
import { Fault } from "../../src/lib/fault.ts";
import { total } from "../../src/pipeline/counters.ts";
import type { Snapshot } from "../../src/status/snapshot.ts";
import type { SupervisorOutcome } from "../../src/supervision/supervisor.ts";
import { RecordingLog } from "../support/fakes/recording-log.ts";
import { InfluxSink } from "../support/influx-sink.ts";
import { type Mosquitto, requireMosquitto } from "../support/mosquitto.ts";
import { PickyInflux } from "../support/picky-influx.ts";
import { publishAll } from "../support/publisher.ts";
import { joinEvent, junk, uplink, type UplinkMessage } from "../support/uplinks.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const clean: SupervisorOutcome = { failure: undefined, stragglers: [] };

async function configure(t: TestContext, brokerUrl: string, sinkUrl: string): Promise<Config> {
  const folder = await temporaryFolder("app");
  t.after(() => folder.remove());
  const file = join(folder.path, "flightline.toml");
  const text = `
    [[mqtt]]
    url = "${brokerUrl}"
    [journal]
    dir = "${folder.path}/data"
    commit_interval = "20ms"
    [influxdb]
    url = "${sinkUrl}"
    database = "lorawan"
    batch_max_age = "50ms"
    [clock]
    ntp = "ignore"`;
  await writeFile(file, text);
  const loaded = loadConfig({ file, env: {} });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config;
}

/** One life of the daemon. */
class Daemon {
  readonly app: App;
  readonly log = new RecordingLog();
  readonly #stop = new AbortController();
  readonly #outcome: Promise<SupervisorOutcome>;
  /** What it found. */
  readonly #before: Snapshot["journal"];

  constructor(t: TestContext, config: Config) {
    this.app = openApp({ config, log: this.log, version: "1.2.3" });
    this.#before = this.app.snapshot().journal;
    this.#outcome = this.app.run(this.#stop.signal);
    this.#outcome.catch(() => {});
    t.after(() => this.stop());
  }

  /** As SIGTERM does. */
  async stop(): Promise<SupervisorOutcome> {
    this.#stop.abort(new Error("SIGTERM"));
    return await this.#outcome;
  }

  async subscribed(broker: Mosquitto): Promise<void> {
    await waitFor(() => /Sending SUBACK to flightline-/.test(broker.log()), { what: "the subscription" });
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    await waitFor(condition, { what, timeoutMs: 15_000 });
  }

  /** This life has taken in so many messages, and nothing in the journal waits any more. */
  async settled(count: number): Promise<void> {
    await this.until(() => {
      const { counters, journal } = this.app.snapshot();
      return counters.committed >= count && journal.backlog === 0;
    }, `${count} settled messages`);
  }

  /** Everything that was received is in one place, and in one only; and so is everything of the log. */
  assertAddsUp(received: number): void {
    const { counters, journal } = this.app.snapshot();
    const { written, ownWritten, duplicates, quarantined, unmapped, projected, retained } = counters;
    assert.deepEqual(
      [counters.received, counters.committed, counters.acknowledged],
      [received, received, received],
    );
    const withoutRows = total(unmapped) + projected + retained;
    const aside = total(quarantined) + total(counters.deadMessages);
    const evicted = journal.evicted - this.#before.evicted;
    const places = { written, ownWritten, duplicates, withoutRows, aside, evicted, pending: journal.backlog };
    const sum = Object.values(places).reduce((all, count) => all + count, 0);
    const { lastSeq, backlog } = this.#before;
    assert.equal(sum, journal.lastSeq - lastSeq + backlog, JSON.stringify(places));
    // Where nothing waits, ours are written.
    if (journal.backlog === 0) assert.equal(sum - ownWritten, received + backlog);
  }
}

async function publish(broker: Mosquitto, messages: readonly UplinkMessage[]): Promise<void> {
  const { records } = await publishAll({ url: broker.url, messages });
  assert.ok(records.every(({ acknowledgedMs }) => acknowledgedMs !== undefined));
}

function range(from: number, to: number): UplinkMessage[] {
  return Array.from({ length: to - from + 1 }, (_, index) => uplink(from + index));
}

function assertOnce(sink: InfluxSink, count: number): void {
  assert.equal(sink.uplinks.size, count);
  for (const [n, times] of sink.uplinks) assert.equal(times, 1, `uplink ${n} was written ${times} times`);
}

async function startSink(t: TestContext): Promise<InfluxSink> {
  const sink = new InfluxSink();
  await sink.start();
  t.after(() => sink.stop());
  return sink;
}

describe("the daemon", () => {
  test("200 uplinks and some odd messages: all accounted for; a stop leaves nothing, a restart sends nothing twice", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const sink = await startSink(t);
    const config = await configure(t, broker.url, sink.url);
    const first = new Daemon(t, config);
    await first.subscribed(broker);
    await publish(broker, [...range(1, 200), uplink(7), uplink(7), junk(1), joinEvent(1), joinEvent(2)]);
    await first.settled(205);
    first.assertAddsUp(205);
    const { counters, latencyMs, sources, databases } = first.app.snapshot();
    assert.deepEqual([counters.written, counters.duplicates], [202, 2]);
    assert.deepEqual([...counters.unmapped], []);
    assert.deepEqual([...counters.quarantined], [["decode_not_json", 1]]);
    assert.ok((latencyMs.p99 ?? 0) > 0 && (latencyMs.p99 ?? 0) < 15_000);
    assert.deepEqual([sources[0]?.state, databases[0]?.state], ["connected", "up"]);
    assertOnce(sink, 200);

    assert.deepEqual(await first.stop(), clean);
    const { requests } = sink;
    const second = new Daemon(t, config);
    assert.equal(second.app.snapshot().journal.backlog, 0, "what was settled was saved");
    await publish(broker, [...range(201, 210), uplink(7)]);
    await second.settled(11);
    second.assertAddsUp(11);
    assert.equal(second.app.snapshot().counters.duplicates, 1, "known from the log, over the restart");
    assertOnce(sink, 210);
    assert.ok(sink.requests > requests);
    assert.deepEqual(await second.stop(), clean);
  });

  test("a stop with uplinks on their way: each is written, or still in the journal or at the broker", async (t) => {
    // By default mosquitto drops what is more than 1000 for who is away.
    const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 0"] });
    if (broker === undefined) return;
    const sink = await startSink(t);
    const config = await configure(t, broker.url, sink.url);
    const first = new Daemon(t, config);
    await first.subscribed(broker);
    const publishing = publish(broker, range(1, 2000));
    await first.until(() => first.app.snapshot().counters.received > 100, "a hundred messages");
    assert.deepEqual(await first.stop(), clean);
    const { counters, journal } = first.app.snapshot();
    assert.ok(counters.received > 0 && journal.waiting === 0);
    assert.equal(counters.acknowledged, counters.committed);
    assert.equal(counters.written, counters.committed, "a drained stop leaves only rows of our own unsent");
    await publishing;
    const second = new Daemon(t, config);
    await second.until(() => sink.uplinks.size === 2000, "all 2000");
    await second.settled(0);
    assertOnce(sink, 2000);
  });

  test("InfluxDB down at the start: journalled and acknowledged; written when it comes", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const sink = await startSink(t);
    const config = await configure(t, broker.url, sink.url);
    await sink.stop();
    const daemon = new Daemon(t, config);
    await daemon.subscribed(broker);
    await publish(broker, range(1, 50));
    await daemon.until(() => daemon.app.snapshot().counters.retries > 0, "a write that fails");
    await daemon.until(() => daemon.app.snapshot().counters.acknowledged === 50, "50 acknowledgements");
    assert.equal(daemon.app.snapshot().databases[0]?.state, "away");
    assert.ok(daemon.app.snapshot().journal.backlog >= 50);
    await sink.start();
    await daemon.settled(50);
    daemon.assertAddsUp(50);
    assertOnce(sink, 50);
    assert.ok(daemon.log.lines.some(({ message }) => message === "InfluxDB takes writes again"));
    assert.deepEqual(await daemon.stop(), clean);
  });

  test("InfluxDB away at the stop: what is unsettled is sent by the next life", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const sink = await startSink(t);
    const config = await configure(t, broker.url, sink.url);
    sink.status = 503;
    const first = new Daemon(t, config);
    await first.subscribed(broker);
    await publish(broker, range(1, 30));
    await first.until(() => first.app.snapshot().counters.retries > 0, "a write that fails");
    assert.deepEqual(await first.stop(), clean);
    sink.status = 204;
    const second = new Daemon(t, config);
    assert.ok(second.app.snapshot().journal.backlog >= 30);
    await second.settled(0);
    assertOnce(sink, 30);
  });

  test("503 for a while: few requests, nothing lost, nothing twice", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const sink = await startSink(t);
    const config = await configure(t, broker.url, sink.url);
    const daemon = new Daemon(t, config);
    await daemon.subscribed(broker);
    await publish(broker, range(1, 20));
    await daemon.settled(20);
    const { requests } = sink;
    sink.status = 503;
    sink.headers["retry-after"] = "1";
    await publish(broker, range(21, 120));
    await daemon.until(() => sink.requests >= requests + 2, "two refusals");
    assert.ok(sink.requests <= requests + 6, `${sink.requests - requests} requests in two seconds`);
    sink.status = 204;
    await daemon.settled(120);
    daemon.assertAddsUp(120);
    assertOnce(sink, 120);
    assert.ok(daemon.log.codes.includes("write_overloaded"));
  });
});

describe("the account", () => {
  test("adds up with lines that are refused: in part, wholly, and copies of them", async (t) => {
    const broker = await requireMosquitto(t);
    if (broker === undefined) return;
    const influx = await PickyInflux.start(t);
    const config = await configure(t, broker.url, influx.url);
    const daemon = new Daemon(t, config);
    await daemon.subscribed(broker);
    // Of device 7 every row of its uplinks, of device 3 those of the payload alone.
    influx.dislikes = /^(uplink|telemetry)\S*dev_eui=00000000a0000007|^telemetry\S*dev_eui=00000000a0000003/;
    await publish(broker, [...range(1, 20), uplink(7), uplink(3), junk(1)]);
    await daemon.settled(23);
    const { counters } = daemon.app.snapshot();
    assert.deepEqual([...counters.deadMessages], [["write_refused", 2]]);
    assert.equal(counters.duplicates, 2);
    assert.ok(total(counters.deadLines) >= 2 * 2 + 2, `${total(counters.deadLines)} dead lines`);
    daemon.assertAddsUp(23);
    assert.deepEqual(await daemon.stop(), clean);
  });
});

describe("the daemon does not start", () => {
  const nowhere = "http://127.0.0.1:1";

  function refusal(config: Config): Fault {
    try {
      openApp({ config, log: new RecordingLog(), version: "1.2.3" });
    } catch (error) {
      assert.ok(error instanceof Fault, String(error));
      return error;
    }
    throw new Error("it started");
  }

  test("on a directory that cannot be written", async (t) => {
    const config = await configure(t, "mqtt://127.0.0.1:1", nowhere);
    const file = join(config.journal.dir, "..", "flightline.toml");
    const fault = refusal({ ...config, journal: { ...config.journal, dir: join(file, "data") } });
    assert.deepEqual([fault.code, fault.disposition], ["journal_unwritable", "fatal"]);
    assert.ok(fault.hint !== undefined);
  });

  test("on another one's directory, naming its pid; and what fails leaves nothing locked", async (t) => {
    const config = await configure(t, "mqtt://127.0.0.1:1", nowhere);
    const first = new Daemon(t, config);
    const second = refusal(config);
    assert.equal(second.code, "journal_locked");
    assert.ok(second.message.includes(String(process.pid)));
    assert.deepEqual(await first.stop(), clean);
    const third = new Daemon(t, config);
    assert.deepEqual(await third.stop(), clean);
  });
});

test("a runtime directory that cannot be written is said, and keeps nobody down", async (t) => {
  const config = await configure(t, "mqtt://127.0.0.1:1", "http://127.0.0.1:1");
  const log = new RecordingLog();
  const runtimeDir = join(config.journal.dir, "no such directory");
  const app = openApp({ config, log, version: "1.2.3", runtimeDir });
  assert.ok(log.codes.includes("runtime_dir_unwritable"));
  assert.ok(existsSync(join(config.journal.dir, "decoding")));
  assert.deepEqual(await app.run(AbortSignal.abort()), clean);
});
