import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type {
  Ack,
  DeviceEvent,
  DeviceInfo,
  DeviceLocation,
  IntegrationMessage,
  Join,
  LogMessage,
  MeshHeartbeat,
  Status,
  TxAck,
} from "../../../src/chirpstack/event.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";
import type { Field, Point } from "../../../src/telemetry/point.ts";
import { points } from "../../../src/telemetry/points.ts";
import { parseLineProtocol } from "../../support/line-protocol-parser.ts";

const settings = {
  tags: [{ name: "site", value: "s1" }],
  deviceTags: [{ key: "building", name: "building" }],
  profiles: [],
};
const time = { timeNs: 1_749_818_692_653_481_123n, timeSource: "event" };

const device: DeviceInfo = {
  tenantId: "t-1",
  tenantName: "Hof Sonnental",
  applicationId: "a-1",
  applicationName: "barns",
  profileId: "p-1",
  profileName: "EM300-TH",
  deviceName: "barn 7 north",
  devEui: "24e124538b223213",
  tags: new Map([["building", "barn-7"]]),
};
const head = { device, deduplicationId: "d-1", timeNs: time.timeNs, isIdentified: true, dropped: [] };
const relay = { devEui: "0102030405060708", rssiDbm: -90, snrDb: 7 };

const join: Join = { kind: "join", ...head, devAddr: "01a44c4c", relay: undefined, regionConfigId: "eu868" };
const ack: Ack = { kind: "ack", ...head, queueItemId: "q-1", acknowledged: true, fCntDown: 12 };
const txack: TxAck = {
  kind: "txack",
  ...head,
  deduplicationId: "",
  downlinkId: 77,
  queueItemId: "q-1",
  fCntDown: 12,
  gatewayId: "0016c001f153a14c",
  frequencyHz: 869_525_000,
  powerDbm: 27,
  modulation: { kind: "lora", bandwidthHz: 125_000, spreadingFactor: 9, codeRate: "4/5" },
};
const log: LogMessage = {
  kind: "log",
  ...head,
  deduplicationId: "",
  level: "ERROR",
  code: "UPLINK_CODEC",
  description: "JS error: decodeUplink is not defined\n  at line 42",
  context: new Map([["deduplication_id", "d-2"]]),
  fCnt: 153,
};
const location: DeviceLocation = {
  kind: "location",
  ...head,
  location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
  source: "GEO_RESOLVER_TDOA",
  accuracyM: 20,
};
const integration: IntegrationMessage = {
  kind: "integration",
  ...head,
  integrationName: "loracloud",
  eventType: "modem",
};
const status: Status = {
  kind: "status",
  ...head,
  marginDb: 10,
  externalPower: false,
  batteryUnavailable: false,
  batteryPercent: 88.3,
};
const heartbeat: MeshHeartbeat = {
  kind: "gateway/mesh",
  gatewayId: "0016c001f153a14c",
  timeNs: time.timeNs,
  isIdentified: true,
  dropped: [],
  relayId: "0102aabb",
  path: [
    { relayId: "0102ccdd", rssiDbm: -80, snrDb: 9 },
    { relayId: "0102eeff", rssiDbm: -112, snrDb: -4 },
  ],
};

/** The one row that the event gives. */
function rowOf(event: DeviceEvent | MeshHeartbeat): Point {
  const rows = points(event, time, settings);
  const [row] = rows.points;
  assert.ok(row !== undefined && rows.points.length === 1);
  assert.equal(rows.leftOut, undefined);
  assert.equal(row.timeNs, time.timeNs);
  return row;
}

/** The cells of it: text as it is, integers with an i, floats as numbers. */
function cells(event: DeviceEvent | MeshHeartbeat): Record<string, unknown> {
  const cell = (field: Field): unknown => (field.type === "integer" ? `${field.value}i` : field.value);
  return Object.fromEntries(rowOf(event).fields.map((field) => [field.name, cell(field)]));
}

const tagsOf = (row: Point): string[] => row.tags.map(({ name, value }) => `${name}=${value}`);

const names = {
  device_name: "barn 7 north",
  application_name: "barns",
  profile_name: "EM300-TH",
  tenant_name: "Hof Sonnental",
};
const common = { deduplication_id: "d-1", ...names, time_source: "event" };

