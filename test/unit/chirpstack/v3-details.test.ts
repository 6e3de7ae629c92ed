import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { DeviceEvent, JsonObject } from "../../../src/chirpstack/event.ts";
import { isDeviceEvent } from "../../../src/chirpstack/event.ts";
import { decodeFormerJson, decodeFormerProtobuf } from "../../../src/chirpstack/v3/decode.ts";
import { toJsonBytes } from "./samples.ts";
import { double, hex, protobuf } from "./v3-protobuf.ts";
import * as samples from "./v3-samples.ts";
import { gatewayIds, heardNs, publishedNs } from "./v3-samples.ts";

function fromJson(name: string | undefined, json: JsonObject): DeviceEvent {
  const result = decodeFormerJson(name, json);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  assert.ok(isDeviceEvent(result.value), `unmapped: ${result.value.kind}`);
  return result.value;
}

function uplinkFrom(json: JsonObject): Extract<DeviceEvent, { kind: "up" }> {
  const event = fromJson("up", json);
  assert.ok(event.kind === "up");
  return event;
}

describe("v3 time and identity", () => {
  const reception = { gatewayID: gatewayIds[1], rssi: -97, loRaSNR: -4.5, location: null };
  const { publishedAt: _, ...bare } = samples.uplink().json;

  test("without a gateway's time the event's is when it was published", () => {
    const event = uplinkFrom({ ...samples.uplink().json, rxInfo: [reception] });
    assert.equal(event.timeNs, publishedNs);
    assert.equal(event.receptions[0]?.hasGpsTime, false);
  });

  test("the first gateway that states a time gives it, whichever place it has", () => {
    const event = uplinkFrom({
      ...bare,
      rxInfo: [reception, { ...reception, time: "2021-07-05T11:07:25Z" }],
    });
    assert.equal(event.timeNs, 1_625_483_245_000_000_000n);
    assert.deepEqual(
      event.receptions.map(({ hasGpsTime }) => hasGpsTime),
      [false, true],
    );
  });

  test("the time since the GPS epoch stands for a missing time: 18 leap seconds behind it", () => {
    const event = uplinkFrom({
      ...bare,
      rxInfo: [{ ...reception, timeSinceGPSEpoch: "1309518463.981337s" }],
    });
    assert.equal(event.timeNs, heardNs);
    assert.equal(event.receptions[0]?.hasGpsTime, true);
  });

  test("an uplink is identified by an uplink id of one gateway, but not by an unset one", () => {
    const withId = (uplinkID: string): boolean =>
      uplinkFrom({ ...bare, rxInfo: [reception, { ...reception, uplinkID }] }).isIdentified;
    assert.equal(withId("a0d00639-cc37-4cff-8490-29be51208cc4"), true);
    assert.equal(withId("oNAGOcw3TP+EkCm+USCMxA=="), true);
    assert.equal(withId("00000000-0000-0000-0000-000000000000"), false);
    assert.equal(withId(""), false);
  });

  test("a time that is none is listed, and the rest kept", () => {
    const event = uplinkFrom({
      ...bare,
      publishedAt: "soon",
      rxInfo: [{ ...reception, time: "0001-01-01T00:00:00Z" }],
    });
    assert.equal(event.timeNs, undefined);
    assert.deepEqual(event.dropped.toSorted(), ["publishedAt", "rxInfo[0].time"]);
    assert.equal(event.fCnt, 261);
  });
});

