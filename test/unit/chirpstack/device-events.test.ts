/** v4's device events other than `up`: each cell, in both encodings, and what is missing or does not fit. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { DeviceEvent, JsonObject } from "../../../src/chirpstack/event.ts";
import {
  LocationEventSchema,
  LogEventSchema,
  StatusEventSchema,
  TxAckEventSchema,
} from "../../../src/proto/integration/integration_pb.js";
import {
  ackEvent,
  gatewayId,
  integrationEvent,
  joinEvent,
  locationEvent,
  logEvent,
  samples,
  statusEvent,
  toJsonBytes,
  toProtobufBytes,
  txAckEvent,
} from "./samples.ts";

const device = {
  tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
  tenantName: "Hof Sonnental",
  applicationId: "0e6f1d3c-3d2b-4b0e-9c70-0242ac120002",
  applicationName: "barns",
  profileId: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
  profileName: "EM300-TH",
  deviceName: "barn 7 north",
  devEui: "24e124538b223213",
  tags: new Map([
    ["building", "barn-7"],
    ["floor", ""],
  ]),
};
const timeNs = 1_749_818_697_120_004_517n;
const deduplicationId = "c2a8d7a4-0c1e-4d0f-9a53-6f7f3f4a9b11";
const identified = { timeNs, isIdentified: true, device, dropped: [] };
const head = { ...identified, deduplicationId };

function decodeBytes<Kind extends DeviceEvent["kind"]>(
  kind: Kind,
  payload: Uint8Array,
): Extract<DeviceEvent, { kind: Kind }> {
  const result = decode(`a/${kind}`, payload);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  assert.equal(result.value.kind, kind);
  return result.value as Extract<DeviceEvent, { kind: Kind }>;
}

function decodeJson<Kind extends DeviceEvent["kind"]>(
  kind: Kind,
  json: JsonObject,
): Extract<DeviceEvent, { kind: Kind }> {
  return decodeBytes(kind, toJsonBytes(json));
}

const deviceInfo = { devEui: "24e124538b223213" };

describe("every event", () => {
  test("is the same from JSON and from protobuf, and complete", () => {
    for (const { topic, schema, json } of samples()) {
      const fromText = decode(topic, toJsonBytes(json));
      assert.ok(fromText.ok && fromText.value.kind !== "unmapped", topic);
      assert.deepEqual(fromText.value.dropped, [], topic);
      assert.deepEqual(decode(topic, toProtobufBytes(json, schema)), fromText, topic);
    }
  });

  test("of a device has to say of which", () => {
    for (const { topic, schema, json } of samples()) {
      if (!topic.includes("/device/")) continue;
      for (const info of [undefined, { devEui: "" }, { devEui: "24e124538b22321" }]) {
        const { deviceInfo: _left, ...rest } = json;
        const anonymous: JsonObject = info === undefined ? rest : { ...rest, deviceInfo: info };
        for (const payload of [toJsonBytes(anonymous), toProtobufBytes(anonymous, schema)]) {
          const result = decode(topic, payload);
          assert.equal(result.ok ? "" : result.fault.code, "decode_no_device", topic);
        }
      }
    }
  });

  test("is identified by its id, or else by its time", () => {
    assert.equal(decodeJson("ack", { deviceInfo, deduplicationId: "d" }).isIdentified, true);
    assert.equal(decodeJson("log", { deviceInfo, time: "2025-06-13T12:44:57Z" }).isIdentified, true);
    assert.equal(decodeJson("log", { deviceInfo }).isIdentified, false);
    const unreadable = decodeJson("log", { deviceInfo, time: "2025-13-01T00:00:00Z" });
    assert.deepEqual([unreadable.isIdentified, unreadable.dropped], [false, ["time"]]);
  });
});

describe("join", () => {
  test("has the address of the session, and the relay that passed it on", () => {
    assert.deepEqual(decodeJson("join", joinEvent()), {
      kind: "join",
      ...head,
      devAddr: "01a44c4c",
      relay: { devEui: "a84041ffff1e5dd2", rssiDbm: -104, snrDb: -7 },
      regionConfigId: "eu868",
    });
  });

  test("a relay without an EUI, or with a figure that does not fit, is none", () => {
    const relays: [JsonObject, string][] = [
      [{ rssi: -90 }, "relayRxInfo.devEui"],
      [{ devEui: "a84041ffff1e5dd2", rssi: -90.5 }, "relayRxInfo.rssi"],
      [{ devEui: "a84041ffff1e5dd2", snr: "good" }, "relayRxInfo.snr"],
    ];
    for (const [relayRxInfo, path] of relays) {
      const join = decodeJson("join", { ...joinEvent(), relayRxInfo });
      assert.deepEqual([join.relay, join.dropped], [undefined, [path]]);
    }
    const { relayRxInfo: _direct, ...direct } = joinEvent();
    assert.equal(decodeJson("join", direct).relay, undefined);
  });
});

describe("ack and txack", () => {
  test("an ack says which downlink, and whether the device acknowledged it", () => {
    const expected = {
      kind: "ack",
      ...head,
      queueItemId: "5b0e6a3e-8d3c-4a54-8a34-2f8d6e2c4f10",
      fCntDown: 42,
    };
    assert.deepEqual(decodeJson("ack", ackEvent()), { ...expected, acknowledged: true });
    const timeout = decodeJson("ack", { ...ackEvent(), acknowledged: false });
    assert.deepEqual(timeout, { ...expected, acknowledged: false });
    const left = decodeJson("ack", { deviceInfo });
    assert.deepEqual([left.acknowledged, left.fCntDown], [false, 0], "left out, as proto3 does with zeros");
    const wrong = decodeJson("ack", { ...ackEvent(), acknowledged: "yes", fCntDown: -1 });
    assert.deepEqual([wrong.acknowledged, wrong.fCntDown], [undefined, undefined]);
    assert.deepEqual([...wrong.dropped].sort(), ["acknowledged", "fCntDown"]);
  });

  test("a txack says which gateway sent it, where, how and how loud", () => {
    assert.deepEqual(decodeJson("txack", txAckEvent()), {
      kind: "txack",
      ...identified,
      deduplicationId: "",
      downlinkId: 3_405_691_582,
      queueItemId: "5b0e6a3e-8d3c-4a54-8a34-2f8d6e2c4f10",
      fCntDown: 42,
      gatewayId,
      frequencyHz: 869_525_000,
      powerDbm: 27,
      modulation: { kind: "lora", bandwidthHz: 125_000, spreadingFactor: 12, codeRate: "4/5" },
    });
  });

  test("a txack without txInfo has no power; one that leaves it out has 0 dBm; one that does not fit, none", () => {
    const { txInfo: _none, ...bare } = txAckEvent();
    assert.deepEqual(decodeJson("txack", bare).powerDbm, undefined);
    assert.deepEqual(decodeJson("txack", bare).frequencyHz, 0);
    assert.equal(decodeJson("txack", { ...bare, txInfo: { frequency: 868_100_000 } }).powerDbm, 0);
    const wrong = { txInfo: { power: "loud" }, downlinkId: -1, fCntDown: 1.5 };
    const loud = decodeJson("txack", { ...bare, ...wrong });
    assert.deepEqual([loud.powerDbm, loud.downlinkId, loud.fCntDown], [undefined, undefined, undefined]);
    assert.deepEqual([...loud.dropped].sort(), ["downlinkId", "fCntDown", "txInfo.power"]);
  });

  test("fields that our schema leaves out are skipped in protobuf", () => {
    const known = toBinary(
      TxAckEventSchema,
      create(TxAckEventSchema, { deviceInfo, txInfo: { frequency: 869_525_000, power: 14 } }),
    );
    // txInfo (7) once more would be merged; a field of a newer ChirpStack (99) is not known at all.
    const newer = new BinaryWriter()
      .tag(99, WireType.LengthDelimited)
      .bytes(Uint8Array.of(1, 2, 3))
      .finish();
    const txAck = decodeBytes("txack", Buffer.concat([known, newer]));
    assert.deepEqual([txAck.powerDbm, txAck.frequencyHz, txAck.dropped], [14, 869_525_000, []]);
  });
});

describe("log", () => {
  test("a codec failure is a log with its uplink's id in the context, and none of its own", () => {
    assert.deepEqual(decodeJson("log", logEvent()), {
      kind: "log",
      ...identified,
      deduplicationId: "",
      level: "ERROR",
      code: "UPLINK_CODEC",
      description:
        "JS error: ReferenceError: decodeUplink is not defined\n    at <eval> (eval_script:42:1)\n",
      context: new Map([["deduplication_id", "3ac7e3c4-4401-4b8d-9386-a5c902f9202d"]]),
      fCnt: undefined,
    });
  });

  test("levels and codes are names; what the schema does not have yet is kept as it came", () => {
    const { level, code } = decodeJson("log", { deviceInfo });
    assert.deepEqual([level, code], ["INFO", "UNKNOWN"]);
    const numbers = decodeJson("log", { deviceInfo, level: 1, code: 77 });
    assert.deepEqual([numbers.level, numbers.code, numbers.dropped], ["WARNING", "77", []]);
    const fromBytes = decodeBytes("log", toProtobufBytes({ deviceInfo, level: 9, code: 7 }, LogEventSchema));
    assert.deepEqual([fromBytes.level, fromBytes.code], ["9", "UPLINK_F_CNT_RETRANSMISSION"]);
    const newer = decodeJson("log", { deviceInfo, level: "FATAL", code: `TOO_${"LONG".repeat(1000)}` });
    assert.deepEqual([newer.level, newer.code.length], ["FATAL", 64]);
    assert.deepEqual([...newer.dropped].sort(), ["code", "level"]);
    const wrong = decodeJson("log", { deviceInfo, level: { is: "ERROR" }, code: ["EXPIRED"] });
    assert.deepEqual([wrong.level, wrong.code], ["", ""], "nobody said INFO");
  });
});

describe("status", () => {
  test("has margin and battery", () => {
    assert.deepEqual(decodeJson("status", statusEvent()), {
      kind: "status",
      ...head,
      marginDb: -6,
      externalPower: false,
      batteryUnavailable: false,
      batteryPercent: 88.188_98,
    });
  });

  test("a battery level of 0 with either flag is no empty battery", () => {
    const flags = (parts: JsonObject): unknown[] => {
      const { externalPower, batteryUnavailable, batteryPercent } = decodeJson("status", {
        deviceInfo,
        batteryLevel: 0,
        ...parts,
      });
      return [externalPower, batteryUnavailable, batteryPercent];
    };
    assert.deepEqual(flags({ externalPowerSource: true }), [true, false, undefined]);
    assert.deepEqual(flags({ batteryLevelUnavailable: true }), [false, true, undefined]);
    assert.deepEqual(flags({}), [false, false, 0]);
  });

  test("what does not fit is unknown, not 0", () => {
    const wrong = decodeJson("status", { deviceInfo, margin: "good", batteryLevel: "full" });
    assert.deepEqual([wrong.marginDb, wrong.batteryPercent], [undefined, undefined]);
    assert.deepEqual([...wrong.dropped].sort(), ["batteryLevel", "margin"]);
    const flags = { externalPowerSource: 0, batteryLevelUnavailable: "no" };
    const unclear = decodeJson("status", { deviceInfo, ...flags });
    assert.deepEqual([unclear.externalPower, unclear.batteryUnavailable], [undefined, undefined]);
    assert.deepEqual([...unclear.dropped].sort(), ["batteryLevelUnavailable", "externalPowerSource"]);
    const event = create(StatusEventSchema, { deviceInfo, margin: 3, batteryLevel: Number.NaN });
    const noNumber = decodeBytes("status", toBinary(StatusEventSchema, event));
    assert.deepEqual([noNumber.marginDb, noNumber.batteryPercent], [3, undefined]);
    assert.deepEqual(noNumber.dropped, ["batteryLevel"]);
  });
});

describe("location", () => {
  test("has place, source and accuracy", () => {
    assert.deepEqual(decodeJson("location", locationEvent()), {
      kind: "location",
      ...head,
      location: { latitude: 46.9481, longitude: 7.4474, altitude: 540.5 },
      source: "GEO_RESOLVER_TDOA",
      accuracyM: 85.5,
    });
  });

  test("UNKNOWN, an accuracy of 0 and no place are absent", () => {
    const cells = (location?: JsonObject): unknown[] => {
      const event = decodeJson(
        "location",
        location === undefined ? { deviceInfo } : { deviceInfo, location },
      );
      return [event.location, event.source, event.accuracyM, event.dropped];
    };
    assert.deepEqual(cells(), [undefined, "", undefined, []]);
    assert.deepEqual(cells({}), [undefined, "", undefined, []]);
    const place = { latitude: 1, longitude: 2, altitude: 0 };
    assert.deepEqual(cells({ latitude: 1, longitude: 2, source: "UNKNOWN" }), [place, "", undefined, []]);
    assert.deepEqual(cells({ latitude: 1, longitude: 2, source: 31 }), [place, "31", undefined, []]);
    assert.deepEqual(cells({ latitude: 1, longitude: 2, accuracy: -1 }), [
      place,
      "",
      undefined,
      ["location.accuracy"],
    ]);
    assert.deepEqual(cells({ latitude: 91 }), [undefined, "", undefined, ["location"]]);
    for (const name of ["latitude", "longitude"]) {
      const half = { latitude: 1, longitude: 2, [name]: "north" };
      assert.deepEqual(cells(half), [undefined, "", undefined, [`location.${name}`]]);
    }
    const flat = { latitude: 1, longitude: 2, altitude: undefined };
    const high = { latitude: 1, longitude: 2, altitude: "high" };
    assert.deepEqual(cells(high), [flat, "", undefined, ["location.altitude"]]);
    const event = create(LocationEventSchema, {
      deviceInfo,
      location: { accuracy: Number.POSITIVE_INFINITY },
    });
    assert.equal(decodeBytes("location", toBinary(LocationEventSchema, event)).accuracyM, undefined);
  });
});

describe("integration", () => {
  test("has the name of the integration and of its event; its object, which no table is for, is left out", () => {
    assert.deepEqual(decodeJson("integration", integrationEvent()), {
      kind: "integration",
      ...head,
      integrationName: "loracloud",
      eventType: "modem_geolocation",
    });
  });
});
