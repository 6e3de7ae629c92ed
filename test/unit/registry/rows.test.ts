import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deviceRow, gatewayConnRow, gatewayStatsRow, nodeRow } from "../../../src/registry/rows.ts";
import type { NodeFigures } from "../../../src/registry/rows.ts";
import type { StatsSum } from "../../../src/registry/records.ts";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { fit } from "../../../src/telemetry/fit.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";
import { points } from "../../../src/telemetry/points.ts";
import { parseLineProtocol } from "../../support/line-protocol-parser.ts";
import {
  device,
  fieldsOf,
  gatewayId,
  learn,
  midnightMs,
  minuteMs,
  status,
  toNs,
  typesOf,
  uplink,
} from "./samples.ts";

const noTags = { tags: [], deviceTags: [] };
const tagged = {
  tags: [
    { name: "site", value: "hof" },
    { name: "region", value: "zh" },
  ],
  deviceTags: [
    { key: "building", name: "building" },
    { key: "room", name: "room" },
  ],
};
const timeNs = toNs(midnightMs) + 123n;

describe("device", () => {
  const record = learn([
    ...[0, 1, 2, 3].map((index) => uplink(midnightMs + index * 90_500, index + 7)),
    status(midnightMs + 5 * minuteMs),
  ]);

  test("says everything that is known", () => {
    const row = deviceRow(record, timeNs, noTags);
    assert.equal(row.table, "device");
    assert.equal(row.timeNs, timeNs);
    assert.deepEqual(fieldsOf(row), {
      device_name: "barn 7 north",
      application_name: "barns",
      profile_name: "EM300-TH",
      tenant_name: "Hof Sonnental",
      profile_id: device.profileId,
      tenant_id: device.tenantId,
      dev_addr: "01a44c4c",
      last_event: "status",
      first_seen_ms: midnightMs,
      last_seen_ms: midnightMs + 5 * minuteMs,
      last_uplink_ms: midnightMs + 3 * 90_500,
      f_cnt: 10,
      interval_s: 90.5,
      gateways_known: 1,
      battery_level: 88.3,
      external_power: false,
      battery_level_unavailable: false,
      downlink_snr: 9,
    });
    const types = typesOf(row);
    for (const name of ["interval_s", "battery_level"]) assert.equal(types[name], "float", name);
    for (const name of [
      "first_seen_ms",
      "last_seen_ms",
      "last_uplink_ms",
      "f_cnt",
      "gateways_known",
      "downlink_snr",
    ])
      assert.equal(types[name], "integer", name);
  });

  test("leaves out what is not", () => {
    const nameless = { ...device, deviceName: "", tenantName: "", tenantId: "", profileId: "" };
    const row = deviceRow(learn([{ ...status(midnightMs), device: nameless }]), timeNs, noTags);
    assert.deepEqual(Object.keys(fieldsOf(row)).toSorted(), [
      "application_name",
      "battery_level",
      "battery_level_unavailable",
      "downlink_snr",
      "external_power",
      "first_seen_ms",
      "last_event",
      "last_seen_ms",
      "profile_name",
    ]);
  });

  test("leaves out the flags of a status that does not tell them", () => {
    const unknown = { externalPower: undefined, batteryUnavailable: undefined };
    const fields = fieldsOf(deviceRow(learn([status(midnightMs, unknown)]), timeNs, noTags));
    assert.equal(fields["battery_level"], 88.3);
    for (const name of ["external_power", "battery_level_unavailable"]) {
      assert.equal(Object.hasOwn(fields, name), false, name);
    }
  });

  test("has the tags that the device's uplinks have", () => {
    const settings = { ...tagged, profiles: [] };
    const [first] = points(uplink(midnightMs, 1), { timeNs, timeSource: "event" }, settings).points;
    assert.deepEqual(deviceRow(record, timeNs, tagged).tags, first?.tags);
    assert.equal(first?.tags.length, 5);
  });
});

const sum: StatsSum = {
  gatewayId,
  source: "local",
  bucketMs: midnightMs,
  delay: 3,
  closesMs: midnightMs + 20 * minuteMs + 30_000,
  count: 10,
  timesNs: [],
  rxReceived: 100,
  rxReceivedOk: 90,
  txReceived: 9,
  txEmitted: 5,
  txByStatus: new Map([
    ["OK", 5],
    ["TOO_LATE", 3],
    ["GPS_UNLOCKED", 1],
  ]),
  dutyCycle: new Map([
    ["M - 868.0", 0.25],
    ["P", 0.75],
  ]),
  metadata: new Map([
    ["concentratord_version", "4.7"],
    ["temperature", "45.20"],
    ["hw.Serial", "123"],
    ["uptime since", "Mon"],
    ["padded", "007"],
    ["nothing", ""],
  ]),
  location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
};

