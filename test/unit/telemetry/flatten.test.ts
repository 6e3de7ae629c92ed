import assert from "node:assert/strict";
import { describe, test } from "node:test";
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

test("numbers are floats, always; what is not finite is left out and counted", () => {
  const { fields, leftOut, leftOutCount } = flattened({ a: 25, b: Number.NaN, c: { d: -Infinity } });
  assert.deepEqual(fields, [{ name: "a", type: "float", value: 25 }]);
  assert.deepEqual([leftOut, leftOutCount], [["b", "c_d"], 2]);
});

test("names lose leading underscores and control characters, and are never empty", () => {
  assert.deepEqual(flat({ _type: 1, "": 2, __: 3, "a\nb": 4, "\t": 5 }), {
    type: 1,
    value: 2,
    value_: 5,
    ab: 4,
    value__: 3,
  });
});

describe("a name that several want", () => {
  const wanted = (object: JsonObject, rename: Record<string, string> = {}): Record<string, unknown> => {
    const rules = { ...defaultMapping, rename: new Map(Object.entries(rename)) };
    const reversed = Object.fromEntries(Object.entries(object).toReversed());
    const reserved = ["time", "time_"];
    assert.deepEqual(flat(reversed, { rules, reserved }), flat(object, { rules, reserved }));
    return flat(object, { rules, reserved });
  };

  test("is that of the key which is called so, before those that come to it by joining or cleaning", () => {
    const object = { a_b: 1, a: { b: 2 }, _a_b: 3, time: 4 };
    assert.deepEqual(wanted(object), { a_b: 1, a_b_: 3, a_b__: 2, time__: 4 });
    assert.deepEqual(wanted({ _type: "full data", type: "x" }), { type: "x", type_: "full data" });
    assert.deepEqual(wanted({ "a\nb": 1, ab: 2 }), { ab: 2, ab_: 1 });
  });

  test("is that of the renamed key, before the one which is called so", () => {
    assert.deepEqual(wanted({ temp: 1, temperature: 2 }, { temp: "temperature" }), {
      temperature: 1,
      temperature_: 2,
    });
    assert.deepEqual(wanted({ x: 1, y: 2 }, { x: "y", y: "x" }), { y: 1, x: 2 });
    assert.deepEqual(wanted({ c: { d: 1 }, c_d: 2, x: 3 }, { c_d: "x" }), { x: 2, x_: 1, x__: 3 });
  });

  test("is not taken by the `_` of a loser", () => {
    assert.deepEqual(wanted({ a: 1, _a: 2, a_: 3 }), { a: 1, a_: 3, a__: 2 });
    assert.deepEqual(wanted({ time: 1, time__: 2 }), { time__: 2, time___: 1 });
  });

  test("may be scaled: the rules are those of the name that a key gets", () => {
    const linear = new Map([["temperature", { factor: 0.1, offset: 0 }]]);
    const rules = { ...defaultMapping, rename: new Map([["temp", "temperature"]]), linear };
    for (const object of [
      { temp: 215, temperature: 9 },
      { temperature: 9, temp: 215 },
    ])
      assert.deepEqual(flat(object, { rules }), { temperature: 21.5, temperature_: 9 });
  });
});

test("keys are visited in the order of their code units, items in their own", () => {
  const object = { b: 1, "10": 2, "9": 3, Z: 4, a: { d: 5, c: [6, 7] }, ä: 8, "\u{1F404}": 9, "\uFF21": 10 };
  assert.deepEqual(
    flattened(object).fields.map(({ name }) => name),
    ["10", "9", "Z", "a_c_0", "a_c_1", "a_d", "b", "ä", "\u{1F404}", "\uFF21"],
  );
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

test("which leaves find room does not depend on the order of keys, nor on what a sentinel is", () => {
  const keys = Array.from({ length: 250 }, (_, index) => `k${index}`);
  const of = (order: readonly string[], value: number): string[] => {
    const sentinels = new Map(keys.slice(0, 100).map((key) => [key, new Set([327.67])]));
    const rules = { ...defaultMapping, sentinels };
    const object = Object.fromEntries(order.map((key) => [key, value]));
    return [...flattened(object, { rules, maxFields: 200 }).leftOut];
  };
  const expected = keys.toSorted().slice(200, 220);
  assert.deepEqual(of(keys, 1), expected);
  assert.deepEqual(of(keys.toReversed(), 1), expected);
  assert.deepEqual(of(keys, 327.67), expected);
});

test("all that is left out is counted; the first twenty are named, briefly", () => {
  const object = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`${index}\n${"k".repeat(300)}`, 1]),
  );
  const { leftOut, leftOutCount } = flattened(object, { maxFields: 10 });
  assert.equal(leftOutCount, 50);
  assert.equal(leftOut.length, 20);
  for (const name of leftOut) assert.match(name, /^\d+k{60,99}$/);
});

test("32 levels are taken; what is deeper is left out and counted as one", () => {
  const nested = (levels: number): JsonObject => {
    let node: JsonObject = { leaf: 1, other: 2 };
    for (let level = 1; level < levels; level += 1) node = { d: node };
    return node;
  };
  assert.equal(flattened(nested(32)).fields.length, 2);
  assert.deepEqual(
    [flattened(nested(33)).fields.length, flattened(nested(33)).leftOut, flattened(nested(33)).leftOutCount],
    [0, [`${Array.from({ length: 32 }, () => "d").join("_")}…`], 1],
  );
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

test("a quantity is its value, at any depth, with texts that describe it", () => {
  const object = {
    a: { value: 10, unit: "W⋅m⁻²", displayName: "Radiation" },
    b: [{ value: "2.50", unit: "V" }, { c: { unit: "", value: true } }],
    d: { value: null, unit: "%" },
    e: { displayName: "Moisture", value: 0.3 },
    f: { value: 7, unit: "V", name: "Battery", label: "B", description: "of the node" },
  };
  assert.deepEqual(flat(object), { a: 10, b_0: 2.5, b_1_c: true, e: 0.3, f: 7 });
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
      named: { value: 1, unit: "V", name: 3 },
      faulty: { value: 21.4, unit: "C", status: "sensor_fault", time: "2025-06-13T10:00:00Z" },
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
      named_value: 1,
      named_unit: "V",
      named_name: 3,
      faulty_value: 21.4,
      faulty_unit: "C",
      faulty_status: "sensor_fault",
      faulty_time: "2025-06-13T10:00:00Z",
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
    temperature: 2,
    temperature_: 1,
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
