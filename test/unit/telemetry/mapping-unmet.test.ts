import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../../src/chirpstack/event.ts";
import { unmetRules } from "../../../src/telemetry/mapping-unmet.ts";
import { defaultMapping } from "../../../src/telemetry/profile-match.ts";
import { traces } from "./mapping-fixture.ts";
import { mappings } from "./payload-uplink.ts";

function unmet(object: JsonObject, rules: Record<string, unknown>) {
  const profiles = mappings([rules]);
  return unmetRules(traces([object], profiles), profiles[0] ?? defaultMapping).map(({ table, name, hint }) =>
    [table, name, hint ?? ""].join(", "),
  );
}

const object: JsonObject = {
  status: { mounted: true, volts: 3300 },
  config: { a: { b: 1 } },
  deep: { list: [{ t: 1 }] },
  flagcol: true,
  gone: null,
};

test("rules that met nothing are told, with the name that nested keys have", () => {
  const rules = {
    drop: ["config.a", "nobody"],
    rename: { "status.mounted": "mounted" },
    explode: { "deep.list": "t" },
    unit: { flagcol: "mV to V", "status.volts": "mV to V" },
    sentinel: { nothing: [1] },
    text: ["status.volts2"],
  };
  assert.deepEqual(unmet(object, rules), [
    "drop, config.a, nested keys join with _: config_a",
    "drop, nobody, ",
    "rename, status.mounted, nested keys join with _: status_mounted",
    "explode, deep.list, nested keys join with _: deep_list",
    "scale or unit, flagcol, the column has no numbers",
    "scale or unit, status.volts, nested keys join with _: status_volts",
    "sentinel, nothing, ",
    "text, status.volts2, ",
  ]);
});

test("rules that met something are not, nor is what holds without being told", () => {
  const rules = {
    drop: ["config_a", "gone"],
    rename: { status_mounted: "mounted" },
    unit: { status_volts: "mV to V" },
    sentinel: { status_volts: [0] },
    text: ["mounted"],
  };
  assert.deepEqual(unmet(object, rules), []);
  const list = [{ at: 1_650_881_700, t: 1 }, { t: 2 }];
  assert.deepEqual(unmet({ list }, { explode: { list: "at" } }), []);
  assert.deepEqual(unmet({ list }, { explode: { list: "when" } }), ["explode, list, "]);
});

test("nothing is told of payloads whose keys are too many to be looked at", () => {
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`k${n}`, n]));
  assert.deepEqual(unmet(many, { drop: ["nobody"] }), []);
});
