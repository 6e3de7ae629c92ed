import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue } from "../../../src/chirpstack/event.ts";
import { flatten } from "../../../src/telemetry/flatten.ts";
import type { Flattened, FlattenOptions } from "../../../src/telemetry/flatten.ts";
import { defaultMapping } from "../../../src/telemetry/profile-match.ts";

function flattened(object: JsonObject, options: Partial<FlattenOptions> = {}): Flattened {
  const defaults = { rules: defaultMapping, reserved: [], maxFields: 100 };
  return flatten(object, { ...defaults, skip: undefined, explode: undefined, trace: undefined, ...options });
}

function flat(object: JsonObject, options: Partial<FlattenOptions> = {}): Record<string, unknown> {
  return Object.fromEntries(flattened(object, options).fields.map((field) => [field.name, field.value]));
}

test("nested keys join with _, array items with their index", () => {
  const object = { a: { b: { c: 1 } }, list: [true, { d: "x" }, [2]], n: null };
  assert.deepEqual(flat(object), { a_b_c: 1, list_0: true, list_1_d: "x", list_2_0: 2 });
});

test("numbers are floats, always; what is not finite is no field", () => {
  const { fields } = flattened({ a: 25, b: Number.NaN, c: -Infinity });
  assert.deepEqual(fields, [{ name: "a", type: "float", value: 25 }]);
});

test("names lose leading underscores and control characters, and are never empty", () => {
  assert.deepEqual(flat({ _type: 1, "": 2, __: 3, "a\nb": 4, "\t": 5 }), {
    type: 1,
    value: 2,
    value_: 3,
    ab: 4,
    value__: 5,
  });
});

test("names that meet get underscores in their order", () => {
  const object = { a_b: 1, a: { b: 2 }, _a_b: 3, time: 4 };
  assert.deepEqual(flat(object, { reserved: ["time", "time_"] }), {
    a_b: 1,
    a_b_: 2,
    a_b__: 3,
    time__: 4,
  });
});

test("own keys called __proto__ are columns like any other", () => {
  const object = JSON.parse('{"__proto__":{"x":1},"constructor":2,"toString":3}') as JsonObject;
  assert.deepEqual(flat(object), { proto___x: 1, constructor: 2, toString: 3 });
});

test("arrays are cut at 64 items, and that is told", () => {
  const { fields, leftOut, leftOutCount } = flattened({
    grid: Array.from({ length: 70 }, (_, index) => index),
  });
  assert.equal(fields.length, 64);
  assert.equal(fields.at(-1)?.name, "grid_63");
  assert.deepEqual(leftOut, ["grid_64…"]);
  assert.equal(leftOutCount, 1);
});

test("leaves beyond the room are named; null takes no room", () => {
  const { fields, leftOut } = flattened({ a: 1, b: null, c: { d: 2 }, e: 3, f: null }, { maxFields: 2 });
  assert.deepEqual(
    fields.map((field) => field.name),
    ["a", "c_d"],
  );
  assert.deepEqual(leftOut, ["e"]);
});

test("all that is left out is counted; the first twenty are named, briefly", () => {
  const object = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`${index}\n${"k".repeat(300)}`, 1]),
  );
  const { leftOut, leftOutCount } = flattened(object, { maxFields: 10 });
  assert.equal(leftOutCount, 50);
  assert.equal(leftOut.length, 20);
  for (const name of leftOut) assert.match(name, /^\d+k{60,98}$/);
});

test("depth is bounded for callers other than the decoder", () => {
  let node: JsonValue = 1;
  for (let depth = 0; depth < 20_000; depth += 1) node = { a: node };
  const { fields, leftOut } = flattened({ top: node });
  assert.equal(fields.length, 0);
  assert.equal(leftOut.length, 1);
});

test("long names keep room for the underscores that tell them apart", () => {
  const object: JsonObject = {};
  for (let index = 0; index < 150; index += 1) object[`${"k".repeat(300)}${index}`] = index;
  const { fields } = flattened(object, { maxFields: 200 });
  assert.equal(new Set(fields.map((field) => field.name)).size, 150);
  assert.ok(fields.every((field) => field.name.length <= 512));
});

