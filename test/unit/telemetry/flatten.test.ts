import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue } from "../../../src/chirpstack/event.ts";
import { flatten } from "../../../src/telemetry/flatten.ts";

function flat(
  object: JsonObject,
  reserved: readonly string[] = [],
  maxFields = 100,
): Record<string, unknown> {
  return Object.fromEntries(
    flatten(object, reserved, maxFields).fields.map((field) => [field.name, field.value]),
  );
}

test("nested keys join with _, array items with their index", () => {
  const object = { a: { b: { c: 1 } }, list: [true, { d: "x" }, [2]], n: null };
  assert.deepEqual(flat(object), { a_b_c: 1, list_0: true, list_1_d: "x", list_2_0: 2 });
});

test("numbers are floats, always", () => {
  assert.deepEqual(flatten({ a: 25 }, [], 10).fields, [{ name: "a", type: "float", value: 25 }]);
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
  assert.deepEqual(flat({ a_b: 1, a: { b: 2 }, _a_b: 3, time: 4 }, ["time", "time_"]), {
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
  const { fields, leftOut } = flatten({ grid: Array.from({ length: 70 }, (_, index) => index) }, [], 200);
  assert.equal(fields.length, 64);
  assert.equal(fields.at(-1)?.name, "grid_63");
  assert.deepEqual(leftOut, ["grid_64…"]);
});

test("leaves beyond the room are named; null takes no room", () => {
  const { fields, leftOut } = flatten({ a: 1, b: null, c: { d: 2 }, e: 3, f: null }, [], 2);
  assert.deepEqual(
    fields.map((field) => field.name),
    ["a", "c_d"],
  );
  assert.deepEqual(leftOut, ["e"]);
});

test("depth is bounded for callers other than the decoder", () => {
  let node: JsonValue = 1;
  for (let depth = 0; depth < 20_000; depth += 1) node = { a: node };
  const { fields, leftOut } = flatten({ top: node }, [], 10);
  assert.equal(fields.length, 0);
  assert.equal(leftOut.length, 1);
});

test("long names keep room for the underscores that tell them apart", () => {
  const object: JsonObject = {};
  for (let index = 0; index < 150; index += 1) object[`${"k".repeat(300)}${index}`] = index;
  const { fields } = flatten(object, [], 200);
  assert.equal(new Set(fields.map((field) => field.name)).size, 150);
  assert.ok(fields.every((field) => field.name.length <= 512));
});

test("a huge key above many leaves is not copied for each of them", () => {
  const leaves = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [String(index), 1]));
  const started = process.cpuUsage();
  flatten({ ["\u0001".repeat(150_000)]: leaves }, [], 100);
  const { user } = process.cpuUsage(started);
  assert.ok(user < 1_000_000, `${user} µs of CPU`);
});

test("strings are cut at 16 Ki characters", () => {
  assert.equal(String(flat({ s: "x".repeat(20_000) })["s"]).length, 16_384);
});
