import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { decode, maxPayloadBytes } from "../../../src/chirpstack/decode.ts";
import type { JsonObject, Uplink } from "../../../src/chirpstack/event.ts";
import { UplinkRxInfoSchema } from "../../../src/proto/gw/gw_pb.js";
import { UplinkEventSchema } from "../../../src/proto/integration/integration_pb.js";
import { climateUplink, gatewayId, toJsonBytes, toProtobufBytes, upTopic } from "./samples.ts";

function decodeUplink(payload: Uint8Array, topic = upTopic): Uplink {
  const result = decode(topic, payload);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  assert.ok(result.value.kind === "up");
  return result.value;
}

function faultCode(topic: string, payload: Uint8Array): string {
  const result = decode(topic, payload);
  assert.ok(!result.ok, "expected a fault");
  assert.equal(result.fault.disposition, "quarantine");
  return result.fault.code;
}

/** The sample with parts replaced; `undefined` leaves a part out. */
function changed(parts: Record<string, unknown>): Uint8Array {
  return toJsonBytes({ ...climateUplink(), ...parts });
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

describe("uplinks", () => {
  test("a JSON uplink is decoded in full, with exact times and the omitted zeros", () => {
    const uplink = decodeUplink(toJsonBytes(climateUplink()));
    assert.equal(uplink.timeNs, 1_749_818_692_653_481_123n);
    assert.equal(uplink.deduplicationId, "3ac7e3c4-4401-4b8d-9386-a5c902f9202d");
    assert.equal(uplink.isIdentified, true);
    assert.equal(uplink.device.devEui, "24e124538b223213");
    assert.equal(uplink.device.profileName, "EM300-TH");
    assert.deepEqual(
      [...uplink.device.tags],
      [
        ["building", "barn-7"],
        ["floor", ""],
      ],
    );
    assert.deepEqual(uplink.data, Uint8Array.of(0x01, 0x75, 0x3d, 0x03, 0x00, 0x01, 0x04, 0x00, 0x01));
    assert.deepEqual(uplink.modulation, {
      kind: "lora",
      bandwidthHz: 125_000,
      spreadingFactor: 7,
      codeRate: "4/5",
    });
    assert.deepEqual(uplink.receptions[0], {
      gatewayId: "e4e124dadef64eee",
      rssiDbm: -68,
      snrDb: 13.2,
      channel: 4,
      gwTimeNs: 1_749_818_692_653_481_000n,
      nsTimeNs: 1_749_818_692_670_509_207n,
      hasGpsTime: true,
      location: { latitude: 47.1, longitude: 8.5, altitude: 512 },
      crcOk: true,
    });
    // An rssi was sent, the snr of exactly 0 was left out; so was the location.
    assert.equal(uplink.receptions[2]?.snrDb, 0);
    assert.equal(uplink.receptions[2]?.location, undefined);
    assert.deepEqual(uplink.dropped, []);
  });

  test("both encodings of an event give the same uplink", () => {
    const fromText = decodeUplink(toJsonBytes(climateUplink()));
    const fromBytes = decodeUplink(toProtobufBytes(climateUplink()));
    assert.deepEqual(fromBytes, fromText);
    assert.ok(!Buffer.isBuffer(decodeUplink(Buffer.from(toProtobufBytes(climateUplink()))).data));
  });

  test("snake_case names and a leading newline are accepted", () => {
    const json = toJson(UplinkEventSchema, create(UplinkEventSchema, { devAddr: "01a44c4c", fCnt: 7 }), {
      useProtoFieldName: true,
    }) as JsonObject;
    assert.equal(json["f_cnt"], 7);
    const uplink = decodeUplink(
      text(`\n ${JSON.stringify({ ...json, device_info: { dev_eui: "24E124538B223213" } })}`),
    );
    assert.equal(uplink.fCnt, 7);
    assert.equal(uplink.device.devEui, "24e124538b223213");
  });

  test("rxInfo.time of v4.0 to v4.5 is the gateway's time, and the region stood in its metadata", () => {
    const rx = {
      gatewayId: "aa",
      time: "2022-07-18T09:34:15.775023242+00:00",
      metadata: { region_config_id: "us915_0" },
    };
    const uplink = decodeUplink(changed({ rxInfo: [rx], regionConfigId: undefined }));
    assert.equal(uplink.receptions[0]?.gwTimeNs, 1_658_136_855_775_023_242n);
    assert.equal(uplink.regionConfigId, "us915_0");
  });

  test("an uplink without object, or with an empty one, keeps the difference", () => {
    assert.equal(decodeUplink(changed({ object: undefined })).object, undefined);
    assert.deepEqual(decodeUplink(changed({ object: {} })).object, {});
    assert.equal(decodeUplink(changed({ object: null })).object, undefined);
  });

  test("an uplink of MAC commands only has port 0, no data and no object", () => {
    const { object: _none, ...rest } = climateUplink();
    const json = { ...rest, fPort: 0, data: "" };
    for (const payload of [toJsonBytes(json), toProtobufBytes(json)]) {
      const uplink = decodeUplink(payload);
      assert.deepEqual([uplink.fPort, uplink.data, uplink.object], [0, new Uint8Array(0), undefined]);
      assert.deepEqual([uplink.isIdentified, uplink.dropped], [true, []]);
    }
  });

  test("a relayed uplink says who passed it on, and how that one heard the device", () => {
    const relayRxInfo = { devEui: "A84041FFFF1E5DD2", frequency: 868_300_000, dr: 3, snr: -7, rssi: -104 };
    const json = { ...climateUplink(), relayRxInfo };
    const relay = { devEui: "a84041ffff1e5dd2", rssiDbm: -104, snrDb: -7 };
    assert.deepEqual(decodeUplink(toJsonBytes(json)).relay, relay);
    assert.deepEqual(decodeUplink(toProtobufBytes(json)).relay, relay);
    assert.equal(decodeUplink(toJsonBytes(climateUplink())).relay, undefined);
  });
});

describe("parts that do not fit", () => {
  test("are left out and listed by path, and the measurement is kept", () => {
    const uplink = decodeUplink(
      changed({
        fCnt: 1.5,
        fPort: -1,
        adr: 1,
        data: "*",
        confirmed: "maybe",
        time: "2025-02-30T00:00:00Z",
        devAddr: 17,
        object: ["not", "an", "object"],
        rxInfo: [
          {
            gatewayId: "aa",
            rssi: -70.5,
            snr: "loud",
            channel: -1,
            crcStatus: "FINE",
            location: { latitude: 91 },
          },
          "noise",
          { gatewayId: "bb", rssi: -90, nsTime: "yesterday" },
        ],
      }),
    );
    assert.deepEqual([...uplink.dropped].sort(), [
      "adr",
      "confirmed",
      "data",
      "devAddr",
      "fCnt",
      "fPort",
      "object",
      "rxInfo[0].channel",
      "rxInfo[0].crcStatus",
      "rxInfo[0].location",
      "rxInfo[0].rssi",
      "rxInfo[0].snr",
      "rxInfo[1]",
      "rxInfo[2].nsTime",
      "time",
    ]);
    assert.equal(uplink.receptions.length, 2);
    assert.equal(uplink.receptions[0]?.rssiDbm, undefined, "unknown, not 0");
    assert.equal(uplink.receptions[0]?.snrDb, undefined);
    assert.equal(uplink.receptions[1]?.rssiDbm, -90);
    assert.deepEqual([uplink.receptions[0]?.channel, uplink.receptions[0]?.crcOk], [undefined, undefined]);
    assert.deepEqual([uplink.confirmed, uplink.fCnt, uplink.dr], [undefined, undefined, 5]);
    assert.deepEqual([uplink.adr, uplink.fPort, uplink.data], [undefined, undefined, undefined]);
    assert.equal(uplink.device.deviceName, "barn 7 north");
  });

  test("what is left out is zero in both encodings, as proto3 has it", () => {
    const json = { deviceInfo: { devEui: "24e124538b223213" } };
    for (const payload of [toJsonBytes(json), toProtobufBytes(json)]) {
      const { adr, confirmed, dr, fCnt, fPort, data } = decodeUplink(payload);
      assert.deepEqual([adr, confirmed, dr, fCnt, fPort], [false, false, 0, 0, 0]);
      assert.deepEqual(data, new Uint8Array());
    }
  });

  test("null is absent, not wrong", () => {
    const uplink = decodeUplink(
      changed({ time: null, txInfo: null, rxInfo: [{ gatewayId: "aa", rssi: null }] }),
    );
    assert.deepEqual(uplink.dropped, []);
    assert.equal(uplink.timeNs, undefined);
    assert.equal(uplink.receptions[0]?.rssiDbm, 0);
  });

  test("numbers written as decimal strings are numbers, as in proto3 JSON", () => {
    const uplink = decodeUplink(
      changed({ fCnt: "153", rxInfo: [{ gatewayId: "aa", rssi: "-70", snr: "6.5" }] }),
    );
    assert.deepEqual(
      [uplink.fCnt, uplink.receptions[0]?.rssiDbm, uplink.receptions[0]?.snrDb],
      [153, -70, 6.5],
    );
    assert.deepEqual(uplink.dropped, []);
  });

  test("in protobuf a time outside the calendar and an snr that is no number are unknown", () => {
    const rx = create(UplinkRxInfoSchema, { gatewayId: "aa", snr: Number.NaN, rssi: -3 });
    const event = create(UplinkEventSchema, {
      deviceInfo: { devEui: "24e124538b223213" },
      time: { seconds: 1n << 60n, nanos: 0 },
      rxInfo: [rx],
    });
    const uplink = decodeUplink(toBinary(UplinkEventSchema, event));
    assert.deepEqual([uplink.timeNs, uplink.receptions[0]?.snrDb], [undefined, undefined]);
    assert.deepEqual([...uplink.dropped].sort(), ["rxInfo[0].snr", "time"]);
  });

  test("more receptions than a frame can have are cut, in both encodings", () => {
    const event = {
      ...climateUplink(),
      rxInfo: Array.from({ length: 300 }, () => ({ gatewayId: "aa", rssi: -1 })),
    };
    for (const payload of [toJsonBytes(event), toProtobufBytes(event)]) {
      const uplink = decodeUplink(payload);
      assert.equal(uplink.receptions.length, 256);
      assert.deepEqual(uplink.dropped, ["rxInfo[256…]"]);
    }
  });
});

describe("hostile objects", () => {
  test("__proto__ and constructor stay keys and pollute nothing", () => {
    const payload = text(
      JSON.stringify({ ...climateUplink(), object: 0 }).replace(
        '"object":0',
        '"object":{"__proto__":{"polluted":1,"x":1e400},"constructor":{"prototype":{"polluted":2}},"ok":3}',
      ),
    );
    const { object } = decodeUplink(payload);
    assert.ok(object !== undefined);
    assert.deepEqual(Object.keys(object), ["__proto__", "constructor", "ok"]);
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
    assert.equal(Object.hasOwn(object, "__proto__"), true);
  });

  test("depth 10,000 is cut at 64, beyond what telemetry takes, and listed; a JSON payload of it is still an uplink", () => {
    const deep = `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`;
    const payload = text(
      JSON.stringify({ ...climateUplink(), object: 0 }).replace('"object":0', `"object":${deep}`),
    );
    const uplink = decodeUplink(payload);
    let depth = 0;
    for (let node: unknown = uplink.object; typeof node === "object" && node !== null; depth += 1) {
      node = (node as JsonObject)["a"];
    }
    assert.equal(depth, 64);
    assert.deepEqual(uplink.dropped, [`object${".a".repeat(64)}`]);
    const lists = text(
      `{"deviceInfo":{"devEui":"24e124538b223213"},"object":{"a":${"[".repeat(9000)}${"]".repeat(9000)}}}`,
    );
    assert.deepEqual(decodeUplink(lists).dropped, [`object.a${"[0]".repeat(63)}`]);
  });

  test("only the first 64 paths are named", () => {
    const deep = `${'{"a":'.repeat(62)}[${Array.from({ length: 100 }, () => "[]").join(",")}]${"}".repeat(62)}`;
    const payload = text(
      JSON.stringify({ ...climateUplink(), object: 0 }).replace('"object":0', `"object":{"b":${deep}}`),
    );
    const uplink = decodeUplink(payload);
    assert.equal(uplink.dropped.length, 65);
    assert.equal(uplink.dropped.at(-1), "object…");
  });

  test("a number beyond a double stays one: telemetry says what becomes of it", () => {
    const payload = text(
      JSON.stringify({ ...climateUplink(), object: 0 }).replace('"object":0', '"object":{"v":[1e400]}'),
    );
    const { object, dropped } = decodeUplink(payload);
    assert.deepEqual([object, dropped], [{ v: [Infinity] }, []]);
  });
});

describe("quarantine", () => {
  test("each kind of nonsense has its own code", () => {
    const sample = toProtobufBytes(climateUplink());
    assert.equal(faultCode(upTopic, new Uint8Array(0)), "decode_empty");
    assert.equal(faultCode(upTopic, new Uint8Array(maxPayloadBytes + 1)), "decode_too_large");
    assert.equal(faultCode(upTopic, text('{"deviceInfo":')), "decode_not_json");
    assert.equal(faultCode("a/status", text("{]")), "decode_not_json");
    assert.equal(
      faultCode(upTopic, Uint8Array.of(0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d)),
      "decode_not_json",
    );
    assert.equal(faultCode(upTopic, sample.subarray(0, sample.length - 3)), "decode_not_protobuf");
    assert.equal(faultCode(upTopic, text("hello")), "decode_not_protobuf");
    assert.equal(faultCode(upTopic, text("[1,2]")), "decode_not_protobuf");
    assert.equal(faultCode("site-a", text('{"temperature":1}')), "decode_unknown_event");
    assert.equal(faultCode("site-a", sample), "decode_unknown_event");
  });

  test("an uplink has to say which device it is from", () => {
    assert.equal(faultCode(upTopic, text("{}")), "decode_no_device");
    assert.equal(faultCode(`eu868/gateway/${gatewayId}/state/conn`, text("{}")), "decode_no_gateway");
    assert.equal(faultCode(`eu868/gateway/${gatewayId}/state/conn`, new Uint8Array(0)), "decode_empty");
    assert.equal(faultCode(upTopic, changed({ deviceInfo: { devEui: "24e124" } })), "decode_no_device");
    assert.equal(faultCode(upTopic, changed({ deviceInfo: "me" })), "decode_no_device");
    assert.equal(
      faultCode(upTopic, toBinary(UplinkEventSchema, create(UplinkEventSchema, { fCnt: 1 }))),
      "decode_no_device",
    );
  });
});
