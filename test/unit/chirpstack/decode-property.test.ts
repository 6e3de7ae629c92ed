/** `decode` is total and linear, and its reading of JSON is protobuf-es's own wherever that has one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { decode } from "../../../src/chirpstack/decode.ts";
import { DroppedParts } from "../../../src/chirpstack/dropped.ts";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { readLeniently } from "../../../src/chirpstack/lenient-json.ts";
import { UplinkEventSchema } from "../../../src/proto/integration/integration_pb.js";
import { samples, toJsonBytes, toProtobufBytes, upTopic } from "./samples.ts";

const seed = 20_251_122;

/** Every outcome is an event or a quarantine; anything thrown fails the property. */
function outcome(topic: string, payload: Uint8Array): string {
  const result = decode(topic, payload);
  if (result.ok) return result.value.kind;
  assert.equal(result.fault.disposition, "quarantine");
  assert.match(result.fault.code, /^decode_/);
  return result.fault.code;
}

const topics = fc.constantFrom("site-a", "a/rx", ...samples().map(({ topic }) => topic));

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
  for (const code of [
    "decode_not_protobuf",
    "decode_unknown_event",
    "decode_no_device",
    "decode_no_gateway",
  ]) {
    assert.ok(seen.has(code), [...seen].join());
  }
});

test("mutated events of both encodings never throw", () => {
  const events = samples().flatMap(({ topic, schema, json }) => [
    { topic, sample: toJsonBytes(json) },
    { topic, sample: toProtobufBytes(json, schema) },
  ]);
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("set", "cut", "double")), {
    minLength: 1,
    maxLength: 6,
  });
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...events), edits, ({ topic, sample }, changes) => {
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
      seen.add(outcome(topic, bytes));
    }),
    { numRuns: 4000, seed },
  );
  for (const kind of ["up", "txack", "gateway/mesh", "decode_not_json", "decode_not_protobuf"]) {
    assert.ok(seen.has(kind), kind);
  }
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

/** The ways to every member of a sample, and to some that it does not have. */
function placesOf(json: unknown, way: readonly string[] = []): (readonly string[])[] {
  if (typeof json !== "object" || json === null) return [];
  const below = Object.entries(json).flatMap(([key, value]) => [
    [...way, key],
    ...placesOf(value, [...way, key]),
  ]);
  return Array.isArray(json) ? below : [...below, [...way, "time"], [...way, "object"], [...way, "metadata"]];
}

test("any JSON in any place of any event never throws, and prototypes stay clean", () => {
  const places = samples().flatMap(({ topic, json }, sample) =>
    placesOf(json).map((place) => ({ topic, sample, place })),
  );
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...places), awkwardJson, ({ topic, sample, place }, value) => {
      const event = samples()[sample]?.json;
      let node = event as Record<string, unknown>;
      for (const step of place.slice(0, -1)) node = node[step] as Record<string, unknown>;
      node[place.at(-1) ?? ""] = value;
      seen.add(outcome(topic, toJsonBytes(event)));
      assert.deepEqual(Object.keys(Object.prototype), []);
    }),
    { numRuns: 6000, seed },
  );
  const kinds = samples().map(({ topic, json }) => outcome(topic, toJsonBytes(json)));
  assert.equal(kinds.length, 11);
  assert.deepEqual([...seen].sort(), ["decode_no_device", "decode_no_gateway", "unmapped", ...kinds].sort());
});

/** The field numbers on the way to each field that holds messages; not into protobuf's own types. */
function messageFields(desc: DescMessage, way: readonly number[] = []): (readonly number[])[] {
  if (desc.typeName.startsWith("google.protobuf.")) return [];
  return desc.fields.flatMap((field) => {
    const { message } = field;
    if (message === undefined) return [];
    return [[...way, field.number], ...messageFields(message, [...way, field.number])];
  });
}

function lengthDelimited(number: number, content: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(content).finish();
}

test("a quarter of a megabyte of one embedded message, repeated, is decoded or refused at once", () => {
  let tried = 0;
  for (const { topic, schema } of samples()) {
    for (const way of messageFields(schema)) {
      const outer = way.slice(0, -1);
      const piece = lengthDelimited(way.at(-1) ?? 0, new Uint8Array(0));
      const pieces = Buffer.concat(Array.from({ length: Math.floor(250_000 / piece.length) }, () => piece));
      const whole = outer
        .toReversed()
        .reduce<Uint8Array>((inner, number) => lengthDelimited(number, inner), pieces);
      const started = performance.now();
      outcome(topic, whole);
      const tookMs = performance.now() - started;
      // Linear work takes some tens of milliseconds; merged quadratically, an object takes minutes.
      assert.ok(tookMs < 2000, `${topic}, field ${way.join(".")}: ${tookMs} ms`);
      tried += 1;
    }
  }
  assert.ok(tried > 40, `${tried} fields`);
});

test("every message that is no list is refused when it is there twice, as merging it may cost the square", () => {
  for (const { topic, schema, json } of samples()) {
    for (const field of schema.fields) {
      const payload = Buffer.concat([
        toProtobufBytes(json, schema),
        lengthDelimited(field.number, new Uint8Array(0)),
        lengthDelimited(field.number, new Uint8Array(0)),
      ]);
      if (field.fieldKind === "message") {
        assert.equal(outcome(topic, payload), "decode_not_protobuf", `${topic}, ${field.name}`);
      }
    }
  }
});

test("an object in 80,000 pieces, each with a member, is refused at once", () => {
  const member = lengthDelimited(1, lengthDelimited(1, Buffer.from("k")));
  for (const { topic, schema, json } of samples()) {
    const object = schema.fields.find((field) => field.name === "object");
    if (object === undefined) continue;
    const piece = lengthDelimited(object.number, member);
    const pieces = Array.from({ length: Math.floor(250_000 / piece.length) }, () => piece);
    const started = performance.now();
    assert.equal(
      outcome(topic, Buffer.concat([toProtobufBytes(json, schema), ...pieces])),
      "decode_not_protobuf",
    );
    assert.ok(performance.now() - started < 1000);
  }
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

test("well-formed JSON is read exactly as protobuf-es reads it, with all kinds of field", () => {
  for (const { schema, json } of samples()) {
    const dropped = new DroppedParts();
    const expected = fromJson(schema, json, { ignoreUnknownFields: true });
    // Structs are left to the caller.
    if ("object" in expected) delete expected.object;
    assert.deepEqual(readLeniently(schema, json, "", dropped), expected);
    assert.deepEqual(dropped.paths(), []);
  }
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
