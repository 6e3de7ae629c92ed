/**
 * Several daemons write into one database, as the gateways of one fleet do, and payload keys change their type
 * from event to event. Whoever is first decides what type a column has; all of them must end with the same
 * columns and lose nothing. The judge reads whole tables and shares no code with what decides about columns.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { database, dataFolder, startDaemon, untilSubscribed, writeConfig } from "../support/daemon.ts";
import type { Program } from "../support/daemon.ts";
import { readDeadJournal } from "../support/journal-files.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import type { Mosquitto } from "../support/mosquitto.ts";
import { publishAll } from "../support/publisher.ts";
import type { Message } from "../support/publisher.ts";
import { ask } from "../support/stand-in.ts";
import { readTables, row, table } from "../support/tables.ts";
import type { Row, Table, Tables } from "../support/tables.ts";
import { uplink } from "../support/uplinks.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const deadlineMs = 30_000;
const eventCount = 640;
/** So many events have a key of their own, beside the one that all have. */
const eventsPerKey = 80;
/** What is refused for a column costs one look at the schema, for all that is on its way at that time. */
const maxRefusedPerKey = 4;

test("three daemons, three orders of arrival: every event once, the same columns, nothing held", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("three");
  const { influx, refusedWrites } = await startInflux(t);
  const upwards = Array.from({ length: eventCount }, (_, index) => index);
  const fromTheMiddle = [...upwards.slice(eventCount / 2), ...upwards.slice(0, eventCount / 2)];
  const orders = [upwards, upwards.toReversed(), fromTheMiddle];
  const folders = orders.map((_, index) => join(folder.path, `gateway-${index}`));
  await using daemons = new AsyncDisposableStack();
  const running = folders.map((each, index) =>
    daemons.use(startDaemon(configFor(each, `gateway-${index}/`, broker, influx))),
  );
  await untilSubscribed(broker, running);
  const publishing = orders.map((order, index) =>
    publishAll({
      url: broker.url,
      messages: order.map((n) => flipping(n, `gateway-${index}/`)),
      ratePerSecond: 400,
    }),
  );
  await Promise.all(publishing);
  // Of each uplink its row, that of its gateway and that of its payload; and the ten devices.
  await hasTaken(influx, folders.length * (eventCount * 3 + 10), running);
  for (const daemon of running)
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout);

  for (const each of folders) {
    assert.equal(readDeadJournal(dataFolder(each)).unsettledCount, 0, "nothing is held");
  }
  const tables = await readTables({ influxUrl: influx.url, database });
  assertFlips(tables["telemetry_em300_th"]);
  assert.deepEqual(
    tables["uplink"]?.rows.map(({ f_cnt: n }) => n),
    upwards,
    "every uplink once",
  );
  const refused = refusedWrites();
  t.diagnostic(`${refused} of ${influx.counters.writes} writes were refused`);
  const keys = eventCount / eventsPerKey + 1;
  assert.ok(refused > 0, "they were in each other's way");
  assert.ok(refused <= keys * maxRefusedPerKey, `${refused} writes were refused`);
});

test("a table of an older layout: nothing is refused, and every value is in a column of its type", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("older");
  const { influx, refusedWrites } = await startInflux(t);
  await write(influx, [
    'uplink,dev_eui=a,device_name=old\\ name rssi=-80.5,frequency="868.1",dr=3,confirmed=1i 1700000000000000000',
    "uplink_rx,dev_eui=a,gateway_id=b snr=7i,channel=true 1700000000000000000",
    'telemetry_em300_th,dev_eui=a temperature=21i,status="ok",application_id="x",level=3u 1700000000000000000',
  ]);
  const message = uplink(1, { object: { temperature: 21.5, status: 3, level: 7, open: true } });
  await using daemon = startDaemon(configFor(folder.path, "", broker, influx));
  await untilSubscribed(broker, [daemon]);
  await publishAll({ url: broker.url, messages: [message] });
  // Those that were written beforehand, the uplink's three, and its device's.
  await hasTaken(influx, 3 + 3 + 1, [daemon]);
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout);

  const tables = await readTables({ influxUrl: influx.url, database });
  for (const [name, expected] of Object.entries(olderLayout)) assert.deepEqual(tables[name], expected, name);
  assert.equal(refusedWrites(), 0, "the schema was read before the first write");
});

const time = "2025-12-31T00:00:01";
const tags = { dev_eui: "00000000a0000001" };
const applicationId = "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002";
const oldTime = "2023-11-14T22:13:20";

