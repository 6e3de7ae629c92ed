import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { DeviceEvent, JsonObject } from "../../../src/chirpstack/event.ts";
import { isDeviceEvent } from "../../../src/chirpstack/event.ts";
import { decodeFormerJson, decodeFormerProtobuf } from "../../../src/chirpstack/v3/decode.ts";
import * as samples from "./v3-samples.ts";
import { expectedDevice, gatewayIds, heardNs, publishedNs } from "./v3-samples.ts";

function fromJson(name: string | undefined, json: JsonObject): DeviceEvent {
  const result = decodeFormerJson(name, json);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  assert.ok(isDeviceEvent(result.value), `unmapped: ${result.value.kind}`);
  return result.value;
}

function fromBytes(name: string, bytes: Uint8Array): DeviceEvent {
  const result = decodeFormerProtobuf(name, bytes);
  assert.ok(result.ok, result.ok ? "" : result.fault.message);
  assert.ok(isDeviceEvent(result.value));
  return result.value;
}

function modulationIn(event: DeviceEvent): unknown {
  return event.kind === "up" && event.modulation;
}

/** What all events say. In `json_v3` those without a radio side have no time. */
const told = {
  device: expectedDevice,
  deduplicationId: "",
  timeNs: publishedNs,
  isIdentified: true,
  dropped: [],
};
const untimed = { timeNs: undefined, isIdentified: false };

const uplinkDevice = {
  ...expectedDevice,
  profileId: "d1b6f7a4-5f2e-4c58-9d0a-0242ac120003",
  profileName: "EM300-TH",
};

const place = { latitude: 47.1, longitude: 8.5, altitude: 512 };

const expectedUplink = {
  kind: "up",
  deduplicationId: "",
  timeNs: heardNs,
  isIdentified: true,
  device: uplinkDevice,
  devAddr: "01a44c4c",
  adr: true,
  confirmed: true,
  dr: 5,
  fCnt: 261,
  fPort: 3,
  data: new Uint8Array([0x01, 0x75, 0x3d, 0x03, 0x00, 0x01, 0x04, 0x00, 0x01]),
  object: { temperature: 21.4, humidity: 56, error: null },
  receptions: [
    {
      gatewayId: gatewayIds[0],
      rssiDbm: -33,
      snrDb: 8.2,
      channel: 4,
      gwTimeNs: heardNs,
      nsTimeNs: undefined,
      hasGpsTime: true,
      location: place,
      crcOk: true,
    },
    {
      gatewayId: gatewayIds[1],
      rssiDbm: 0,
      snrDb: 0,
      channel: 0,
      gwTimeNs: undefined,
      nsTimeNs: undefined,
      hasGpsTime: false,
      location: undefined,
      crcOk: undefined,
    },
  ],
  frequencyHz: 868_300_000,
  modulation: { kind: "lora", bandwidthHz: 125_000, spreadingFactor: 7, codeRate: "4/5" },
  relay: undefined,
  regionConfigId: "",
  dropped: [],
};

/** What they say in `json` and protobuf, and what is otherwise in `json_v3`. */
const others: readonly [name: string, sample: samples.Sample, expected: object, inJsonV3: object][] = [
  [
    "join",
    samples.join(),
    { ...told, kind: "join", timeNs: heardNs, devAddr: "01a44c4c", relay: undefined, regionConfigId: "" },
    {},
  ],
  [
    "ack",
    samples.ack(),
    { ...told, kind: "ack", queueItemId: "", acknowledged: true, fCntDown: 12 },
    untimed,
  ],
  [
    "txack",
    samples.txAck(),
    {
      ...told,
      kind: "txack",
      downlinkId: undefined,
      queueItemId: "",
      fCntDown: 12,
      gatewayId: gatewayIds[0],
      frequencyHz: 869_525_000,
      powerDbm: 27,
      modulation: { kind: "lora", bandwidthHz: 125_000, spreadingFactor: 12, codeRate: "4/5" },
    },
    { ...untimed, gatewayId: "", frequencyHz: 0, powerDbm: undefined, modulation: undefined },
  ],
  [
    "log",
    samples.errorEvent(),
    {
      ...told,
      kind: "log",
      level: "ERROR",
      code: "UPLINK_F_CNT_RETRANSMISSION",
      description: "frame-counter did not increment",
      context: new Map(),
      fCnt: 260,
    },
    untimed,
  ],
  [
    "status",
    samples.status(),
    {
      ...told,
      kind: "status",
      marginDb: -7,
      externalPower: false,
      batteryUnavailable: false,
      batteryPercent: 88.3,
    },
    untimed,
  ],
  [
    "location",
    samples.location(),
    { ...told, kind: "location", location: place, source: "GEO_RESOLVER_TDOA", accuracyM: 40 },
    { ...untimed, source: "", accuracyM: undefined },
  ],
  [
    "integration",
    samples.integration(),
    {
      ...told,
      kind: "integration",
      integrationName: "loracloud",
      eventType: "DAS_UplinkResponse",
    },
    untimed,
  ],
];

