/**
 * One daemon takes everything that ChirpStack v4 and v3, Milesight's gateways and the gateways themselves
 * publish, at once and through a real broker; then whole tables are compared with what was written down by
 * hand. The messages are literal, too (test/support/dialects): nothing here shares code with what it judges.
 *
 * The daemon's clock begins at noon of 2026-03-10 and a minute, so that every time can be written down. For
 * the five minutes of gateway statistics it is stopped and started again with a clock that is further on.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { dataFolder, clockFrom, startDaemon, untilSubscribed } from "../support/daemon.ts";
import type { Program } from "../support/daemon.ts";
import { writeDialectConfig } from "../support/dialects/config.ts";
import { expectedDevices } from "../support/dialects/expected-devices.ts";
import { expectedEvents, expectedStats } from "../support/dialects/expected-events.ts";
import { expectedSite2, expectedSite2Stats, expectedTenantB } from "../support/dialects/expected-routes.ts";
import { expectedPayloads } from "../support/dialects/expected-payloads.ts";
import { received } from "../support/dialects/expected-series.ts";
import { expectedUplinks } from "../support/dialects/expected-uplinks.ts";
import * as gateways from "../support/dialects/gateway-messages.ts";
import { milesightMessages } from "../support/dialects/milesight-messages.ts";
import * as v3 from "../support/dialects/v3-messages.ts";
import { brokenMessages, tenantBMessages, v4Events } from "../support/dialects/v4-events.ts";
import { climateUplink, v4Uplinks } from "../support/dialects/v4-uplinks.ts";
import { readQuarantine } from "../support/journal-files.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { publishAll } from "../support/publisher.ts";
import type { Message } from "../support/publisher.ts";
import { mapRows, readTables } from "../support/tables.ts";
import type { Row, Tables } from "../support/tables.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const firstStart = "2026-03-10T12:01:00Z";
/** More than five minutes and a half after the beginning of the statistics, and shortly before a full minute. */
const secondStart = "2026-03-10T12:05:54Z";
/** Long before the next full minute, which would make a row. */
const thirdStart = "2026-03-10T12:07:01Z";
const fullMinute = "2026-03-10T12:06:00";

const expectedAtFirst: Readonly<Record<string, Tables>> = {
  lorawan: { ...expectedUplinks, ...expectedPayloads, ...expectedEvents, ...expectedDevices },
  tenant_b: expectedTenantB,
  site_2: expectedSite2,
};
const expectedAtLast: Readonly<Record<string, Tables>> = {
  lorawan: { ...expectedAtFirst["lorawan"], ...expectedStats },
  tenant_b: expectedTenantB,
  site_2: { ...expectedSite2, ...expectedSite2Stats },
};

const published: readonly Message[] = interleaved([
  // The same bytes a second time, at the end.
  [...v4Uplinks, climateUplink],
  v4Events,
  v3.v3Messages,
  milesightMessages,
  brokenMessages,
  tenantBMessages,
  [v3.site2Uplink, ...gateways.site2GatewayMessages],
  gateways.connMessages,
  gateways.meshMessages,
  gateways.statsMessages,
  gateways.unmappedMessages,
]);