const olderLayout: Tables = {
  uplink: table(
    {
      tag: "dev_eui device_name application_id",
      float: "rssi dr frequency_num snr margin airtime_ms",
      integer: "confirmed f_cnt f_port gateway_count spreading_factor bandwidth payload_bytes",
      string:
        "frequency deduplication_id code_rate dev_addr best_gateway_id device_name_text application_name " +
        "profile_name tenant_name time_source",
      boolean: "adr confirmed_flag",
    },
    [
      {
        time: oldTime,
        dev_eui: "a",
        device_name: "old name",
        rssi: -80.5,
        frequency: "868.1",
        dr: 3,
        confirmed: 1,
      },
      row(
        { time, ...tags, application_id: applicationId },
        { rssi: -68, dr: 5, frequency_num: 867_300_000, snr: 13.2, margin: 20.7, airtime_ms: 56.576 },
        {
          f_cnt: 1,
          f_port: 85,
          gateway_count: 1,
          spreading_factor: 7,
          bandwidth: 125_000,
          payload_bytes: 9,
        },
        { deduplication_id: "3ac7e3c4-4401-4b8d-9386-000000000001" },
        {
          code_rate: "4/5",
          dev_addr: "01a44c4c",
          best_gateway_id: "e4e124dadef64eee",
          time_source: "event",
        },
        { device_name_text: "sensor 1", application_name: "barns", profile_name: "EM300-TH" },
        { tenant_name: "farm", adr: false, confirmed_flag: false },
      ),
    ],
  ),
  uplink_rx: table(
    {
      tag: "dev_eui gateway_id application_id",
      integer: "snr rssi f_cnt spreading_factor frequency",
      float: "snr_num margin channel_num",
      boolean: "channel",
    },
    [
      { time: oldTime, dev_eui: "a", gateway_id: "b", snr: 7, channel: true },
      row(
        { time, ...tags, application_id: applicationId, gateway_id: "e4e124dadef64eee" },
        { rssi: -68, snr_num: 13.2, margin: 20.7, channel_num: 0, f_cnt: 1, spreading_factor: 7 },
        { frequency: 867_300_000 },
      ),
    ],
  ),
  telemetry_em300_th: table(
    {
      tag: "dev_eui application_id_tag",
      integer: "temperature f_cnt f_port",
      unsigned: "level",
      float: "temperature_num status_num level_num",
      string: "status application_id device_name",
      boolean: "open",
    },
    [
      { time: oldTime, dev_eui: "a", temperature: 21, status: "ok", application_id: "x", level: 3 },
      row(
        { time, ...tags, application_id_tag: applicationId },
        {
          device_name: "sensor 1",
          f_cnt: 1,
          f_port: 85,
          temperature_num: 21.5,
          status_num: 3,
          level_num: 7,
        },
        { open: true },
      ),
    ],
  ),
};

type Kind = "float" | "string" | "boolean";

/** Of both keys of an event: the type goes round, and differs at the two ends of a key's life. */
function flip(n: number): { readonly kind: Kind; readonly value: number | string | boolean } {
  const turn = n % 3;
  if (turn === 0) return { kind: "float", value: n + 0.5 };
  return turn === 1 ? { kind: "string", value: `text ${n}` } : { kind: "boolean", value: n % 2 === 0 };
}

function keyOf(n: number): string {
  return `key_${String.fromCodePoint(97 + Math.floor(n / eventsPerKey))}`;
}

function flipping(n: number, prefix: string): Message {
  const { value } = flip(n);
  const { topic, payload } = uplink(n, { object: { status: value, [keyOf(n)]: value } });
  return { topic: prefix + topic, payload };
}

const suffixes: Readonly<Record<Kind, string>> = { float: "_num", string: "_text", boolean: "_flag" };

/** Whatever type the first one gave a column: the other two have columns beside it, the same in every row. */
function assertFlips(found: Table | undefined): void {
  assert.ok(found !== undefined);
  const keys = new Set(["status", ...found.rows.map((_, n) => keyOf(n))]);
  const columns: Record<string, string> = {
    time: "time",
    dev_eui: "tag",
    application_id: "tag",
    device_name: "string",
    f_cnt: "integer",
    f_port: "integer",
  };
  for (const key of keys) {
    const first = found.columns[key];
    for (const [kind, suffix] of Object.entries(suffixes))
      columns[kind === first ? key : key + suffix] = kind;
  }
  assert.deepEqual(found.columns, columns);
  assert.equal(found.rows.length, eventCount);
  for (const [n, row] of found.rows.entries())
    assert.deepEqual(row, expectedRow(n, found.columns), `event ${n}`);
}

function expectedRow(n: number, columns: Table["columns"]): Row {
  const { kind, value } = flip(n);
  const nameOf = (key: string): string => (columns[key] === kind ? key : key + suffixes[kind]);
  return {
    time: new Date(Date.UTC(2025, 11, 31) + n * 1000).toISOString().slice(0, 19),
    dev_eui: `00000000a000000${n % 10}`,
    application_id: applicationId,
    device_name: `sensor ${n % 10}`,
    f_cnt: n,
    f_port: 85,
    [nameOf("status")]: value,
    [nameOf(keyOf(n))]: value,
  };
}

function configFor(folder: string, prefix: string, broker: Mosquitto, influx: InfluxStandIn): string {
  return writeConfig({
    folder,
    mqttUrl: broker.url,
    influxUrl: influx.url,
    lines: {
      "[mqtt]": [`topics = ["${prefix}application/+/device/+/event/+"]`],
      influxdb: ['batch_max_age = "50ms"'],
    },
  });
}

async function startInflux(
  t: TestContext,
): Promise<{ readonly influx: InfluxStandIn; readonly refusedWrites: () => number }> {
  let committed = 0;
  const influx = await startInfluxStandIn({
    flushIntervalMs: 20,
    observe: (phase) => {
      if (phase === "committed") committed += 1;
    },
  });
  t.after(() => influx.stop());
  return { influx, refusedWrites: () => influx.counters.writes - committed };
}

async function hasTaken(influx: InfluxStandIn, lines: number, daemons: readonly Program[]): Promise<void> {
  const isOver = (): boolean => daemons.some((daemon) => !daemon.isRunning);
  await waitFor(() => influx.counters.linesAccepted >= lines || isOver(), {
    timeoutMs: deadlineMs,
    what: `${lines} lines`,
  });
}

async function write(influx: InfluxStandIn, lines: readonly string[]): Promise<void> {
  const path = `/api/v3/write_lp?db=${database}&precision=ns`;
  const { status, body } = await ask(influx, path, { method: "POST", body: lines.join("\n") });
  assert.equal(status, 204, body);
}
