import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject, JsonValue } from "../../../src/chirpstack/event.ts";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { explainPayload } from "../../../src/telemetry/mapping-trace.ts";
import type { MappingTrace } from "../../../src/telemetry/mapping-trace.ts";
import { mappings, noTags, payloadUplink, uplinkNs } from "./payload-uplink.ts";

function explain(object: JsonObject, profile?: Record<string, unknown>): MappingTrace {
  const profiles = profile === undefined ? [] : mappings([{ match: { profile: "other" } }, profile]);
  return explainPayload(payloadUplink(object), uplinkNs, noTags, profiles);
}

function words({ keys }: MappingTrace): string[] {
  return keys.map(
    ({ path, inside, outcome }) => `${inside === undefined ? "" : `${inside}: `}${path}: ${outcome}`,
  );
}

test("says of every key what becomes of it, by the defaults", () => {
  const trace = explain({
    temp: 21.5,
    open: true,
    battery: "3.10",
    wind: { value: 2, unit: "m/s", displayName: "Wind" },
    time: 5,
    gone: null,
    bad: Number.NaN,
    list: [],
    nested: { nothing: {} },
  });
  assert.deepEqual(words(trace), [
    "bad: not a number that a double can hold: left out and counted in fields_left_out",
    "battery: column battery, float; text made number",
    "gone: null: no field",
    "list: empty: no field",
    "nested_nothing: empty: no field",
    "open: column open, boolean",
    "temp: column temp, float",
    "time: column time_, float; time is taken or reserved, suffix added",
    "wind: column wind, float; value of {value, unit}",
  ]);
  assert.equal(trace.mapping, undefined);
  assert.equal(trace.table, "telemetry_em300_th");
  assert.deepEqual(
    trace.keys.map((key) => key.values),
    [["NaN"], ["3.10"], [null], [[]], [{}], [true], [21.5], [5], [2]],
  );
});

test("and by a [[profile]], which it counts as the file does", () => {
  const trace = explain(
    { TempC: "327.67", Volt: 3652, model: { a: 1 }, big: 1e300, probe: 20 },
    {
      table: "climate",
      rename: { TempC: "temperature", Volt: "battery" },
      sentinel: { temperature: [327.67] },
      unit: { battery: "mV to V" },
      scale: { big: 1e300 },
      drop: ["model"],
    },
  );
  assert.deepEqual(words(trace), [
    "TempC: sentinel: no field in column temperature",
    "Volt: column battery, float; renamed from Volt; scaled to 3.652",
    "big: too large once scaled: no field in column big",
    "model: dropped",
    "probe: column probe, float",
  ]);
  assert.equal(trace.mapping, 2);
  assert.equal(trace.table, "climate");
});

test("keys of exploded items are told once for each fate, with all their values", () => {
  const history = [
    { timestamp: 1_650_881_694, t: 20 },
    { timestamp: 1_650_881_700, t: 327.67 },
    { timestamp: 1_650_881_706, t: 21 },
  ];
  const trace = explain({ history }, { sentinel: { t: [327.67] } });
  assert.deepEqual(words(trace), [
    "history: exploded into 2 rows of their own time; 1 without a value made none",
    "history: t: column t, float",
    "history: timestamp: the time of its row",
    "history: t: sentinel: no field in column t",
  ]);
  assert.deepEqual(trace.keys[1]?.values, [20, 21]);
  assert.deepEqual(trace.keys[2]?.values, [1_650_881_694, 1_650_881_700, 1_650_881_706]);
});

test("items that cannot be rows are told once, with all of them", () => {
  const lost = [{ timestamp: 1204, t: 1 }, { t: 2 }];
  const trace = explain({ history: [lost[0] ?? null, { timestamp: 1_650_881_694, t: 20 }, lost[1] ?? null] });
  assert.deepEqual(words(trace), [
    "history: exploded into 1 row of their own time",
    "history: no time that can be right: left out and counted in fields_left_out",
    "history: t: column t, float",
    "history: timestamp: the time of its row",
  ]);
  assert.deepEqual(trace.keys[1]?.values, lost);
  assert.deepEqual(words(explain({ history: lost })), [
    "history: no time that can be right: left out and counted in fields_left_out",
  ]);
});

test("keys that meet are told with the names that they got", () => {
  assert.deepEqual(
    words(explain({ type: 1, _type: 2, temperature: 3, temp: 4 }, { rename: { temp: "temperature" } })),
    [
      "_type: column type_, float; type is taken or reserved, suffix added",
      "temp: column temperature, float; renamed from temp",
      "temperature: column temperature_, float; temperature is taken or reserved, suffix added",
      "type: column type, float",
    ],
  );
});