describe("v3 json and protobuf", () => {
  test("an uplink is read cell by cell", () => {
    const { json, bytes } = samples.uplink();
    assert.deepEqual(fromJson("up", json), expectedUplink);
    assert.deepEqual(fromBytes("up", bytes), expectedUplink);
  });

  for (const [name, sample, expected] of others) {
    test(`a ${name} is read cell by cell`, () => {
      assert.deepEqual(fromJson(name, sample.json), expected);
      assert.deepEqual(fromBytes(name, sample.bytes), expected);
    });
  }

  test("the data of a protobuf uplink is a plain array, also from a Buffer on the decoder's way", () => {
    const result = decode(
      "application/123/device/0202030405060708/event/up",
      Buffer.from(samples.uplink().bytes),
    );
    assert.ok(result.ok && result.value.kind === "up");
    assert.deepEqual(result.value, expectedUplink);
    assert.equal(Object.getPrototypeOf(result.value.data), Uint8Array.prototype);
  });

  test("a data rate of FSK and of LR-FHSS is kept, and 812 kHz is 812.5 kHz", () => {
    const modulationOf = (info: JsonObject): unknown =>
      modulationIn(fromJson("up", { ...samples.uplink().json, txInfo: { frequency: 868_800_000, ...info } }));
    const fsk = { frequencyDeviation: 25_000, datarate: 50_000 };
    assert.deepEqual(modulationOf({ modulation: "FSK", fskModulationInfo: fsk }), {
      kind: "fsk",
      bitrateBps: 50_000,
    });
    const lrFhss = { operatingChannelWidth: 137_000, codeRate: "1/3", gridSteps: 8 };
    assert.deepEqual(modulationOf({ modulation: "LR_FHSS", lrFHSSModulationInfo: lrFhss }), {
      kind: "lr_fhss",
      codeRate: "1/3",
    });
    const wide = { bandwidth: 812, spreadingFactor: 12, codeRate: "4/8LI" };
    assert.deepEqual(modulationOf({ modulation: "LORA", loRaModulationInfo: wide }), {
      kind: "lora",
      bandwidthHz: 812_500,
      spreadingFactor: 12,
      codeRate: "4/8LI",
    });
    assert.equal(modulationOf({ modulation: "LORA" }), undefined);
  });
});

describe("v3 json_v3", () => {
  test("an uplink is read cell by cell; what the dialect does not say is unknown, not zero", () => {
    assert.deepEqual(fromJson("up", samples.uplink().jsonV3), {
      ...expectedUplink,
      devAddr: "",
      confirmed: undefined,
      modulation: undefined,
      receptions: [
        { ...expectedUplink.receptions[0], channel: undefined, crcOk: undefined },
        {
          ...expectedUplink.receptions[1],
          rssiDbm: -97,
          snrDb: -4.5,
          channel: undefined,
          crcOk: undefined,
        },
      ],
    });
  });

  for (const [name, sample, expected, difference] of others) {
    test(`a ${name} is read cell by cell`, () => {
      assert.deepEqual(fromJson(name, sample.jsonV3), { ...expected, ...difference });
    });
  }

  test("a frame without payload is null there, and data that is not said is unknown", () => {
    const { data: _, ...json } = samples.uplink().jsonV3;
    const withData = fromJson("up", samples.uplink().jsonV3);
    assert.deepEqual(fromJson("up", { ...json, data: null }), { ...withData, data: new Uint8Array() });
    assert.deepEqual(fromJson("up", json), { ...withData, data: undefined });
  });

  test("an uplink without gateway metadata, data and object is an uplink", () => {
    const { rxInfo: _, data: __, ...json } = samples.uplink().jsonV3;
    const event = fromJson("up", { ...json, applicationID: 123, object: null });
    assert.deepEqual(event, {
      ...expectedUplink,
      devAddr: "",
      confirmed: undefined,
      modulation: undefined,
      receptions: [],
      data: undefined,
      object: undefined,
      timeNs: undefined,
      isIdentified: false,
    });
  });

  test("the payload is not changed by reading it", () => {
    const { jsonV3 } = samples.uplink();
    fromJson("up", jsonV3);
    assert.deepEqual(jsonV3, samples.uplink().jsonV3);
  });
});