describe("v3 details", () => {
  test("an error about a downlink has v4's code and no uplink counter; an unknown type stays as it came", () => {
    const logOf = (type: string | number): unknown[] => {
      const event = fromJson("log", { ...samples.errorEvent().json, type });
      assert.ok(event.kind === "log");
      return [event.code, event.fCnt, event.dropped];
    };
    assert.deepEqual(logOf("DOWNLINK_FCNT"), ["F_CNT_DOWN", undefined, []]);
    assert.deepEqual(logOf("UPLINK_FCNT_RESET"), ["UPLINK_F_CNT_RESET", 260, []]);
    assert.deepEqual(logOf("UPLINK_CODEC"), ["UPLINK_CODEC", 260, []]);
    assert.deepEqual(logOf("OTAA"), ["OTAA", undefined, []]);
    assert.deepEqual(logOf(7), ["UPLINK_MIC", 260, []]);
    assert.deepEqual(logOf(77), ["77", undefined, []]);
    assert.deepEqual(logOf("DATA_UP_MIC"), ["DATA_UP_MIC", undefined, ["type"]]);
    assert.deepEqual(logOf("X".repeat(500)), ["X".repeat(64), undefined, ["type"]]);
    assert.deepEqual(logOf(1.5), ["", undefined, ["type"]]);
  });

  test("a battery level of 0 with a flag is no empty battery, without one it is", () => {
    const batteryOf = (parts: JsonObject): unknown => {
      const event = fromJson("status", { ...samples.status().jsonV3, batteryLevel: 0, ...parts });
      assert.ok(event.kind === "status");
      return [event.externalPower, event.batteryUnavailable, event.batteryPercent];
    };
    assert.deepEqual(batteryOf({ externalPowerSource: true }), [true, false, undefined]);
    assert.deepEqual(batteryOf({ batteryLevelUnavailable: true }), [false, true, undefined]);
    assert.deepEqual(batteryOf({}), [false, false, 0]);
  });

  test("a battery in the former unit is external at 0, unknown at 255, else a share of 254", () => {
    const batteryOf = (battery: number): unknown => {
      const { applicationID = null, devEUI = null } = samples.status().jsonV3;
      const event = fromJson(undefined, { applicationID, devEUI, margin: 9, battery });
      assert.ok(event.kind === "status");
      assert.equal(event.marginDb, 9);
      return [event.externalPower, event.batteryUnavailable, event.batteryPercent];
    };
    assert.deepEqual(batteryOf(0), [true, false, undefined]);
    assert.deepEqual(batteryOf(255), [false, true, undefined]);
    assert.deepEqual(batteryOf(127), [false, false, 50]);
    assert.deepEqual(batteryOf(254), [false, false, 100]);
    assert.deepEqual(batteryOf(256), [undefined, undefined, undefined]);
  });

  test("an objectJSON that is no object is listed, and the measurement around it kept", () => {
    const objectOf = (objectJSON: string): unknown[] => {
      const event = uplinkFrom({ ...samples.uplink().json, objectJSON });
      assert.equal(event.data?.length, 9);
      return [event.object, event.dropped];
    };
    assert.deepEqual(objectOf('{"a":1'), [undefined, ["objectJSON"]]);
    assert.deepEqual(objectOf("[1]"), [undefined, ["objectJSON"]]);
    assert.deepEqual(objectOf('"NaN"'), [undefined, ["objectJSON"]]);
    assert.deepEqual(objectOf("null"), [undefined, []]);
    assert.deepEqual(objectOf(""), [undefined, []]);
    assert.deepEqual(objectOf('{"a":1e400}'), [{ a: Infinity }, []]);
  });

  test("an object of json_v3 that is none is listed", () => {
    const event = uplinkFrom({ ...samples.uplink().jsonV3, object: "25.1" });
    assert.equal(event.object, undefined);
    assert.deepEqual(event.dropped, ["object"]);
  });

  test("ids of another length are listed; without a devEUI there is no event", () => {
    const event = uplinkFrom({
      ...samples.uplink().json,
      applicationID: "barns",
      devAddr: "AQ==",
      rxInfo: [{ gatewayID: "123", rssi: -97, loRaSNR: 8 }],
    });
    assert.equal(event.devAddr, "");
    assert.equal(event.device.applicationId, "");
    assert.equal(event.receptions[0]?.gatewayId, "");
    assert.equal(event.receptions[0]?.rssiDbm, -97);
    assert.deepEqual(event.dropped.toSorted(), ["applicationID", "devAddr", "rxInfo[0].gatewayID"]);
    for (const devEUI of ["123", "", null, 7, "AgICAgICAg==", "0202030405060708090a"]) {
      const result = decodeFormerJson("up", { ...samples.uplink().json, devEUI });
      assert.equal(result.ok ? "" : result.fault.code, "decode_no_device", String(devEUI));
    }
    const short = protobuf({ 1: 123n, 4: hex("02020304050607") });
    const result = decodeFormerProtobuf("ack", short);
    assert.equal(result.ok ? "" : result.fault.code, "decode_no_device");
  });

  test("an rssi that does not fit costs that cell", () => {
    const { json } = samples.uplink();
    const event = uplinkFrom({ ...json, rxInfo: [{ gatewayID: gatewayIds[0], rssi: -33.5, loRaSNR: "x" }] });
    assert.equal(event.receptions[0]?.rssiDbm, undefined);
    assert.equal(event.receptions[0]?.snrDb, undefined);
    assert.deepEqual(event.dropped, ["rxInfo[0].rssi", "rxInfo[0].loRaSNR"]);
  });

  test("only a bad checksum is one: without any, nothing is said of it", () => {
    const { json } = samples.uplink();
    const statuses = ["NO_CRC", "BAD_CRC", "CRC_OK"];
    const rxInfo = statuses.map((crcStatus) => ({ gatewayID: gatewayIds[0], crcStatus }));
    assert.deepEqual(
      uplinkFrom({ ...json, rxInfo }).receptions.map(({ crcOk }) => crcOk),
      [undefined, false, true],
    );
  });

  const silent = { devEUI: samples.uplink().json["devEUI"] ?? null };
  /** Name and event of a message that says nothing but its device: what it has in JSON, and in protobuf. */
  const silentEvents: readonly [name: string, keys: readonly string[], inProtobuf: object][] = [
    [
      "up",
      ["adr", "confirmedUplink", "dr", "fCnt", "fPort", "data"],
      {
        adr: false,
        confirmed: false,
        dr: 0,
        fCnt: 0,
        fPort: 0,
        data: new Uint8Array(),
      },
    ],
    ["ack", ["acknowledged", "fCnt"], { acknowledged: false, fCntDown: 0 }],
    ["txack", ["fCnt"], { fCntDown: 0 }],
    [
      "status",
      ["margin", "externalPowerSource", "batteryLevelUnavailable"],
      {
        marginDb: 0,
        externalPower: false,
        batteryUnavailable: false,
      },
    ],
  ];

  for (const [name, keys, inProtobuf] of silentEvents) {
    test(`what a ${name} does not say is zero in protobuf; in JSON it is unknown, like what does not fit`, () => {
      const unknown = Object.fromEntries(Object.keys(inProtobuf).map((key) => [key, undefined]));
      const bytes = decodeFormerProtobuf(name, protobuf({ 1: 123n, 4: hex(samples.devEui) }));
      assert.ok(bytes.ok);
      assert.deepEqual({ ...bytes.value, ...inProtobuf }, bytes.value);
      const absent = fromJson(name, silent);
      assert.deepEqual({ ...absent, ...unknown }, absent);
      const wrong = fromJson(name, { ...silent, ...Object.fromEntries(keys.map((key) => [key, "*"])) });
      assert.deepEqual({ ...wrong, ...unknown }, wrong);
      assert.deepEqual(wrong.dropped.toSorted(), keys.toSorted());
    });
  }

  test("an error about an uplink that does not name it has no counter; in protobuf it is 0", () => {
    const about = { ...silent, type: "UPLINK_CODEC" };
    const json = fromJson("log", about);
    const bytes = decodeFormerProtobuf("log", protobuf({ 1: 123n, 4: hex(samples.devEui), 5: 3 }));
    assert.ok(json.kind === "log" && bytes.ok && bytes.value.kind === "log");
    assert.deepEqual([json.fCnt, bytes.value.fCnt], [undefined, 0]);
  });

  test("a frame counter that is absent is 0 in protobuf; in JSON it is unknown, like one that does not fit", () => {
    const { fCnt: _, ...json } = samples.uplink().json;
    const { fCnt: __, ...jsonV3 } = samples.uplink().jsonV3;
    for (const absent of [json, jsonV3, { ...json, fCnt: null }]) {
      const { fCnt, dropped } = uplinkFrom(absent);
      assert.deepEqual([fCnt, dropped], [undefined, []]);
    }
    for (const wrong of ["many", -1, 1.5, 2 ** 32]) {
      const { fCnt, dropped } = uplinkFrom({ ...json, fCnt: wrong });
      assert.deepEqual([fCnt, dropped], [undefined, ["fCnt"]], String(wrong));
    }
    assert.equal(uplinkFrom({ ...json, fCnt: 0 }).fCnt, 0);
    const bytes = decodeFormerProtobuf("up", protobuf({ 1: 123n, 4: hex(samples.devEui) }));
    assert.ok(bytes.ok && bytes.value.kind === "up");
    assert.equal(bytes.value.fCnt, 0);
  });

  test("an SNR that is not finite is listed in protobuf too", () => {
    const bytes = protobuf({ 1: 123n, 4: hex(samples.devEui), 5: { 6: double(Number.NaN) } });
    const result = decodeFormerProtobuf("up", bytes);
    assert.ok(result.ok && result.value.kind === "up");
    assert.equal(result.value.receptions[0]?.snrDb, undefined);
    assert.deepEqual(result.value.dropped, ["rxInfo[0].loRaSNR"]);
  });

  test("an event that the topic names in former words is read", () => {
    const former: readonly [topic: string, json: JsonObject, kind: string][] = [
      ["application/123/device/0202030405060708/rx", samples.uplink().jsonV3, "up"],
      ["application/123/node/0202030405060708/rx", samples.uplink().jsonV3, "up"],
      ["application/123/device/0202030405060708/error", samples.errorEvent().jsonV3, "log"],
      ["application/123/device/0202030405060708/event/error", samples.errorEvent().json, "log"],
    ];
    for (const [topic, json, kind] of former) {
      const result = decode(topic, toJsonBytes(json));
      assert.equal(result.ok ? result.value.kind : result.fault.code, kind, topic);
    }
  });
});
