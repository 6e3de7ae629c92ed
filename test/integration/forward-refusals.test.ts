/** From the journal into the InfluxDB stand-in, which refuses what the real one refuses, and into state.db. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openDestinations } from "../../src/app/destinations.ts";
import { type Files, openDeduplicator, openFiles } from "../../src/app/files.ts";
import { openClockWatch, openCommitter } from "../../src/app/ingest.ts";
import { openStreamsOf } from "../../src/app/streams.ts";
import { decode } from "../../src/chirpstack/decode.ts";
import { loadConfig } from "../../src/config/load.ts";
import { systemClock as clock } from "../../src/lib/clock.ts";
import { Wakeup } from "../../src/lib/wakeup.ts";
import { type Counters, newCounters, total } from "../../src/pipeline/counters.ts";
import { DecodedEvents } from "../../src/pipeline/decoded.ts";
import { LatencyWindow } from "../../src/pipeline/latency.ts";
import { coreLimits } from "../../src/sandbox/influxdb/catalog.ts";
import { type InfluxStandIn, startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { RecordingLog } from "../support/fakes/recording-log.ts";
import { flushIntervalMs, sql, write } from "../support/stand-in.ts";
import { uplink, type UplinkMessage } from "../support/uplinks.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

interface Daemon {
  readonly server: InfluxStandIn;
  readonly files: Files;
  readonly counters: Counters;
  readonly log: RecordingLog;
  /** Journalled, and done with. */
  readonly send: (...messages: readonly UplinkMessage[]) => Promise<void>;
}

async function open(
  t: TestContext,
  options: Partial<Parameters<typeof startInfluxStandIn>[0]>,
): Promise<Daemon> {
  const server = await startInfluxStandIn({ flushIntervalMs, ...options });
  t.after(() => server.stop());
  const folder = await temporaryFolder("refusals");
  t.after(() => folder.remove());
  const file = join(folder.path, "flightline.toml");
  await writeFile(
    file,
    `mqtt = [{ url = "mqtt://127.0.0.1:1" }]
    journal = { dir = "${folder.path}/data", commit_interval = "20ms" }
    clock = { ntp = "ignore" }
    influxdb = { url = "${server.url}", database = "farm", batch_max_age = "20ms" }`,
  );
  const loaded = loadConfig({ file, env: {} });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const log = new RecordingLog();
  const app = { config: loaded.config, log, version: "1.2.3" };
  const opened = new DisposableStack();
  const files = openFiles(app, opened);
  const counters = newCounters();
  const shared = { startedMs: 0, counters, latency: new LatencyWindow(), activity: new Wakeup() };
  const committer = openCommitter(
    app,
    files,
    shared,
    () => [],
    () => loaded.config.mqtt,
  );
  const destinations = openDestinations(app, files, {
    committer,
    clockWatch: openClockWatch(app, files, shared.activity),
    decoded: new DecodedEvents(decode, files.marker),
    deduplicator: openDeduplicator(app.config, files),
    streams: openStreamsOf(app, () => ({ status: () => [] })).port,
    shared,
  });
  const stop = new AbortController();
  const running = [
    committer.run(stop.signal),
    ...destinations.map(({ forward }) => forward.run(stop.signal, stop.signal)),
  ];
  t.after(async () => {
    stop.abort(new Error("the test is over"));
    await Promise.all(running);
    for (const destination of destinations) await destination.close();
    opened.dispose();
  });
  const send: Daemon["send"] = async (...messages) => {
    const last = files.journal.lastSeq + messages.length;
    for (const { topic, payload } of messages) {
      const times = { receivedMs: clock.nowMs(), uptimeMs: clock.uptimeMs(), clockTrusted: true };
      const flags = { duplicate: false, retained: false, qos: 1 } as const;
      committer.submit({ source: "mqtt", topic, payload, ...times, ...flags }, () => undefined);
    }
    await waitFor(() => files.journal.lastSeq === last && files.journal.backlog === 0, {
      what: `message ${last}, and all before it`,
      timeoutMs: 20_000,
    });
  };
  return { server, files, counters, log, send };
}

