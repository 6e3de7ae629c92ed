import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { z } from "zod";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { DeviceEvent, MeshHeartbeat, Uplink } from "../../../src/chirpstack/event.ts";
import type { DeviceRecord, StatsSum } from "../../../src/registry/records.ts";
import { deviceRow, gatewayConnRow, gatewayStatsRow, nodeRow } from "../../../src/registry/rows.ts";
import { compileTelemetry, tagsSchema, telemetrySchema } from "../../../src/telemetry/config.ts";
import { ownColumns, takenForDeviceTags, takenForStaticTags } from "../../../src/telemetry/own-columns.ts";
import { fit } from "../../../src/telemetry/fit.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import { points } from "../../../src/telemetry/points.ts";
import { tagLayout } from "../../../src/telemetry/tags.ts";
import { climateUplink, toJsonBytes, upTopic } from "../chirpstack/samples.ts";

const settings = { tags: [], deviceTags: [], profiles: [] };
const time = { timeNs: 1_749_818_692_653_481_123n, timeSource: "event" };

function climate(): Uplink {
  const result = decode(upTopic, toJsonBytes(climateUplink()));
  assert.ok(result.ok && result.value.kind === "up");
  return result.value;
}

const location = { latitude: 1, longitude: 2, altitude: 3 };
const relay = { devEui: "0102030405060708", rssiDbm: -90, snrDb: 7 };

/** Every column that some uplink has: of both modulations, relayed, heard badly by gateways of known place. */
function fullUplinks(): Uplink[] {
  const lora = climate();
  const receptions = lora.receptions.map((reception) => ({ ...reception, crcOk: false, location }));
  // More leaves than a table has columns: some find no room.
  const leaves = Array.from({ length: 300 }, (_, index) => [`leaf_${index}`, index]);
  const object = { history: [{ timestamp: 1_749_818_000, x: 1 }], ...Object.fromEntries(leaves) };
  return [
    { ...lora, receptions, object, relay },
    { ...lora, modulation: { kind: "fsk", bitrateBps: 50_000 }, object: undefined },
  ];
}

/** One of each kind, with everything that it can say. */
function fullEvents(): (DeviceEvent | MeshHeartbeat)[] {
  const uplink = climate();
  const { device, timeNs, modulation, devAddr, regionConfigId } = uplink;
  const head = { device, timeNs, deduplicationId: "d", isIdentified: true, dropped: [] };
  const gateway = { gatewayId: "0016c001f153a14c", timeNs, isIdentified: true, dropped: [] };
  return [
    ...fullUplinks(),
    { kind: "join", ...head, devAddr, relay, regionConfigId },
    { kind: "ack", ...head, queueItemId: "q", acknowledged: true, fCntDown: 1 },
    {
      kind: "txack",
      ...head,
      downlinkId: 1,
      queueItemId: "q",
      fCntDown: 1,
      gatewayId: "0016c001f153a14c",
      frequencyHz: 869_525_000,
      powerDbm: 14,
      modulation,
    },
    { kind: "log", ...head, level: "INFO", code: "OTAA", description: "x", context: new Map(), fCnt: 1 },
    { kind: "location", ...head, location, source: "GPS", accuracyM: 1 },
    { kind: "integration", ...head, integrationName: "i", eventType: "e" },
    {
      kind: "status",
      ...head,
      marginDb: 1,
      externalPower: false,
      batteryUnavailable: false,
      batteryPercent: 50,
    },
    { kind: "gateway/mesh", ...gateway, relayId: "01", path: [{ relayId: "02", rssiDbm: -1, snrDb: 1 }] },
  ];
}

/** As it is written to a table that has no column left for what gateways name. */
function inFullTable(row: Point): Point {
  const names = Array.from({ length: 200 }, (_, index) => `full_${index}`);
  return fit(row, { columnsOf: () => new Map(names.map((name) => [name, "float"])) }).point;
}

function registryRows(): Point[] {
  const { device } = climate();
  const record: DeviceRecord = {
    ...device,
    firstSeenMs: 1,
    lastSeenMs: 2,
    lastEvent: "up",
    lastUplinkMs: 2,
    session: { devAddr: "01a44c4c", sinceMs: 1, lastFCnt: 1, lastUplinkMs: 2 },
    intervalMs: 600_000,
    intervalSamplesMs: [],
    gateways: new Map([["0016c001f153a14c", 2]]),
    power: { atMs: 1, batteryPercent: 50, externalPower: false, batteryUnavailable: false, marginDb: 1 },
    rowDay: undefined,
    changeRowMs: undefined,
    isRowOwed: false,
  };
  const sum: StatsSum = {
    gatewayId: "0016c001f153a14c",
    source: "main",
    bucketMs: 0,
    delay: 0,
    closesMs: 1,
    count: 1,
    timesNs: [],
    rxReceived: 1,
    rxReceivedOk: 1,
    txReceived: 1,
    txEmitted: 1,
    txByStatus: new Map([
      ["TOO_LATE", 1],
      ["OTHER", 1],
    ]),
    dutyCycle: new Map([["g", 0.5]]),
    metadata: new Map([["model", "x"]]),
    location,
  };
  const figures = {
    version: "1",
    uptimeS: 1,
    backlog: 1,
    oldestUnsentS: 1,
    evicted: 1,
    quarantined: 1,
    received: 1,
    committed: 1,
    written: 1,
    ownWritten: 1,
    projected: 1,
    duplicates: 1,
    retainedUntimed: 1,
    statsLeftOut: 1,
    retries: 1,
    held: 1,
    waitingForClock: 1,
    qos0Received: 1,
    clockTrusted: true,
    diskFreeBytes: 1,
    journalBytes: 1,
    memoryRssBytes: 1,
    influxdb: "up",
    brokersConnected: 1,
    brokers: 1,
  };
  return [
    deviceRow(record, 1n, settings),
    gatewayStatsRow(sum, settings),
    inFullTable(gatewayStatsRow(sum, settings)),
    gatewayConnRow("0016c001f153a14c", true, 1n, settings),
    nodeRow(figures, "gw-1", 1n, settings),
  ];
}