describe("gateway_stats", () => {
  test("says everything that was counted, in columns of fixed types", () => {
    const row = gatewayStatsRow(sum, noTags);
    assert.equal(row.table, "gateway_stats");
    assert.equal(row.timeNs, toNs(midnightMs) + 3000n);
    const integers = {
      rx_received: 100,
      rx_received_ok: 90,
      tx_received: 9,
      tx_emitted: 5,
      tx_failed: 4,
      stats_count: 10,
      tx_ok: 5,
      tx_too_late: 3,
      tx_gps_unlocked: 1,
    };
    const floats = {
      duty_cycle: 0.75,
      duty_cycle_m_868_0: 0.25,
      duty_cycle_p: 0.75,
      latitude: 47.1,
      longitude: 8.5,
      altitude: 512,
      meta_temperature: 45.2,
    };
    const texts = {
      meta_concentratord_version: "4.7",
      meta_hw_serial: "123",
      meta_uptime_since: "Mon",
      meta_padded: "007",
    };
    assert.deepEqual(fieldsOf(row), { ...integers, ...floats, ...texts });
    const types = typesOf(row);
    for (const name of Object.keys(integers)) assert.equal(types[name], "integer", name);
    for (const name of Object.keys(floats)) assert.equal(types[name], "float", name);
    for (const name of Object.keys(texts)) assert.equal(types[name], "string", name);
  });

  test("how many downlinks failed is 0 without downlinks, and absent where the gateway does not say", () => {
    const silent = { ...sum, txByStatus: new Map<string, number>() };
    assert.equal(fieldsOf(gatewayStatsRow({ ...silent, txReceived: 0 }, noTags))["tx_failed"], 0);
    assert.equal(fieldsOf(gatewayStatsRow(silent, noTags))["tx_failed"], undefined);
  });

  test("without bands, place and metadata there are no such columns", () => {
    const bare = { ...sum, dutyCycle: new Map(), metadata: new Map(), location: undefined };
    const names = gatewayStatsRow(bare, noTags).fields.map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => /^(?:duty|meta|latitude|longitude|altitude)/.test(name)),
      [],
    );
  });

  test("names that come out the same get a column each", () => {
    const clashing = {
      ...sum,
      metadata: new Map([
        ["temp", "2"],
        ["Temp", "1"],
      ]),
      dutyCycle: new Map([
        ["a.b", 0.1],
        ["a b", 0.2],
      ]),
    };
    const row = gatewayStatsRow(clashing, noTags);
    const fields = fieldsOf(row);
    assert.equal(row.fields.length, Object.keys(fields).length);
    const expected = {
      meta_temp: 1,
      meta_temp_: 2,
      duty_cycle_a_b: 0.2,
      duty_cycle_a_b_: 0.1,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(fields[name], value, name);
  });

  test("the same sum gives the same row, in whatever order its maps are", () => {
    const turned = {
      ...sum,
      txByStatus: new Map([...sum.txByStatus].toReversed()),
      dutyCycle: new Map([...sum.dutyCycle].toReversed()),
      metadata: new Map([...sum.metadata].toReversed()),
    };
    assert.deepEqual(gatewayStatsRow(turned, noTags), gatewayStatsRow(sum, noTags));
  });

  test("however many keys gateways invent, their table stays small, and rows tell what is not in it", () => {
    const columns = new Map<string, ColumnType>();
    const rows = Array.from({ length: 30 }, (_, gateway) => {
      const keys = Array.from({ length: 30 }, (__, key): [string, string] => [`k-${gateway}-${key}`, "v"]);
      const row = gatewayStatsRow({ ...sum, metadata: new Map(keys) }, tagged);
      return fieldsOf(fit(row, { columnsOf: () => columns }).point);
    });
    // Of 200: time, fields_left_out.
    assert.equal(columns.size, 200);
    const last = rows.at(-1);
    assert.equal(last?.["fields_left_out"], 30);
    assert.equal(last["rx_received"], 100, "what is counted is in every row");
    assert.equal(last["duty_cycle_p"], 0.75, "and what has its column is filled");
    assert.equal(Object.hasOwn(rows[0] ?? {}, "fields_left_out"), false);
  });
});