test("every dialect at once: each table is what was written down, cell by cell, in its own database", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("dialects");
  const lines: string[] = [];
  const influx = await startInfluxStandIn({
    flushIntervalMs: 20,
    observe: (phase, write) => {
      if (phase === "committed") lines.push(...write.lines);
    },
  });
  t.after(() => influx.stop());
  const configFile = writeDialectConfig(folder.path, broker.url, influx.url);
  await publishAll({ url: broker.url, messages: [v3.retainedUplink, gateways.retainedConn] });

  await using first = startDaemon(configFile, { nodeOptions: clockFrom(firstStart) });
  await untilSubscribed(broker, [first], 2);
  await publishAll({ url: broker.url, messages: published });
  await hasRows(influx, rowCount(expectedAtFirst), first);
  assert.deepEqual(await first.stop(), { code: 0, signal: null }, first.stdout);
  assertTables(await readAll(influx), expectedAtFirst);
  assert.deepEqual(
    readQuarantine(dataFolder(folder.path)).map(({ code }) => code),
    ["decode_not_json", "decode_empty", "decode_not_protobuf", "decode_no_device"],
  );

  await using second = startDaemon(configFile, { nodeOptions: clockFrom(secondStart) });
  await hasRows(influx, rowCount(expectedAtLast) + 1, second);
  assert.deepEqual(await second.stop(), { code: 0, signal: null }, second.stdout);
  const tables = await readAll(influx);
  assertNodeRow(tables["lorawan"]?.["flightline_node"]?.rows ?? []);
  assertTables(tables, expectedAtLast);
  assertConnOrder(tables["lorawan"]?.["gateway_event"]?.rows ?? []);
  for (const line of lines) assertTagOrder(line);
  assertEffects(influx, { linesRepeated: 0 }, "no row was written twice");

  for (const name of ["state.db", "state.db-wal", "state.db-shm"]) {
    rmSync(join(dataFolder(folder.path), name), { force: true });
  }
  const again = projectedRows(expectedAtLast);
  await using third = startDaemon(configFile, { nodeOptions: clockFrom(thirdStart) });
  await waitFor(() => influx.counters.linesRepeated >= again || !third.isRunning, {
    timeoutMs: 60_000,
    what: "the rows that follow from the log to be made again",
  });
  assert.deepEqual(await third.stop(), { code: 0, signal: null }, third.stdout);
  assertTables(await readAll(influx), expectedAtLast);
  assertEffects(influx, { linesRepeated: again }, "read from the log again, each row lands on itself");
});

test("messages without a time of their own that come in one burst stay rows of their own", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("dialects-burst");
  const influx = await startInfluxStandIn({ flushIntervalMs: 20 });
  t.after(() => influx.stop());
  const configFile = writeDialectConfig(folder.path, broker.url, influx.url);
  await using daemon = startDaemon(configFile);
  await untilSubscribed(broker, [daemon], 2);
  const counters = Array.from({ length: 50 }, (_, index) => index + 1);
  const states = counters.map((n) => ({ online: n % 2 === 1 }));
  const uplinks = counters.map((n) => v3.untimedUplink(n));
  const conns = states.map(({ online }) => gateways.conn("7276ff000b031df7", online));
  await publishAll({ url: broker.url, messages: [...uplinks, ...conns] });
  // Beside the rows in question one of the device.
  await hasRows(influx, uplinks.length + conns.length + 1, daemon);
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout);
  const { uplink, gateway_event: changes } = await readTables({ influxUrl: influx.url, database: "lorawan" });
  assert.deepEqual(
    uplink?.rows.map(({ f_cnt: count }) => count),
    counters,
    "in their order",
  );
  assert.deepEqual(
    changes?.rows.map(({ online }) => ({ online })),
    states,
    "in their order",
  );
});

/** Both sources are. */
/** Returns also when they do not come: the comparison tells which they are. */
async function hasRows(influx: InfluxStandIn, count: number, daemon: Program): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  const isOver = (): boolean => !daemon.isRunning || performance.now() > deadlineMs;
  await waitFor(() => influx.counters.linesCreated >= count || isOver(), {
    timeoutMs: 80_000,
    what: `${count} rows`,
  });
}

function rowCount(databases: Readonly<Record<string, Tables>>): number {
  const tables = Object.values(databases).flatMap((each) => Object.values(each));
  return tables.reduce((sum, { rows }) => sum + rows.length, 0);
}

async function readAll(influx: InfluxStandIn): Promise<Record<string, Tables>> {
  const databases: Record<string, Tables> = {};
  for (const database of Object.keys(expectedAtLast)) {
    databases[database] = await readTables({ influxUrl: influx.url, database });
  }
  return databases;
}

