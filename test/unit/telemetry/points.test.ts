import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { DeviceEvent, Uplink } from "../../../src/chirpstack/event.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import { points as mapped } from "../../../src/telemetry/points.ts";
import type { DeviceTag, TelemetrySettings } from "../../../src/telemetry/settings.ts";
import { slug, telemetryTable } from "../../../src/telemetry/table.ts";
import { climateUplink, toJsonBytes, upTopic } from "../chirpstack/samples.ts";

const noTags = { tags: [], deviceTags: [] };
const time = { timeNs: 1_749_818_692_653_481_123n, timeSource: "event" };

function points(
  event: DeviceEvent,
  rowTime: typeof time,
  settings: Omit<TelemetrySettings, "profiles">,
): readonly Point[] {
  return mapped(event, rowTime, { ...settings, profiles: [] }).points;
}

/** By the names that they have in ChirpStack. */
const deviceTagsOf = (...names: string[]): DeviceTag[] => names.map((name) => ({ key: name, name }));

function uplinkOf(changes: Record<string, unknown> = {}): Uplink {
  const result = decode(upTopic, toJsonBytes({ ...climateUplink(), ...changes }));
  assert.ok(result.ok && result.value.kind === "up");
  return result.value;
}

function fieldsOf(point: Point | undefined): Record<string, unknown> {
  assert.ok(point !== undefined);
  return Object.fromEntries(point.fields.map((field) => [field.name, field.value]));
}

function typeOf(point: Point | undefined, name: string): string | undefined {
  return point?.fields.find((field) => field.name === name)?.type;
}

const inTable = (rows: readonly Point[], table: string): Point[] => rows.filter((row) => row.table === table);