describe("device_event", () => {
  test("every kind is a row of the table, told apart by its last tag", () => {
    for (const event of [join, ack, txack, log, location, integration]) {
      const row = rowOf(event);
      assert.equal(row.table, "device_event");
      assert.deepEqual(tagsOf(row), [
        "dev_eui=24e124538b223213",
        "application_id=a-1",
        "site=s1",
        "building=barn-7",
        `event=${event.kind}`,
      ]);
    }
  });

  test("a join: the address, and the relay where one passed it on", () => {
    const direct = { dev_addr: "01a44c4c", region_config_id: "eu868", ...common };
    assert.deepEqual(cells(join), direct);
    assert.deepEqual(cells({ ...join, relay }), {
      ...direct,
      relay_dev_eui: "0102030405060708",
      relay_rssi: "-90i",
      relay_snr: 7,
    });
  });

  test("an acknowledgement, also one that did not come", () => {
    const came = { acknowledged: true, f_cnt_down: "12i", queue_item_id: "q-1", ...common };
    assert.deepEqual(cells(ack), came);
    assert.equal(cells({ ...ack, acknowledged: false })["acknowledged"], false);
  });

  test("a transmission: by which gateway and how", () => {
    const sent = {
      f_cnt_down: "12i",
      queue_item_id: "q-1",
      downlink_id: "77i",
      tx_gateway_id: "0016c001f153a14c",
      frequency: "869525000i",
      tx_power: "27i",
      spreading_factor: "9i",
      ...names,
      time_source: "event",
    };
    assert.deepEqual(cells(txack), sent);
    const fsk = cells({ ...txack, modulation: { kind: "fsk", bitrateBps: 50_000 } });
    assert.equal(Object.hasOwn(fsk, "spreading_factor"), false);
  });

  test("a log names the uplink that it is about", () => {
    assert.deepEqual(cells(log), {
      log_level: "ERROR",
      log_code: "UPLINK_CODEC",
      log_text: "JS error: decodeUplink is not defined\n  at line 42",
      f_cnt: "153i",
      ...common,
      deduplication_id: "d-2",
    });
    assert.equal(cells({ ...log, deduplicationId: "d-9" })["deduplication_id"], "d-9");
    assert.equal(Object.hasOwn(cells({ ...log, context: new Map() }), "deduplication_id"), false);
  });

  test("a position, or that there is none", () => {
    assert.deepEqual(cells(location), {
      latitude: 47.1,
      longitude: 8.5,
      altitude: 512,
      location_accuracy: 20,
      location_source: "GEO_RESOLVER_TDOA",
      ...common,
    });
    assert.deepEqual(cells({ ...location, location: undefined, source: "", accuracyM: undefined }), common);
  });

  test("an integration's answer by name, without its object", () => {
    assert.deepEqual(cells(integration), { integration_name: "loracloud", event_type: "modem", ...common });
  });

  test("what is not known is absent, not its zero", () => {
    assert.deepEqual(cells({ ...ack, acknowledged: undefined, fCntDown: undefined }), {
      queue_item_id: "q-1",
      ...common,
    });
    assert.equal(Object.hasOwn(cells({ ...txack, fCntDown: undefined }), "f_cnt_down"), false);
    const flat = cells({ ...location, location: { latitude: 47.1, longitude: 8.5, altitude: undefined } });
    assert.deepEqual([flat["latitude"], Object.hasOwn(flat, "altitude")], [47.1, false]);
    const silent = cells({
      ...txack,
      fCntDown: 0,
      frequencyHz: 0,
      powerDbm: undefined,
      downlinkId: undefined,
    });
    assert.equal(silent["f_cnt_down"], "0i", "0 is a counter's first value");
    for (const name of ["frequency", "tx_power", "downlink_id"]) {
      assert.equal(Object.hasOwn(silent, name), false, name);
    }
  });
});

describe("device_status", () => {
  test("battery and margin, with the tags of the device alone", () => {
    const row = rowOf(status);
    assert.equal(row.table, "device_status");
    assert.deepEqual(tagsOf(row), [
      "dev_eui=24e124538b223213",
      "application_id=a-1",
      "site=s1",
      "building=barn-7",
    ]);
    assert.deepEqual(cells(status), {
      downlink_snr: "10i",
      battery_level: 88.3,
      external_power: false,
      battery_level_unavailable: false,
      ...common,
    });
  });

  test("an unknown battery is no empty one", () => {
    for (const flags of [
      { externalPower: true, batteryUnavailable: false },
      { externalPower: false, batteryUnavailable: true },
    ]) {
      const flagged = cells({ ...status, ...flags, batteryPercent: undefined });
      assert.equal(Object.hasOwn(flagged, "battery_level"), false);
      assert.equal(flagged["external_power"], flags.externalPower);
      assert.equal(flagged["battery_level_unavailable"], flags.batteryUnavailable);
    }
    assert.equal(cells({ ...status, batteryPercent: 0 })["battery_level"], 0, "an empty one is");
  });

  test("flags that are not known are absent", () => {
    const unknown = { externalPower: undefined, batteryUnavailable: undefined };
    const cellsOf = cells({ ...status, ...unknown, marginDb: undefined, batteryPercent: undefined });
    assert.deepEqual(cellsOf, common);
  });
});

describe("gateway_event", () => {
  test("a heartbeat: how far the relay is, by whom, and the worst link of the way", () => {
    const row = rowOf(heartbeat);
    assert.equal(row.table, "gateway_event");
    assert.deepEqual(tagsOf(row), [
      "gateway_id=0016c001f153a14c",
      "site=s1",
      "event=mesh",
      "relay_id=0102aabb",
    ]);
    assert.deepEqual(cells(heartbeat), {
      mesh_hops: "3i",
      relay_path: "0102ccdd>0102eeff",
      rssi: "-112i",
      snr: -4,
      time_source: "event",
    });
    const [first, second] = heartbeat.path;
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(cells({ ...heartbeat, path: [second, first] })["snr"], -4);
    const even = cells({ ...heartbeat, path: [first, { ...second, snrDb: 9 }] });
    assert.deepEqual([even["snr"], even["rssi"]], [9, "-112i"], "of equal snr the lower rssi");
  });

  test("a relay that the border gateway hears itself is one hop away", () => {
    assert.deepEqual(cells({ ...heartbeat, path: [] }), { mesh_hops: "1i", time_source: "event" });
  });

  test("a path with a hop missing says neither its length nor its way", () => {
    const dropped = ["events[0].heartbeat.relayPath[1].rssi"];
    const known = heartbeat.path.slice(0, 1);
    assert.deepEqual(cells({ ...heartbeat, path: known, dropped }), {
      rssi: "-80i",
      snr: 9,
      time_source: "event",
    });
  });

  test("two relays of one gateway in the same second are two points", () => {
    const keys = [heartbeat, { ...heartbeat, relayId: "0102ffff" }].map((event) => {
      const [line] = parseLineProtocol(encodeLine(rowOf(event)) ?? "");
      assert.ok(line !== undefined);
      return JSON.stringify([line.table, line.tags, String(line.timeNs)]);
    });
    assert.equal(new Set(keys).size, 2);
  });
});
