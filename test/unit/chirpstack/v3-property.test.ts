import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { maxPayloadBytes } from "../../../src/chirpstack/decode.ts";
import type { JsonObject, JsonValue } from "../../../src/chirpstack/event.ts";
import {
  decodeFormerJson,
  decodeFormerProtobuf,
  isFormerJson,
  isFormerProtobuf,
} from "../../../src/chirpstack/v3/decode.ts";
import { CRCStatus, UplinkEventSchema } from "../../../src/proto/v3/v3_pb.js";
import type { UplinkEvent } from "../../../src/proto/v3/v3_pb.js";
import { milesightUplink } from "./milesight-samples.ts";
import { hex, protobuf } from "./v3-protobuf.ts";
import * as samples from "./v3-samples.ts";

const names = [undefined, "up", "join", "ack", "txack", "log", "status", "location", "integration", "tx"];
const name = fc.constantFrom(...names);

const bytesOf = (length: number): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => new Uint8Array(bytes));

const timestamp = fc.record({
  seconds: fc.bigInt({ min: 1_500_000_000n, max: 1_700_000_000n }),
  nanos: fc.nat(999_999_999),
});

const reception = fc.record(
  {
    gatewayId: bytesOf(8),
    time: timestamp,
    timeSinceGpsEpoch: timestamp,
    rssi: fc.integer({ min: -140, max: 0 }),
    loraSnr: fc.integer({ min: -200, max: 150 }).map((tenths) => tenths / 10),
    channel: fc.nat(7),
    antenna: fc.nat(1),
    location: fc.record({
      latitude: fc.nat(90),
      longitude: fc.nat(180),
      altitude: fc.nat(4000),
      accuracy: fc.nat(99),
    }),
    uplinkId: bytesOf(16),
    crcStatus: fc.constantFrom(0, 1, 2),
  },
  { requiredKeys: ["gatewayId", "rssi", "loraSnr", "channel", "crcStatus"] },
);

const modulationInfo = fc.oneof(
  fc.record({
    case: fc.constant("loraModulationInfo" as const),
    value: fc.record({
      bandwidth: fc.constantFrom(125, 250, 500, 812),
      spreadingFactor: fc.integer({ min: 5, max: 12 }),
      codeRate: fc.constantFrom("4/5", "4/8"),
    }),
  }),
  fc.record({
    case: fc.constant("fskModulationInfo" as const),
    value: fc.record({ datarate: fc.nat(300_000) }),
  }),
  fc.record({
    case: fc.constant("lrFhssModulationInfo" as const),
    value: fc.record({ codeRate: fc.constant("1/3") }),
  }),
);

const uplink = fc
  .record(
    {
      applicationId: fc.bigInt({ min: 1n, max: (1n << 63n) - 1n }),
      applicationName: fc.string(),
      deviceName: fc.string(),
      devEui: bytesOf(8),
      rxInfo: fc.array(reception, { maxLength: 4 }),
      txInfo: fc.record({ frequency: fc.nat(2_500_000_000), modulationInfo }),
      adr: fc.boolean(),
      dr: fc.nat(15),
      fCnt: fc.nat(),
      fPort: fc.nat(255),
      data: fc.uint8Array({ maxLength: 60 }).map((bytes) => new Uint8Array(bytes)),
      objectJson: fc.oneof(fc.constant(""), fc.json()),
      tags: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
      confirmedUplink: fc.boolean(),
      devAddr: bytesOf(4),
      publishedAt: timestamp,
    },
    {
      requiredKeys: ["applicationId", "devEui", "adr", "dr", "fCnt", "fPort", "data", "confirmedUplink"],
    },
  )
  .map((parts): UplinkEvent =>
    create(UplinkEventSchema, parts as Parameters<typeof create<typeof UplinkEventSchema>>[1]),
  );

/** As v3 encodes it, which has no `optional`: zeros stay out. */
function withoutZeros(message: UplinkEvent): Uint8Array<ArrayBuffer> {
  const copy = fromBinary(UplinkEventSchema, toBinary(UplinkEventSchema, message));
  if (copy.adr === false) delete copy.adr;
  if (copy.fPort === 0) delete copy.fPort;
  if (copy.data?.length === 0) delete copy.data;
  if (copy.dr === 0) delete copy.dr;
  if (copy.fCnt === 0) delete copy.fCnt;
  if (copy.confirmedUplink === false) delete copy.confirmedUplink;
  for (const rx of copy.rxInfo) {
    if (rx.rssi === 0) delete rx.rssi;
    if (rx.loraSnr === 0) delete rx.loraSnr;
    if (rx.channel === 0) delete rx.channel;
    if (rx.location?.latitude === 0) delete rx.location.latitude;
    if (rx.location?.longitude === 0) delete rx.location.longitude;
    if (rx.location?.altitude === 0) delete rx.location.altitude;
    if (rx.crcStatus === CRCStatus.NO_CRC) delete rx.crcStatus;
  }
  return new Uint8Array(toBinary(UplinkEventSchema, copy));
}