describe("uplink", () => {
  test("one row with everything that the event says", () => {
    const rows = points(uplinkOf(), time, noTags);
    const [row] = inTable(rows, "uplink");
    assert.deepEqual(fieldsOf(row), {
      deduplication_id: "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
      f_cnt: 153,
      f_port: 84,
      dr: 5,
      gateway_count: 3,
      rssi: -68,
      snr: 13.2,
      margin: 20.7,
      frequency: 867_300_000,
      spreading_factor: 7,
      bandwidth: 125_000,
      code_rate: "4/5",
      airtime_ms: 56.576,
      payload_bytes: 9,
      adr: true,
      confirmed: false,
      dev_addr: "01a44c4c",
      region_config_id: "eu868",
      best_gateway_id: "e4e124dadef64eee",
      ns_delay_ms: 17.028207,
      device_name: "barn 7 north",
      application_name: "barns",
      profile_name: "EM300-TH",
      tenant_name: "Hof Sonnental",
      time_source: "event",
    });
    const integers = [
      "f_cnt",
      "f_port",
      "dr",
      "gateway_count",
      "rssi",
      "frequency",
      "spreading_factor",
      "payload_bytes",
    ];
    for (const name of integers) assert.equal(typeOf(row, name), "integer", name);
    for (const name of ["snr", "margin", "airtime_ms", "ns_delay_ms"])
      assert.equal(typeOf(row, name), "float", name);
    assert.equal(row?.timeNs, time.timeNs);
    assert.equal(rows.length, 5);
  });

  test("what is not known is absent, not 0", () => {
    const bare = points(
      uplinkOf({ rxInfo: [], txInfo: undefined, deduplicationId: "", fCnt: "many", object: undefined }),
      time,
      noTags,
    );
    assert.equal(bare.length, 1);
    const fields = fieldsOf(bare[0]);
    for (const name of [
      "deduplication_id",
      "f_cnt",
      "rssi",
      "snr",
      "margin",
      "frequency",
      "airtime_ms",
      "best_gateway_id",
      "gateway_count",
    ]) {
      assert.equal(Object.hasOwn(fields, name), false, name);
    }
  });

  test("gateways without an id are none to count", () => {
    const fields = fieldsOf(points(uplinkOf({ rxInfo: [{ rssi: -70 }] }), time, noTags)[0]);
    assert.deepEqual([fields["rssi"], Object.hasOwn(fields, "gateway_count")], [-70, false]);
  });

  test("an empty frame has 0 bytes and a time on air; one of unknown data has neither", () => {
    const empty = fieldsOf(points(uplinkOf({ data: "", fPort: 0, adr: false }), time, noTags)[0]);
    assert.deepEqual([empty["payload_bytes"], empty["airtime_ms"]], [0, 41.216]);
    assert.deepEqual([empty["f_port"], empty["adr"]], [0, false]);
    const wrong = uplinkOf({ data: "*", fPort: "*", adr: "*", dr: "*", confirmed: "*" });
    const fields = fieldsOf(points(wrong, time, noTags)[0]);
    for (const name of ["payload_bytes", "airtime_ms", "f_port", "adr", "dr", "confirmed"]) {
      assert.equal(Object.hasOwn(fields, name), false, name);
    }
  });

  test("what the dialect does not say gives no column", () => {
    const uplink = uplinkOf();
    const receptions = uplink.receptions.map((reception) => ({
      ...reception,
      channel: undefined,
      crcOk: undefined,
    }));
    const silent = { ...uplink, confirmed: undefined, dr: undefined, receptions };
    const [row, ...others] = points(silent, time, noTags);
    for (const name of ["confirmed", "dr"]) assert.equal(Object.hasOwn(fieldsOf(row), name), false, name);
    for (const reception of inTable(others, "uplink_rx")) {
      for (const name of ["channel", "crc_ok"]) {
        assert.equal(Object.hasOwn(fieldsOf(reception), name), false, name);
      }
    }
  });

  test("how a relay heard the device, where one passed the frame on", () => {
    const relay = { devEui: "0102030405060708", rssiDbm: -90, snrDb: 7 };
    const [row] = points({ ...uplinkOf(), relay }, time, noTags);
    const { relay_dev_eui: devEui, relay_rssi: rssi, relay_snr: snr } = fieldsOf(row);
    assert.deepEqual([devEui, rssi, snr], ["0102030405060708", -90, 7]);
    assert.deepEqual([typeOf(row, "relay_rssi"), typeOf(row, "relay_snr")], ["integer", "float"]);
    assert.equal(Object.hasOwn(fieldsOf(points(uplinkOf(), time, noTags)[0]), "relay_dev_eui"), false);
  });

  test("FSK has a bit rate and no LoRa figures", () => {
    const txInfo = { frequency: 868_800_000, modulation: { fsk: { datarate: 50_000 } } };
    const fields = fieldsOf(points(uplinkOf({ txInfo }), time, noTags)[0]);
    assert.equal(fields["bitrate"], 50_000);
    for (const name of ["spreading_factor", "bandwidth", "code_rate", "margin", "airtime_ms"]) {
      assert.equal(Object.hasOwn(fields, name), false, name);
    }
  });
});

describe("uplink_rx", () => {
  test("one row per gateway, its best antenna by snr and then rssi", () => {
    const rxInfo = [
      { rssi: -10, snr: -20 },
      { gatewayId: "AA", antenna: 0, rssi: -80, snr: 3 },
      { gatewayId: "bb", rssi: -60, snr: "?", crcStatus: "BAD_CRC" },
      { gatewayId: "aa", antenna: 1, rssi: -70, snr: 3, channel: 2, crcStatus: "CRC_OK" },
      { gatewayId: "aa", antenna: 2, rssi: -60, snr: 2.9 },
    ];
    const rows = points(uplinkOf({ rxInfo }), time, noTags);
    const receptions = inTable(rows, "uplink_rx");
    assert.deepEqual(
      receptions.map((row) => row.tags.at(-1)),
      [
        { name: "gateway_id", value: "aa" },
        { name: "gateway_id", value: "bb" },
      ],
    );
    assert.deepEqual(fieldsOf(receptions[0]), {
      rssi: -70,
      snr: 3,
      margin: 10.5,
      channel: 2,
      f_cnt: 153,
      spreading_factor: 7,
      frequency: 867_300_000,
    });
    assert.equal(fieldsOf(receptions[1])["crc_ok"], false);
    assert.equal(fieldsOf(receptions[1])["snr"], undefined);
    const total = fieldsOf(rows[0]);
    assert.deepEqual(
      [total["gateway_count"], total["rssi"], total["snr"], total["best_gateway_id"]],
      [2, -10, 3, "aa"],
    );
  });

  test("a gateway's place is written when it has one", () => {
    const [first, second] = inTable(points(uplinkOf(), time, noTags), "uplink_rx").map(fieldsOf);
    assert.deepEqual([first?.["latitude"], first?.["longitude"], first?.["altitude"]], [47.1, 8.5, 512]);
    assert.equal(second?.["latitude"], undefined);
  });
});

