import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { JsonObject, JsonValue } from "../../../src/chirpstack/event.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";
import { explainPayload } from "../../../src/telemetry/mapping-trace.ts";
import type { ProfileMapping } from "../../../src/telemetry/settings.ts";
import { parseLineProtocol } from "../../support/line-protocol-parser.ts";
import { layout, mappings, payloadUplink, rowsOf, uplinkNs } from "./payload-uplink.ts";

const keyNames = [
  "time",
  "timestamp",
  "history",
  "value",
  "unit",
  "_x",
  "x",
  "x_",
  "x_y",
  "y",
  "__proto__",
  "constructor",
  "",
  "_",
  "a\nb",
  "ab",
  "f_cnt",
  "site",
  "b\\",
  "b/",
] as const;

/** Objects as a codec gone wild would make them: history, quantities, names that meet, all kinds of values. */
function anyObject(): fc.Arbitrary<JsonObject> {
  const key = fc.oneof(
    fc.constantFrom(...keyNames),
    fc.constantFrom(...keyNames),
    fc.string({ unit: "binary", maxLength: 6 }),
  );
  const { object } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<JsonValue[]>(null, true, "text", "21.50", "007", 327.67, 65_535, Infinity, Number.NaN),
      fc.constantFrom<JsonValue[]>(1_650_881_694, 1_650_881_694_123, "2022-04-25T10:14:54Z", 1e300),
      fc.double(),
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.record({
        value: tie("value"),
        unit: fc.constantFrom<JsonValue[]>("V", 1),
      }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.array(tie("object"), { maxLength: 4 }),
      tie("object"),
    ),
    object: fc
      .array(fc.tuple(key, tie("value")), { maxLength: 6 })
      .map((entries) => Object.fromEntries(entries)),
  }));
  const item = fc.tuple(fc.constantFrom<JsonValue[]>(1_650_881_694, "2022-04-25T10:14:54Z", 5, null), object);
  const history = fc
    .array(item, { maxLength: 5 })
    .map((items) => items.map(([timestamp, members]): JsonObject => Object.assign({ timestamp }, members)));
  return fc.oneof(
    object,
    fc.tuple(object, history).map(([members, items]) => Object.assign({ history: items }, members)),
  );
}

const wildMappings: readonly (readonly ProfileMapping[])[] = [
  [],
  mappings([
    {
      table: "wild",
      rename: { x: "y2", x_y: "ab", b: "z", k7: "K8", K9: "k_9", k_3: "k3" },
      drop: ["y", "constructor"],
      scale: { ab: 1e300, y2: { factor: 0.1, offset: -3 } },
      sentinel: { value: [327.67, 65_535, "007"], ab: ["text"] },
      text: ["x_"],
      explode: { history: "timestamp", x: "time", x_y: "value" },
    },
  ]),
  mappings([{ numeric_text: false, value_unit: false, explode: {} }]),
];

test("any object gives valid rows, the same each time, and never throws", () => {
  let payloadFields = 0;
  let historyRows = 0;
  fc.assert(
    fc.property(anyObject(), fc.constantFrom(...wildMappings), (object, profiles) => {
      const { points } = rowsOf(payloadUplink(object), profiles);
      assert.deepEqual(rowsOf(payloadUplink(structuredClone(object)), profiles).points, points);
      const places = new Set<string>();
      for (const point of points) {
        const names = point.fields.map((field) => field.name);
        const tagNames = new Set(point.tags.map((tag) => tag.name));
        assert.equal(new Set([...names, ...tagNames]).size, names.length + tagNames.size, "unique names");
        assert.ok(names.length + tagNames.size + 1 <= 200);
        for (const field of point.fields) {
          assert.doesNotMatch(field.name, /^time$|^_|^$|[\p{Cc}]/u);
          if (field.type === "float") assert.ok(Number.isFinite(field.value));
        }
        // What was chosen here is what arrives: the encoder finds nothing to change or to leave out.
        const [parsed] = parseLineProtocol(encodeLine(point) ?? "");
        assert.deepEqual(
          parsed?.fields.map(([name]) => name),
          names,
        );
        places.add(`${point.table} ${point.timeNs}`);
        if (names.includes("from_history")) historyRows += 1;
        payloadFields += names.length;
      }
      assert.equal(places.size, points.length, "no row overwrites another one");
    }),
    { numRuns: 1500, seed: 11 },
  );
  assert.ok(payloadFields > 3000, `${payloadFields} fields`);
  assert.ok(historyRows > 20, `${historyRows} rows of history`);
});