const keys = [
  "applicationID devEUI devAddr rxInfo txInfo fCnt fPort data object objectJSON tags publishedAt time",
  "gatewayTime gatewaySN acknowledged error type margin battery batteryLevel location gatewayID",
  "integrationName status dr __proto__",
].flatMap((line) => line.split(" "));

/** Keys of all dialects, with values that now and then fit. */
const hostileJson = fc.dictionary(
  fc.constantFrom(...keys),
  fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.constantFrom(
      "0202030405060708",
      "AgIDBAUGBwg=",
      "2021-07-05T11:07:25Z",
      '{"a":1}',
      Number.POSITIVE_INFINITY,
      -1,
      5,
      true,
    ),
    fc.array(fc.dictionary(fc.constantFrom("mac", "gatewayID", "time", "rssi", "uplinkID"), fc.jsonValue())),
    fc.constant({ dataRate: { modulation: "FSK", bitRate: "fast" }, dr: {}, frequency: [] }),
  ),
) as fc.Arbitrary<JsonObject>;

describe("former dialects, any input", () => {
  test("json and protobuf of one uplink are one event", () => {
    fc.assert(
      fc.property(uplink, (message) => {
        const json = toJson(UplinkEventSchema, message, { alwaysEmitImplicit: true }) as JsonObject;
        const fromJson = decodeFormerJson("up", json);
        const fromBytes = decodeFormerProtobuf("up", withoutZeros(message));
        assert.ok(fromJson.ok && fromBytes.ok && fromJson.value.kind === "up");
        assert.deepEqual(fromJson.value, fromBytes.value);
        assert.equal(fromJson.value.device.applicationId, String(message.applicationId));
        assert.equal(fromJson.value.receptions.length, message.rxInfo.length);
        assert.ok(isFormerProtobuf(withoutZeros(message)) && isFormerJson(json));
      }),
      { numRuns: 300 },
    );
  });

  test("no JSON makes it throw", () => {
    fc.assert(
      fc.property(name, hostileJson, (topicName, json) => {
        isFormerJson(json);
        const result = decodeFormerJson(topicName, json);
        return result.ok || result.fault.code.startsWith("decode_");
      }),
      { numRuns: 1000 },
    );
  });

  test("a part of a real event that is something else costs no more than that part or the event", () => {
    const events = [samples.uplink().json, samples.uplink().jsonV3, milesightUplink(), samples.txAck().json];
    fc.assert(
      fc.property(
        fc.constantFrom(...events),
        fc.nat(),
        fc.jsonValue(),
        name,
        (event, at, value, topicName) => {
          const keys = Object.keys(event);
          const key = keys[at % keys.length] ?? "";
          const result = decodeFormerJson(topicName, {
            ...structuredClone(event),
            [key]: value as JsonValue,
          });
          return (
            result.ok ||
            result.fault.code === "decode_no_device" ||
            result.fault.code === "decode_unknown_event"
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test("no bytes make it throw", () => {
    const real = [samples.uplink(), samples.txAck(), samples.location()].map(({ bytes }) => bytes);
    const damaged = fc
      .tuple(fc.constantFrom(...real), fc.nat(), fc.nat(255), fc.nat())
      .map(([bytes, at, value, end]) => {
        const copy = bytes.slice(0, 1 + (end % bytes.length));
        copy[at % copy.length] = value;
        return copy;
      });
    const bytes = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }));
    fc.assert(
      fc.property(name, bytes, (topicName, payload) => {
        isFormerProtobuf(payload);
        const result = decodeFormerProtobuf(topicName, payload);
        return result.ok || result.fault.code.startsWith("decode_");
      }),
      { numRuns: 1000 },
    );
  });

  test("of more receptions than one frame has, 256 are kept, in every dialect", () => {
    const rx = { gatewayID: samples.gatewayIds[0], mac: samples.gatewayIds[0], rssi: -50, loRaSNR: 7 };
    const rxInfo = Array.from({ length: 3000 }, () => rx);
    const frame = protobuf({ 1: 123n, 4: hex(samples.devEui), 5: rxInfo.map(() => ({})) });
    const results = [
      decodeFormerJson("up", { ...samples.uplink().jsonV3, rxInfo }),
      decodeFormerJson("up", { ...milesightUplink(), rxInfo }),
      decodeFormerProtobuf("up", frame),
    ];
    for (const result of results) {
      assert.ok(result.ok && result.value.kind === "up");
      assert.equal(result.value.receptions.length, 256);
      assert.deepEqual(result.value.dropped, ["rxInfo[256…]"]);
    }
  });

  test("a message that is there twice in a protobuf event is refused, not merged", () => {
    const twice = new Uint8Array(Buffer.concat([samples.uplink().bytes, protobuf({ 6: { 1: 1 } })]));
    const result = decodeFormerProtobuf("up", twice);
    assert.equal(result.ok ? "" : result.fault.code, "decode_not_protobuf");
  });

  test("an objectJSON that is as deep as the payload allows is bounded", () => {
    const depth = maxPayloadBytes / 2;
    const objectJSON = `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    const result = decodeFormerJson("up", { ...samples.uplink().json, objectJSON });
    assert.ok(result.ok && result.value.kind === "up");
    assert.equal(result.value.dropped.length, 1);
    assert.equal(result.value.fCnt, 261);
  });
});
