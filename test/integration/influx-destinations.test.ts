/** Destinations as the daemon opens them, before a server that takes everything and keeps what it was asked. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openDestinations, type OpenDestination } from "../../src/app/destinations.ts";
import { openDeduplicator, openFiles } from "../../src/app/files.ts";
import { openClockWatch, openCommitter } from "../../src/app/ingest.ts";
import { openStreamsOf } from "../../src/app/streams.ts";
import { decode } from "../../src/chirpstack/decode.ts";
import { loadConfig } from "../../src/config/load.ts";
import { databaseKey } from "../../src/influx/schema-cache.ts";
import { systemClock as clock } from "../../src/lib/clock.ts";
import { Wakeup } from "../../src/lib/wakeup.ts";
import { newCounters } from "../../src/pipeline/counters.ts";
import { DecodedEvents } from "../../src/pipeline/decoded.ts";
import { LatencyWindow } from "../../src/pipeline/latency.ts";
import type { ColumnType, TableColumn } from "../../src/telemetry/column-types.ts";
import { RecordingLog } from "../support/fakes/recording-log.ts";
import { never, serve } from "../support/influx-http.ts";
import { uplink } from "../support/uplinks.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

interface Opened {
  readonly destinations: readonly OpenDestination[];
  /** Of each request in order: its path, its token and what it said. */
  readonly requests: () => readonly {
    readonly path: string;
    readonly token: string;
    readonly body: string;
  }[];
  /** One uplink is in the journal; this destination alone writes it. */
  readonly write: (destination: OpenDestination | undefined) => Promise<void>;
  /** The columns of the main database in state.db. */
  readonly stored: () => readonly TableColumn[];
  readonly log: RecordingLog;
}

interface World {
  /** What the last process left in state.db. */
  readonly known?: readonly TableColumn[];
  /** What the server says when it is to create a database. */
  readonly created?: number;
}

async function open(
  t: TestContext,
  influxdb: string,
  { known = [], created = 200 }: World = {},
): Promise<Opened> {
  const { url, received } = await serve(t, (response, { url: path }) => {
    if (path.startsWith("/api/v3/query_sql")) response.writeHead(200).end("[]");
    else response.writeHead(path.startsWith("/api/v3/configure") ? created : 204).end();
  });
  const folder = await temporaryFolder("destinations");
  t.after(() => folder.remove());
  const file = join(folder.path, "flightline.toml");
  const text = `
    mqtt = [{ url = "mqtt://127.0.0.1:1" }]
    journal = { dir = "${folder.path}/data", commit_interval = "20ms" }
    clock = { ntp = "ignore" }
    [influxdb]
    url = "${url}"
    gzip = false
    batch_max_age = "50ms"
    ${influxdb}`;
  await writeFile(file, text);
  const loaded = loadConfig({ file, env: {} });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const log = new RecordingLog();
  const options = { config: loaded.config, log, version: "1.2.3" };
  const opened = new DisposableStack();
  const files = openFiles(options, opened);
  const { schema } = files.state;
  const key = databaseKey({ url, database: "lorawan" });
  schema.save(key, known);
  const shared = {
    startedMs: 0,
    counters: newCounters(),
    latency: new LatencyWindow(),
    activity: new Wakeup(),
  };
  const clockWatch = openClockWatch(options, files, shared.activity);
  const committer = openCommitter(
    options,
    files,
    shared,
    () => [],
    () => loaded.config.mqtt,
  );
  const decoded = new DecodedEvents(decode, files.marker);
  const destinations = openDestinations(options, files, {
    committer,
    clockWatch,
    decoded,
    deduplicator: openDeduplicator(options.config, files),
    streams: openStreamsOf(options, () => ({ status: () => [] })).port,
    shared,
  });
  const stop = new AbortController();
  const committing = committer.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await committing;
    for (const destination of destinations) await destination.close();
    opened.dispose();
  });
  const requests: Opened["requests"] = () =>
    received.map(({ url: target, headers, body }) => ({
      path: target.replace(/\?.*/, ""),
      token: headers.authorization ?? "",
      body: body.toString(),
    }));
  return {
    destinations,
    requests,
    stored: () => schema.load(key),
    log,
    async write(destination) {
      const { topic, payload } = uplink(1, { object: { temperature: 21.5, status: 3 } });
      const times = { receivedMs: clock.nowMs(), uptimeMs: clock.uptimeMs(), clockTrusted: true };
      const flags = { duplicate: false, retained: false, qos: 1 } as const;
      committer.submit({ source: "mqtt", topic, payload, ...times, ...flags }, () => undefined);
      const done = new AbortController();
      const running = destination?.forward.run(done.signal, never);
      const isWritten = (): boolean => requests().some(({ path }) => path === "/api/v3/write_lp");
      await waitFor(isWritten, { what: "the write" }).finally(() => {
        done.abort();
      });
      await running;
    },
  };
}

const routeToMain = `database = "lorawan"
  token = "admin"
  retention = "90d"
  [[route]]
  match = { tenant = "farm" }
  database = "lorawan"
  token = "writer"`;

test("a route that writes first to the main database does not create it without its retention", async (t) => {
  const { destinations, requests, write } = await open(t, routeToMain);
  await write(destinations[1]);
  const [created, written] = requests().filter(({ path }) => path !== "/api/v3/query_sql");
  assert.deepEqual([created?.path, created?.token], ["/api/v3/configure/database", "Bearer admin"]);
  assert.match(created?.body ?? "", /"retention_period":"90d"/);
  assert.deepEqual([written?.path, written?.token], ["/api/v3/write_lp", "Bearer writer"]);
});

test("that the main database could not be created is said also when a route writes first", async (t) => {
  const { destinations, write, log } = await open(t, routeToMain, { created: 403 });
  await write(destinations[1]);
  assert.deepEqual(
    log.lines.filter(({ code }) => code === "database_not_created").map(({ details }) => details["route"]),
    [undefined],
  );
});

test("the columns of a table that a profile names are asked for like those of our own tables", async (t) => {
  const { destinations, requests, write } = await open(
    t,
    `database = "lorawan"
    [[profile]]
    match = { profile = "EM300-TH" }
    table = "climate"`,
  );
  await write(destinations[0]);
  const [asked, written] = requests();
  assert.equal(asked?.path, "/api/v3/query_sql");
  for (const table of ["'climate'", "'uplink'", "'telemetry_'"])
    assert.ok(asked?.body.includes(table), table);
  assert.match(written?.body ?? "", /^climate,/m);
});

test("what the last process knew of a database that was made anew decides nothing, and is forgotten", async (t) => {
  const column = (name: string, type: ColumnType): TableColumn => ({
    table: "telemetry_em300_th",
    column: name,
    type,
  });
  const known = [
    column("status", "string"),
    ...Array.from({ length: 199 }, (_, n) => column(`c${n}`, "float")),
  ];
  const { destinations, requests, write, stored } = await open(t, 'database = "lorawan"', { known });
  await write(destinations[0]);
  assert.match(requests()[1]?.body ?? "", /^telemetry_em300_th,.*[ ,]status=3,temperature=21\.5 /m);
  destinations[0]?.saveSchema();
  const ofPayload = stored().filter(({ table }) => table === "telemetry_em300_th");
  assert.deepEqual(
    new Map(ofPayload.map(({ column: name, type }) => [name, type])),
    new Map(Object.entries(writtenColumns)),
  );
});

const writtenColumns: Readonly<Record<string, ColumnType>> = {
  application_id: "tag",
  dev_eui: "tag",
  device_name: "string",
  f_cnt: "integer",
  f_port: "integer",
  status: "float",
  temperature: "float",
};