/** Its keys in another order at every level, as a hash map has them; arrays keep theirs. */
function shuffled(value: JsonValue, random: () => number): JsonValue {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => shuffled(item, random));
  const entries = Object.entries(value).map(([key, member]) => ({ key, member, place: random() }));
  entries.sort((a, b) => a.place - b.place);
  return Object.fromEntries(entries.map(({ key, member }) => [key, shuffled(member, random)]));
}

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Far more keys than a row has room for, on several levels, with names that meet. */
function manyKeys(): fc.Arbitrary<JsonObject> {
  const key = fc.tuple(fc.constantFrom("k", "_k", "x_y", "k_", "K"), fc.nat({ max: 150 }));
  const keys = fc.uniqueArray(
    key.map(([name, number]) => `${name}${number}`),
    { minLength: 60, maxLength: 150 },
  );
  const level = keys.map((names) => Object.fromEntries(names.map((name, index) => [name, index])));
  return fc
    .tuple(level, level, level, anyObject())
    .map(([top, inX, inK, any]) => ({ ...top, x: inX, k: inK, ...any }));
}

test("any object: the order of its keys, on any level, changes nothing", () => {
  let collisions = 0;
  let crowded = 0;
  let moved = 0;
  const object = fc.oneof(anyObject(), anyObject(), manyKeys());
  fc.assert(
    fc.property(object, fc.constantFrom(...wildMappings), fc.nat(), (object, profiles, seed) => {
      const uplink = payloadUplink(object);
      const other = payloadUplink(shuffled(object, randomFrom(seed)) as JsonObject);
      const rows = rowsOf(uplink, profiles);
      assert.deepEqual(rowsOf(other, profiles), rows);
      const trace = explainPayload(uplink, uplinkNs, layout, profiles);
      const otherTrace = explainPayload(other, uplinkNs, layout, profiles);
      assert.deepEqual(
        otherTrace.keys.map(({ path, outcome }) => `${path}: ${outcome}`),
        trace.keys.map(({ path, outcome }) => `${path}: ${outcome}`),
      );
      if (JSON.stringify(other.object) !== JSON.stringify(object)) moved += 1;
      if (trace.keys.some(({ rules }) => rules.includes("suffix added"))) collisions += 1;
      if ((rows.leftOut?.count ?? 0) > 20) crowded += 1;
    }),
    { numRuns: 500, seed: 13 },
  );
  assert.ok(moved > 200, `${moved} in another order`);
  assert.ok(collisions > 100, `${collisions} with names that meet`);
  assert.ok(crowded > 50, `${crowded} with more keys than room`);
});

test("any object: the trace tells of every field, and changes nothing", () => {
  let told = 0;
  fc.assert(
    fc.property(anyObject(), fc.constantFrom(...wildMappings), (object, profiles) => {
      const uplink = payloadUplink(object);
      const expected = new Set<string>();
      for (const point of rowsOf(uplink, profiles).points) {
        for (const field of point.fields.slice(1)) {
          if (!/^(?:f_cnt_|f_port|from_history|fields_left_out)$/.test(field.name)) {
            expected.add(`${field.name} ${field.type}`);
          }
        }
      }
      const { keys } = explainPayload(uplink, uplinkNs, layout, profiles);
      const columns = keys.filter((key) => key.fate === "field").map((key) => `${key.column} ${key.type}`);
      assert.deepEqual(new Set(columns), expected);
      told += keys.length;
    }),
    { numRuns: 500, seed: 12 },
  );
  assert.ok(told > 1000, `${told} keys`);
});