const figures: NodeFigures = {
  version: "0.1.0",
  uptimeS: 61,
  backlog: 12,
  oldestUnsentS: 2.5,
  evicted: 1,
  quarantined: 2,
  received: 100,
  committed: 99,
  written: 80,
  ownWritten: 7,
  projected: 8,
  duplicates: 3,
  retainedUntimed: 9,
  statsLeftOut: 10,
  retries: 4,
  held: 5,
  waitingForClock: 11,
  qos0Received: 6,
  clockTrusted: true,
  diskFreeBytes: 1e9,
  journalBytes: 4096,
  memoryRssBytes: 8e7,
  influxdb: "up",
  brokersConnected: 1,
  brokers: 2,
};

describe("flightline_node", () => {
  test("says how we are: counts and bytes as integers, seconds as floats", () => {
    const row = nodeRow(figures, "gateway-7", timeNs, noTags);
    assert.equal(row.table, "flightline_node");
    assert.deepEqual(fieldsOf(row), {
      version: "0.1.0",
      uptime_s: 61,
      backlog: 12,
      oldest_unsent_s: 2.5,
      evicted: 1,
      quarantined: 2,
      received: 100,
      committed: 99,
      written: 80,
      own_written: 7,
      projected: 8,
      duplicates: 3,
      retained_untimed: 9,
      stats_left_out: 10,
      retries: 4,
      held: 5,
      waiting_for_clock: 11,
      qos0_received: 6,
      clock_trusted: true,
      disk_free_bytes: 1e9,
      journal_bytes: 4096,
      memory_rss_bytes: 8e7,
      influxdb: "up",
      brokers_connected: 1,
      brokers: 2,
    });
    for (const [name, type] of Object.entries(typesOf(row))) {
      const expected = /^(?:version|influxdb)$/.test(name)
        ? "string"
        : name === "clock_trusted"
          ? "boolean"
          : name.endsWith("_s")
            ? "float"
            : "integer";
      assert.equal(type, expected, name);
    }
  });

  test("what could not be measured is absent", () => {
    const blind = { ...figures, oldestUnsentS: undefined, diskFreeBytes: undefined, journalBytes: undefined };
    const names = nodeRow(blind, "gateway-7", timeNs, noTags).fields.map(({ name }) => name);
    assert.equal(names.length, 22);
    assert.ok(!names.includes("oldest_unsent_s"));
  });
});

test("tags stand in the order of their table, static ones after whose row it is", () => {
  const names = (row: { readonly tags: readonly { readonly name: string }[] }): string[] =>
    row.tags.map(({ name }) => name);
  const record = learn([uplink(midnightMs, 1)]);
  assert.deepEqual(names(deviceRow(record, timeNs, tagged)), [
    "dev_eui",
    "application_id",
    "site",
    "region",
    "building",
  ]);
  assert.deepEqual(names(gatewayStatsRow(sum, tagged)), ["gateway_id", "site", "region"]);
  const conn = gatewayConnRow(gatewayId, false, timeNs, tagged);
  assert.deepEqual(names(conn), ["gateway_id", "site", "region", "event"]);
  assert.deepEqual(conn.tags.at(-1), { name: "event", value: "conn" });
  assert.deepEqual(conn.fields, [{ name: "online", type: "boolean", value: false }]);
  assert.equal(conn.table, "gateway_event");
  assert.deepEqual(names(nodeRow(figures, "gateway-7", timeNs, tagged)), ["node", "site", "region"]);
  const blank = { tags: [{ name: "site", value: "" }], deviceTags: [] };
  assert.deepEqual(names(nodeRow(figures, "gateway-7", timeNs, blank)), ["node"]);
});

test("every row is a line that a reader of line protocol understands, with all its columns", () => {
  const rows = [
    deviceRow(learn([uplink(midnightMs, 1), status(midnightMs + 1)]), timeNs, tagged),
    gatewayStatsRow(sum, tagged),
    gatewayConnRow(gatewayId, true, timeNs, tagged),
    nodeRow({ ...figures, memoryRssBytes: 8e7 + 0.4 }, "gateway 7", timeNs, tagged),
  ];
  for (const row of rows) {
    const [line] = parseLineProtocol(encodeLine(row) ?? "");
    assert.equal(line?.table, row.table);
    assert.equal(line?.fields.length, row.fields.length);
    assert.equal(line?.tags.length, row.tags.length);
    assert.equal(line?.timeNs, row.timeNs);
  }
});