/** Table by table, so that a failure shows the one. Our own health is looked at elsewhere. */
function assertTables(
  databases: Readonly<Record<string, Tables>>,
  expected: Readonly<Record<string, Tables>>,
): void {
  for (const [database, wanted] of Object.entries(expected)) {
    const { flightline_node: _, ...found } = mapRows(databases[database] ?? {}, withReceived);
    const wantedRows = mapRows(wanted, (row) => row);
    for (const [name, table] of Object.entries(wantedRows)) {
      assert.deepEqual(found[name]?.columns, table.columns, `columns of ${database}.${name}`);
      assert.deepEqual(found[name]?.rows, table.rows, `rows of ${database}.${name}`);
    }
    assert.deepEqual(Object.keys(found).toSorted(), Object.keys(wanted).toSorted(), `tables of ${database}`);
  }
}

const instants: ReadonlySet<string> = new Set(["first_seen_ms", "last_seen_ms", "last_uplink_ms"]);
const firstRunMs = { from: Date.parse(firstStart), to: Date.parse(secondStart) };

/** Times within the first run are those of a receipt: everything else was earlier, or comes later. */
function withReceived(row: Row): Row {
  const isReceived = (ms: number): boolean => ms >= firstRunMs.from && ms < firstRunMs.to;
  return Object.fromEntries(
    Object.entries(row).map(([name, cell]) => {
      if (name === "time" && isReceived(Date.parse(`${String(cell)}Z`))) return [name, received];
      return [name, instants.has(name) && isReceived(Number(cell)) ? received : cell];
    }),
  );
}

/** Those of the registry and of the sums, which are not made from one message. */
function projectedRows(databases: Readonly<Record<string, Tables>>): number {
  return Object.values(databases).reduce((sum, { device, gateway_stats: stats, gateway_event: events }) => {
    const conns = events?.rows.filter(({ event }) => event === "conn") ?? [];
    return sum + (device?.rows.length ?? 0) + (stats?.rows.length ?? 0) + conns.length;
  }, 0);
}

function assertEffects(
  { counters }: InfluxStandIn,
  expected: { readonly linesRepeated: number },
  message: string,
): void {
  const { linesRefused, linesRepeated, linesExtended, linesOverwritten } = counters;
  const nothingElse = { linesRefused: 0, linesExtended: 0, linesOverwritten: 0 };
  const effects = { linesRefused, linesRepeated, linesExtended, linesOverwritten };
  assert.deepEqual(effects, { ...nothingElse, ...expected }, message);
}

function assertConnOrder(rows: readonly Row[]): void {
  const states = rows.filter(({ gateway_id: id, event }) => id === "7276ff000b031df7" && event === "conn");
  assert.deepEqual(
    states.map(({ online }) => online),
    [false, true],
    "it went and came back, and what was retained tells nothing new",
  );
}

function assertNodeRow(rows: readonly Row[]): void {
  const row = rows.find(({ time }) => time === fullMinute);
  assert.ok(row !== undefined, `a row of ${fullMinute}: ${JSON.stringify(rows)}`);
  const { node, site, influxdb, brokers, brokers_connected: connected, clock_trusted: trusted } = row;
  assert.deepEqual(
    { node, site, influxdb, brokers, connected, trusted },
    { node: "gw-1", site: "barn-7", influxdb: "up", brokers: 2, connected: 2, trusted: true },
  );
}

/** The order in which a table gets its tags is for ever; no tag of ours has a space or a comma in it. */
function assertTagOrder(line: string): void {
  const [table = "", ...tags] = (line.split(" ", 1)[0] ?? "").split(",");
  const names = tags.map((tag) => tag.split("=", 1)[0] ?? "");
  const order = table.startsWith("gateway_")
    ? ["gateway_id", "site", "event", "relay_id"]
    : ["node", "dev_eui", "application_id", "site", "building", "gateway_id", "event"];
  assert.deepEqual(
    names,
    order.filter((name) => names.includes(name)),
    line,
  );
}

/** One of each list in turn, each list in its order. */
function interleaved(lists: readonly (readonly Message[])[]): Message[] {
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list[index] ?? [])).flat();
}