/** Named after what a codec or a gateway says. */
const isOfTheirs = (name: string): boolean =>
  /^(?:leaf_\d+|x|tx_too_late|duty_cycle_g|meta_model)$/.test(name);

test("the lists of our columns are those that our rows have, table by table", () => {
  const made = new Map<string, Set<string>>();
  const rows = fullEvents().flatMap((event) => points(event, time, settings).points);
  for (const point of [...rows, ...registryRows()]) {
    const table = point.table.startsWith("telemetry_") ? "telemetry" : point.table;
    const names = made.get(table) ?? new Set();
    made.set(table, names);
    for (const { name } of point.fields) if (!isOfTheirs(name)) names.add(name);
  }
  assert.deepEqual([...made.keys()].toSorted(), Object.keys(ownColumns).toSorted());
  for (const [table, names] of made) {
    assert.deepEqual([...names].toSorted(), [...(ownColumns[table] ?? [])].toSorted(), table);
  }
});

test("every tag that a row of ours has is one that no configured tag may be called", () => {
  const rows = [...fullEvents().flatMap((event) => points(event, time, settings).points), ...registryRows()];
  const tags = new Set(rows.flatMap((row) => row.tags.map(({ name }) => name)));
  assert.deepEqual([...tags].toSorted(), [
    "application_id",
    "dev_eui",
    "event",
    "gateway_id",
    "node",
    "relay_id",
  ]);
  for (const name of tags) {
    assert.ok(takenForStaticTags.has(name), name);
    assert.ok(takenForDeviceTags.has(name), name);
  }
});

test("a tag that is called like a column of ours would rename it: that is why each is refused", () => {
  const [lora] = fullUplinks();
  assert.ok(lora !== undefined);
  for (const name of (ownColumns["uplink"] ?? []).filter((column) => column !== "bitrate")) {
    assert.ok(takenForStaticTags.has(name) && takenForDeviceTags.has(name));
    const [row] = points(lora, time, { ...settings, tags: [{ name, value: "1" }] }).points;
    assert.ok(
      row?.fields.some((field) => field.name === `${name}_`),
      name,
    );
  }
});

describe("what a tag may be called", () => {
  const accepts = (schema: z.ZodType, value: unknown): boolean => schema.safeParse(value).success;
  const isStatic = (name: string): boolean => accepts(tagsSchema, { [name]: "x" });
  const isDevice = (name: string): boolean => {
    const isRight = accepts(telemetrySchema, { device_tags: [name] });
    assert.equal(accepts(telemetrySchema, { device_tags: [{ key: "as it is", as: name }] }), isRight);
    return isRight;
  };

  test("words that people use are free", () => {
    for (const name of [
      ..."site region room floor building customer type zone group".split(" "),
      ..."level code power description accuracy path hops first_seen".split(" "),
    ]) {
      assert.ok(isStatic(name) && isDevice(name), name);
    }
  });

  test("a device tag may have the names of columns that only gateways and nodes have", () => {
    for (const name of ["version", "relay_path", "online", "received", "stats_count"]) {
      assert.ok(isDevice(name), name);
      assert.ok(!isStatic(name), name);
    }
  });

  test("`event`, `node` and a device's own columns are ours for both", () => {
    for (const name of ["event", "node", "gateway_id", "battery_level", "log_code", "from_history"]) {
      assert.ok(!isStatic(name) && !isDevice(name), name);
    }
  });
});

test("a payload's `event`, `node` and `relay_id` keep their names", () => {
  const object = { event: 1, node: "n", relay_id: 3, gateway_id: 4 };
  const row = points({ ...climate(), object }, time, settings).points.at(-1);
  assert.deepEqual(
    row?.fields.slice(3).map(({ name }) => name),
    ["event", "gateway_id_", "node", "relay_id"],
  );
  assert.deepEqual([...tagLayout(settings).reserved].toSorted(), [
    "application_id",
    "dev_eui",
    "gateway_id",
    "time",
  ]);
});

test("a configured tag never meets a tag of some table", () => {
  const tags = [{ name: "event", value: "harvest" }];
  const rows = fullEvents().flatMap((event) => points(event, time, { ...settings, tags }).points);
  for (const { table, tags: rowTags } of rows) {
    const names = rowTags.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, table);
    assert.ok(names.includes("event_"), table);
  }
});

test("one layout for one settings object", () => {
  assert.equal(tagLayout(settings), tagLayout(settings));
  const other = { ...settings, tags: [{ name: "site", value: "s" }] };
  assert.notDeepEqual(tagLayout(other), tagLayout(settings));
});

test("the tables of the configuration become settings, static tags in their order", () => {
  const tags = tagsSchema.parse({ site: "s", region: "r" });
  const telemetry = telemetrySchema.parse({ device_tags: ["floor", { key: "asset id", as: "asset" }] });
  assert.deepEqual(compileTelemetry(tags, telemetry, []), {
    tags: [
      { name: "site", value: "s" },
      { name: "region", value: "r" },
    ],
    deviceTags: [
      { key: "floor", name: "floor" },
      { key: "asset id", name: "asset" },
    ],
    profiles: [],
  });
});