test("a huge key above many leaves is not copied for each of them", () => {
  const leaves = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [String(index), 1]));
  const started = process.cpuUsage();
  flattened({ ["\u0001".repeat(150_000)]: leaves });
  const { user } = process.cpuUsage(started);
  assert.ok(user < 1_000_000, `${user} µs of CPU`);
});

test("strings are cut at 16 Ki characters", () => {
  assert.equal(String(flat({ s: "x".repeat(20_000) })["s"]).length, 16_384);
});

test("a quantity is its value, at any depth, whatever texts are beside it", () => {
  const object = {
    a: { value: 10, unit: "W⋅m⁻²", displayName: "Radiation" },
    b: [{ value: "2.50", unit: "V" }, { c: { unit: "", value: true } }],
    d: { value: null, unit: "%" },
    e: { displayName: "Moisture", value: 0.3 },
  };
  assert.deepEqual(flat(object), { a: 10, b_0: 2.5, b_1_c: true, e: 0.3 });
  const rules = { ...defaultMapping, valueUnit: false };
  assert.deepEqual(flat({ a: object.a }, { rules }), {
    a_value: 10,
    a_unit: "W⋅m⁻²",
    a_displayName: "Radiation",
  });
});

test("what is more or less than a quantity stays as it is", () => {
  assert.deepEqual(
    flat({
      value: 1,
      unit: "V",
      more: { value: 1, unit: "V", min: 0 },
      less: { unit: "V" },
      nested: { value: [1], unit: "V" },
      bare: { value: 1 },
      number: { value: 1, unit: 5 },
    }),
    {
      value: 1,
      unit: "V",
      more_value: 1,
      more_unit: "V",
      more_min: 0,
      less_unit: "V",
      nested_value_0: 1,
      nested_unit: "V",
      bare_value: 1,
      number_value: 1,
      number_unit: 5,
    },
  );
});

test("drop takes a leaf, a quantity, an object or an array away, with all that is below", () => {
  const rules = { ...defaultMapping, drop: new Set(["a", "b_c", "list", "q", "grid_1"]) };
  const object = {
    a: 1,
    b: { c: { d: 1, e: 2 }, f: 3 },
    list: [{ x: 1 }],
    q: { value: 1, unit: "V" },
    grid: [1, 2, 3],
    ab: 4,
  };
  assert.deepEqual(flat(object, { rules }), { b_f: 3, grid_0: 1, grid_2: 3, ab: 4 });
});

test("a renamed key is cleaned and made unique like any other", () => {
  const rename = new Map([
    ["temp", "temperature"],
    ["b_c", "x\ny"],
    ["d", "time"],
    ["_e", "__e"],
    ["q", "quantity"],
  ]);
  const rules = { ...defaultMapping, rename };
  const object = { temperature: 1, temp: 2, b: { c: 3 }, d: 4, _e: 5, q: { value: 6, unit: "V" } };
  assert.deepEqual(flat(object, { rules, reserved: ["time"] }), {
    temperature: 1,
    temperature_: 2,
    xy: 3,
    time_: 4,
    e: 5,
    quantity: 6,
  });
});

test("a sentinel leaves its name taken: a neighbour must not move when a probe is unplugged", () => {
  const rules = { ...defaultMapping, sentinels: new Map([["a_b", new Set([327.67])]]) };
  assert.deepEqual(flat({ a_b: 327.67, a: { b: 2 } }, { rules }), { a_b_: 2 });
  assert.deepEqual(flat({ a_b: 21, a: { b: 2 } }, { rules }), { a_b: 21, a_b_: 2 });
});

test("a skipped key is one of the object itself, not of what is below", () => {
  assert.deepEqual(flat({ at: 1, b: { at: 2 } }, { skip: "at" }), { b_at: 2 });
});