function dead({ state }: Files) {
  return state.letters.page({}, 0, { maxCount: 1000, maxBytes: 1_000_000 });
}

async function countOf(server: InfluxStandIn, table: string): Promise<number> {
  const [status, body] = await sql(server, `SELECT count(*) AS n FROM ${table}`);
  assert.equal(status, 200, body);
  const rows: unknown = JSON.parse(body);
  assert.ok(Array.isArray(rows));
  return Number((rows[0] as Record<string, unknown>)["n"]);
}

test("a limit of the catalog (422) makes dead letters of its lines alone; the device's next event goes through", async (t) => {
  const { server, files, counters, log, send } = await open(t, { limits: { ...coreLimits, tables: 2 } });
  await write(server, 'uplink,dev_eui=x device_name="y" 1');
  await write(server, "uplink_rx,dev_eui=x rssi=1i 1");
  await send(uplink(1));
  await send(uplink(11), uplink(2));
  assert.deepEqual([await countOf(server, "uplink"), await countOf(server, "uplink_rx")], [4, 4]);
  const letters = dead(files);
  assert.equal(letters.length, 3);
  for (const letter of letters) {
    assert.match(letter.line, /^telemetry_em300_th,/);
    assert.match(letter.reason, /would exceed number of tables limit/);
    assert.equal(letter.database, "farm");
    assert.match(letter.device ?? "", /^00000000a000000[12]$/);
    assert.ok(letter.payload.length > 0);
  }
  assert.deepEqual([counters.written, total(counters.deadLines), total(counters.deadMessages)], [3, 3, 0]);
  assert.ok(log.lines.some(({ code }) => code === letters[0]?.code));
});

test("a type that somebody else has fixed meanwhile costs nothing: the next events go beside it", async (t) => {
  const { server, files, counters, send } = await open(t, {});
  await send(uplink(1, { object: { humidity: 40 } }));
  await write(server, 'telemetry_em300_th,dev_eui=x,application_id=y temperature="warm" 1');
  await send(uplink(11));
  await send(uplink(21));
  assert.deepEqual([dead(files), counters.written], [[], 3]);
  const [, body] = await sql(
    server,
    "SELECT temperature_num FROM telemetry_em300_th WHERE f_cnt > 1 ORDER BY f_cnt",
  );
  assert.deepEqual(JSON.parse(body), [{ temperature_num: 21.1 }, { temperature_num: 22.1 }]);
});

test("an answer that is lost after the commit makes no second point", async (t) => {
  const { server, files, counters, send } = await open(t, {});
  server.faults.nextWrites({ kind: "lose_answer" }, 2);
  await send(...Array.from({ length: 50 }, (_, index) => uplink(index + 1)));
  assert.equal(server.faults.seen.lose_answer, 2);
  assert.deepEqual([await countOf(server, "uplink"), counters.written, dead(files).length], [50, 50, 0]);
});

test("a body limit (413) halves batches until they pass, and nothing is lost", async (t) => {
  const { server, files, counters, send } = await open(t, { maxBodyBytes: 6000 });
  await send(...Array.from({ length: 60 }, (_, index) => uplink(index + 1)));
  const large = uplink(61, {
    object: { note: "x".repeat(1000), more: Array.from({ length: 60 }, () => "y".repeat(200)) },
  });
  await send(large, uplink(62));
  assert.deepEqual([await countOf(server, "uplink"), counters.written], [62, 62]);
  const [letter, ...others] = dead(files);
  assert.deepEqual([letter?.code, others], ["write_line_too_large", []]);
  assert.match(letter?.reason ?? "", /^the line alone, of \d{4,5} bytes, is too large: .*6000 bytes/);
});
