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
      rename: { x: "y2", x_y: "ab", b: "z" },
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
