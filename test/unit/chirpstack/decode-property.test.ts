/** `decode` is total, and its reading of JSON is protobuf-es's own wherever that has one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { decode } from "../../../src/chirpstack/decode.ts";
import { DroppedParts } from "../../../src/chirpstack/dropped.ts";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { readLeniently } from "../../../src/chirpstack/lenient-json.ts";
import { UplinkEventSchema } from "../../../src/proto/integration/integration_pb.js";
import { climateUplink, toJsonBytes, toProtobufBytes, upTopic } from "./samples.ts";

const seed = 20_251_122;

/** Every outcome is an event or a quarantine; anything thrown fails the property. */
function outcome(topic: string, payload: Uint8Array): string {
  const result = decode(topic, payload);
  if (result.ok) return result.value.kind;
  assert.equal(result.fault.disposition, "quarantine");
  assert.match(result.fault.code, /^decode_/);
  return result.fault.code;
}

const topics = fc.constantFrom(upTopic, "site-a", "eu868/gateway/x/event/stats", "a/join");

test("random bytes never throw", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      topics,
      fc.uint8Array({ maxLength: 200 }),
      (topic, bytes) => void seen.add(outcome(topic, bytes)),
    ),
    { numRuns: 3000, seed },
  );
  assert.ok(seen.has("decode_not_protobuf") && seen.has("unmapped"), [...seen].join());
});

test("mutated events of both encodings never throw", () => {
  const samples = [toJsonBytes(climateUplink()), toProtobufBytes(climateUplink())];
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("set", "cut", "double")), {
    minLength: 1,
    maxLength: 6,
  });
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...samples), edits, (sample, changes) => {
      let bytes = Buffer.from(sample);
      for (const [position, value, kind] of changes) {
        const at = position % bytes.length;
        if (kind === "set") bytes[at] = value;
        else if (kind === "cut")
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (value % 8))]);
        else
          bytes = Buffer.concat([bytes.subarray(0, at + 1), bytes.subarray(Math.max(0, at - (value % 64)))]);
        if (bytes.length === 0) break;
      }
      seen.add(outcome(upTopic, bytes));
    }),
    { numRuns: 4000, seed },
  );
  for (const kind of ["up", "decode_not_json", "decode_not_protobuf"]) assert.ok(seen.has(kind), kind);
});

/** Any JSON, with the names that do harm in careless code, numbers without a JSON form, lone surrogates. */
const awkwardJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, -1.5, 1e308, "", "\ud800", "a\u0000b", "2025-01-01T00:00:00Z", "-12", 4e9),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(
        fc.tuple(
          fc.oneof(
            fc.constantFrom("__proto__", "constructor", "toString", "", "gatewayId", "rssi", "lora"),
            fc.string(),
          ),
          tie("value"),
        ),
        { maxLength: 4 },
      )
      .map((entries) => Object.fromEntries(entries) as unknown),
  ),
})).value;

test("any JSON in any place of an event never throws, and prototypes stay clean", () => {
  const places: readonly (readonly string[])[] = [
    ...Object.keys(climateUplink()).map((key) => [key]),
    ["deviceInfo", "tags"],
    ["deviceInfo", "devEui"],
    ["rxInfo", "0"],
    ["rxInfo", "0", "rssi"],
    ["rxInfo", "1", "location"],
    ["txInfo", "modulation"],
    ["txInfo", "modulation", "lora"],
    ["object", "history"],
  ];
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...places), awkwardJson, (place, value) => {
      const event = climateUplink();
      let node = event as Record<string, unknown>;
      for (const step of place.slice(0, -1)) node = node[step] as Record<string, unknown>;
      node[place.at(-1) ?? ""] = value;
      seen.add(outcome(upTopic, toJsonBytes(event)));
      assert.deepEqual(Object.keys(Object.prototype), []);
    }),
    { numRuns: 4000, seed },
  );
  assert.deepEqual([...seen].sort(), ["decode_no_device", "up"]);
});

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.nat(15).map((digit) => digit.toString(16)), minLength: length, maxLength: length });
const uint32 = fc.nat(0xffff_ffff);
const optional = fc.record.bind(fc);
const time = fc
  .tuple(fc.integer({ min: 0, max: 4_102_444_800 }), fc.nat(999_999_999))
  .map(([s, n]) => `${new Date(s * 1000).toISOString().slice(0, 19)}.${String(n).padStart(9, "0")}+00:00`);

/** Well-formed proto3 JSON of an uplink, every part optional. */
const wellFormed: fc.Arbitrary<JsonObject> = optional(
  {
    deduplicationId: fc.uuid(),
    time,
    deviceInfo: fc.record({
      devEui: hex(16),
      deviceName: fc.string(),
      tags: fc.dictionary(fc.string(), fc.string()),
    }),
    devAddr: hex(8),
    adr: fc.boolean(),
    dr: fc.nat(15),
    fCnt: uint32,
    fPort: fc.nat(255),
    data: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString("base64")),
    rxInfo: fc.array(
      fc.record(
        {
          gatewayId: hex(16),
          uplinkId: uint32,
          gwTime: time,
          nsTime: time,
          timeSinceGpsEpoch: fc.nat(2_000_000_000).map((s) => `${s}.653s`),
          rssi: fc.integer({ min: -200, max: 50 }),
          snr: fc.float({ min: -30, max: 30, noNaN: true }),
          channel: fc.nat(64),
          location: fc.record(
            { latitude: fc.double({ min: -90, max: 90, noNaN: true }) },
            { requiredKeys: [] },
          ),
          context: fc.constant("Hw9+zQ=="),
          crcStatus: fc.constantFrom("NO_CRC", "BAD_CRC", "CRC_OK"),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 4 },
    ),
    txInfo: fc.record({
      frequency: uint32,
      modulation: fc.oneof(
        fc.record({
          lora: fc.record({
            bandwidth: uint32,
            spreadingFactor: fc.nat(12),
            codeRate: fc.constant("CR_4_5"),
          }),
        }),
        fc.record({ fsk: fc.record({ datarate: uint32 }) }),
        fc.record({ lrFhss: fc.record({ codeRate: fc.constant("CR_2_6") }) }),
      ),
    }),
    relayRxInfo: fc.record({ snr: fc.integer({ min: -20, max: 20 }) }),
    regionConfigId: fc.constantFrom("eu868", "us915_0"),
  },
  { requiredKeys: [] },
);

test("well-formed JSON is read exactly as protobuf-es reads it", () => {
  fc.assert(
    fc.property(wellFormed, (json) => {
      const copy = JSON.parse(JSON.stringify(json)) as JsonObject;
      const dropped = new DroppedParts();
      assert.deepEqual(
        readLeniently(UplinkEventSchema, copy, "", dropped),
        fromJson(UplinkEventSchema, copy),
      );
      assert.deepEqual(dropped.paths(), []);
    }),
    { numRuns: 500, seed },
  );
});

test("both encodings of any well-formed uplink give the same event", () => {
  fc.assert(
    fc.property(wellFormed, (json) => {
      const copy = JSON.parse(JSON.stringify(json)) as JsonObject;
      const fromText = decode(upTopic, toJsonBytes(copy));
      const bytes = toProtobufBytes(copy);
      fc.pre(bytes.length > 0 && fromText.ok);
      assert.deepEqual(decode(upTopic, bytes), fromText);
    }),
    { numRuns: 500, seed },
  );
});