describe("telemetry", () => {
  test("the object's leaves beside name and counters", () => {
    const row = points(uplinkOf(), time, noTags).at(-1);
    assert.equal(row?.table, "telemetry_em300_th");
    assert.deepEqual(fieldsOf(row), {
      device_name: "barn 7 north",
      f_cnt: 153,
      f_port: 84,
      temperature: 21.4,
      humidity: 56,
      battery: 92,
      state: "ok",
    });
    assert.equal(typeOf(row, "humidity"), "float");
  });

  test("no row without a usable leaf", () => {
    for (const object of [undefined, {}, { a: null }, { a: [{}, []] }]) {
      assert.equal(
        points(uplinkOf({ object }), time, noTags).some((row) => row.table.startsWith("telemetry")),
        false,
      );
    }
  });

  test("a payload's names give way to the tags' and to ours", () => {
    const object = {
      f_cnt: 1,
      site: 2,
      floor: 3,
      time: 4,
      time_: 5,
      gateway_id: 6,
      device_name: 7,
      fields_left_out: 8,
    };
    const settings = { tags: [{ name: "site", value: "x" }], deviceTags: deviceTagsOf("floor") };
    const row = points(uplinkOf({ object }), time, settings).at(-1);
    assert.deepEqual(
      row?.fields.map((field) => field.name),
      [
        "device_name",
        "f_cnt",
        "f_port",
        "device_name_",
        "f_cnt_",
        "fields_left_out_",
        "floor_",
        "gateway_id_",
        "site_",
        "time__",
        "time_",
      ],
    );
  });

  test("what found no room is handed on by name, with the profile and the table", () => {
    const object = Object.fromEntries(Array.from({ length: 197 }, (_, index) => [`k${index + 100}`, index]));
    const { leftOut } = mapped(uplinkOf({ object }), time, { ...noTags, profiles: [] });
    assert.deepEqual(leftOut, {
      profileName: "EM300-TH",
      table: "telemetry_em300_th",
      // 200, less the nine that are reserved.
      names: ["k291", "k292", "k293", "k294", "k295", "k296"],
      count: 6,
    });
    assert.equal(mapped(uplinkOf(), time, { ...noTags, profiles: [] }).leftOut, undefined);
  });

  test("of much that found no room the first twenty are named, and all counted", () => {
    const object = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index + 100}`, index]));
    const { leftOut } = mapped(uplinkOf({ object }), time, { ...noTags, profiles: [] });
    assert.deepEqual(
      leftOut?.names,
      Array.from({ length: 20 }, (_, index) => `k${291 + index}`),
    );
    assert.equal(leftOut.count, 300 - 191);
  });

  test("at most 200 columns; what is left out is counted", () => {
    const object = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, index]));
    const settings = { tags: [{ name: "site", value: "x" }], deviceTags: deviceTagsOf("building", "floor") };
    const row = points(uplinkOf({ object }), time, settings).at(-1);
    assert.ok(row !== undefined);
    const left = fieldsOf(row)["fields_left_out"];
    assert.equal(typeof left, "number");
    const leaves = row.fields.filter((field) => field.name.startsWith("k")).length;
    assert.equal(leaves + Number(left), 300);
    // dev_eui, application_id, gateway_id (reserved), site, building, floor; time; five of ours.
    assert.equal(leaves, 200 - 12);
  });
});

describe("tags", () => {
  test("their order is fixed; empty and missing device tags are left out", () => {
    const settings = {
      tags: [
        { name: "site", value: "s" },
        { name: "region", value: "r" },
      ],
      deviceTags: deviceTagsOf("floor", "building", "room"),
    };
    const rows = points(uplinkOf(), time, settings);
    assert.deepEqual(
      rows[1]?.tags.map((tag) => tag.name),
      ["dev_eui", "application_id", "site", "region", "building", "gateway_id"],
    );
    assert.equal(fieldsOf(rows[0])["region_config_id"], "eu868", "a tag `region` meets no column of ours");
  });

  test("a device tag may be called otherwise than in ChirpStack", () => {
    const uplink = uplinkOf();
    const device = { ...uplink.device, tags: new Map([["Site ID", "7"]]) };
    const settings = { tags: [], deviceTags: [{ key: "Site ID", name: "site" }] };
    assert.deepEqual(points({ ...uplink, device }, time, settings)[0]?.tags.at(-1), {
      name: "site",
      value: "7",
    });
  });

  test("names that are ours, or given twice, get an underscore", () => {
    const settings = {
      tags: [
        { name: "time", value: "a" },
        { name: "dev_eui", value: "b" },
        { name: "x", value: "c" },
      ],
      deviceTags: deviceTagsOf("x"),
    };
    const uplink = uplinkOf();
    const device = { ...uplink.device, tags: new Map([["x", "d"]]) };
    const tags = points({ ...uplink, device }, time, settings)[0]?.tags.map(
      (tag) => `${tag.name}=${tag.value}`,
    );
    assert.deepEqual(tags?.slice(2), ["time_=a", "dev_eui_=b", "x=c", "x_=d"]);
  });
});

test("profile names become table names", () => {
  assert.equal(telemetryTable("EM300-TH (Ställe)", ""), "telemetry_em300_th_stalle");
  assert.equal(slug("  __ "), "unknown");
  assert.equal(slug(""), "unknown");
  assert.equal(slug("温度"), "unknown");
  assert.equal(slug("ﬁne №5"), "fine_no5");
  assert.equal(slug("a".repeat(100)).length, 64);
  assert.equal(slug(`${"a".repeat(63)}-b`), "a".repeat(63));
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) =>
      assert.match(slug(text), /^[a-z0-9](?:[a-z0-9_]{0,62}[a-z0-9])?$/),
    ),
    { seed: 3 },
  );
});

test("a profile whose name has no Latin letters has a table by its id, and shares it with no other", () => {
  const id = "D1B6F7A4-5f2e-4c58-9d0a-0242ac120003";
  for (const name of ["Датчик", "Датчик 1", "温度", "", "  ", "…"]) {
    assert.equal(telemetryTable(name, id), "telemetry_d1b6f7a4", JSON.stringify(name));
  }
  assert.notEqual(
    telemetryTable("Датчик", id),
    telemetryTable("Датчик", "0f6a2c11-0000-4c58-9d0a-0242ac120003"),
  );
  for (const [name, table] of [
    ["EM300-TH", "telemetry_em300_th"],
    ["Датчик T1", "telemetry_t1"],
    ["Unknown", "telemetry_unknown"],
    ["868", "telemetry_868"],
  ] as const) {
    assert.equal(telemetryTable(name, id), table, name);
  }
  for (const noUuid of ["", "7", "profile-1", "温度", "d1b6f7a"]) {
    assert.equal(telemetryTable("Датчик 1", noUuid), "telemetry_1", noUuid);
    assert.equal(telemetryTable("温度", noUuid), "telemetry_unknown", noUuid);
  }
});