test("an array whose items have a time each is pointed out when it is not exploded", () => {
  const trace = explain({ logs: [{ volume: 3, date: "2025-06-13T10:00:00Z" }], wifi: [{ mac: "x" }] });
  assert.deepEqual(words(trace), [
    "logs: flattened; its items have a time each, in date",
    "logs_0_date: column logs_0_date, string",
    "logs_0_volume: column logs_0_volume, float",
    "wifi_0_mac: column wifi_0_mac, string",
  ]);
  assert.equal(trace.keys[0]?.timeMember, "date");
  const [time, date] = ["2025-06-13T10:00:00Z", "2025-06-13T09:00:00Z"];
  for (const item of [
    { time, date },
    { date, time },
  ])
    assert.equal(explain({ logs: [item] }).keys[0]?.timeMember, "date");
});

test("what finds no room is told, and the trace itself is bounded", () => {
  const trace = explain(Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, index])));
  assert.equal(trace.keys.length, 2000);
  assert.equal(trace.untraced, 3000);
  assert.equal(trace.keys[0]?.fate, "field");
  assert.equal(trace.keys[199]?.outcome, "no room: left out and counted in fields_left_out");
});

test("an uplink without a payload has no keys", () => {
  assert.deepEqual(explainPayload(payloadUplink(undefined), uplinkNs, noTags, []).keys, []);
});

test("what is too deep, too large or too long is told with its reason", () => {
  let node: JsonValue = 1;
  for (let level = 0; level < 40; level += 1) node = { d: node };
  const trace = explain({ deep: node, huge: Infinity, long: "x".repeat(16_385), short: "x".repeat(16_384) });
  const outcomes = trace.keys.map(({ outcome }) => outcome);
  assert.deepEqual(outcomes, [
    "deeper than 32 levels: left out and counted in fields_left_out",
    "not a number that a double can hold: left out and counted in fields_left_out",
    "column long, string; cut to its first 16384 characters",
    "column short, string",
  ]);
  assert.deepEqual(trace.keys[1]?.values, ["Infinity"]);
});

describe("in a table whose columns are known", () => {
  const explainIn = (object: JsonObject, known: [string, ColumnType][]): MappingTrace =>
    explainPayload(payloadUplink(object), uplinkNs, noTags, [], new Map(known));
  const places = ({ keys }: MappingTrace) => keys.map(({ path, fate, written }) => [path, fate, written]);

  test("a value goes where it will be written; a new column depends on who is first", () => {
    const trace = explainIn({ a: 1, n: "on", z: true }, [
      ["a", "float"],
      ["n", "float"],
    ]);
    assert.deepEqual(places(trace), [
      ["a", "field", "a"],
      ["n", "field", "n_text"],
      ["z", "field", undefined],
    ]);
    assert.deepEqual(words(trace), [
      "a: column a, float",
      "n: column n_text, string; n is of type float there",
      "z: column z, boolean",
    ]);
  });

  test("a full table takes what it has, and nothing new", () => {
    const full = Array.from({ length: 200 }, (_, n): [string, ColumnType] => [`c${n}`, "float"]);
    const trace = explainIn({ c7: 1, c8: "on", fresh: 2 }, full);
    assert.deepEqual(places(trace), [
      ["c7", "field", "c7"],
      ["c8", "no column", undefined],
      ["fresh", "no column", undefined],
    ]);
    assert.match(trace.keys[2]?.outcome ?? "", /^no field: the table is full/);
  });

  test("rows of a history are each fitted, also after items that make none", () => {
    const history = [{ timestamp: 1_650_881_694 }, { timestamp: 1_650_881_700, n: "on" }];
    const trace = explainIn({ history }, [["n", "float"]]);
    assert.deepEqual(places(trace).at(-1), ["n", "field", "n_text"]);
    assert.equal(
      trace.keys[0]?.outcome,
      "exploded into 1 row of their own time; 1 without a value made none",
    );
  });

  test("where nothing beside it is free, that is said", () => {
    const known: [string, ColumnType][] = [
      ["n", "float"],
      ["n_text", "float"],
    ];
    for (let number = 2; number <= 9; number += 1) known.push([`n_text_${number}`, "float"]);
    assert.match(explainIn({ n: "on" }, known).keys[0]?.outcome ?? "", /^no field: .*another type/);
  });
});
