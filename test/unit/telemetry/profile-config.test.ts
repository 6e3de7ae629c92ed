import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { defaultMapping } from "../../../src/telemetry/profile-match.ts";
import {
  checkProfileOrder,
  checkRenames,
  compileProfiles,
  profileSchema,
} from "../../../src/telemetry/profile-config.ts";
import { mappings } from "./payload-uplink.ts";

const match = { profile: "X" };

/** "path: message" of each complaint. */
function complaints(table: unknown): string[] {
  const result = profileSchema.safeParse(table);
  return result.success
    ? []
    : result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

test("a table without rules is the defaults", () => {
  const [mapping] = mappings([{ match }]);
  assert.deepEqual({ ...mapping, match: undefined }, { ...defaultMapping, match: undefined });
  assert.deepEqual(mapping?.match, { profile: "X", application: undefined, tags: new Map() });
});

test("everything that can be said is compiled", () => {
  const [mapping] = compileProfiles([
    profileSchema.parse({
      match: { profile: "EM300-TH", application: "barns", tags: { building: "7" } },
      table: "climate",
      rename: { temp: "temperature", "battery level (%)": "battery" },
      drop: ["model", "configuration"],
      scale: { humidity: 0.5, pressure: { factor: 10 }, level: { offset: -3 } },
      unit: { battery: "mV to V" },
      sentinel: { temperature: [327.67, "NULL"] },
      numeric_text: false,
      text: ["serial"],
      value_unit: false,
      explode: { logs: "date" },
    }),
  ]);
  assert.deepEqual(mapping, {
    match: { profile: "EM300-TH", application: "barns", tags: new Map([["building", "7"]]) },
    table: "climate",
    rename: new Map([
      ["temp", "temperature"],
      ["battery level (%)", "battery"],
    ]),
    drop: new Set(["model", "configuration"]),
    linear: new Map([
      ["humidity", { factor: 0.5, offset: 0 }],
      ["pressure", { factor: 10, offset: 0 }],
      ["level", { factor: 1, offset: -3 }],
      ["battery", { factor: 0.001, offset: 0 }],
    ]),
    sentinels: new Map([["temperature", new Set([327.67, "NULL"])]]),
    numericText: false,
    text: new Set(["serial"]),
    valueUnit: false,
    explode: new Map([["logs", "date"]]),
  });
});

describe("a rule that cannot be meant is refused", () => {
  const cases: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ["no match", { match: undefined }, /^match: expected a table/],
    ["an empty match", { match: {} }, /^match: expected profile, application or tags/],
    ["a match by no tags", { match: { tags: {} } }, /^match: expected profile, application or tags/],
    ["a match by an unknown key", { match: { profile: "X", device: "x" } }, /^match: unknown key/],
    ["an unknown key", { sentinels: {} }, /^: unknown key/],
    ["a table name with a dash", { table: "a-b" }, /^table: expected a table name/],
    ["a table name that begins with _", { table: "_a" }, /^table: expected a table name/],
    ["a table name of 65 letters", { table: "a".repeat(65) }, /^table: expected a table name/],
    ["a table of ours", { table: "uplink" }, /^table: is a table of ours/],
    ["a table of ours of later days", { table: "summary_hour" }, /^table: is a table of ours/],
    ["a rename onto time", { rename: { t: "time" } }, /^rename.t: "time" is a column of ours/],
    ["a rename onto a tag", { rename: { t: "dev_eui" } }, /^rename.t: "dev_eui" is a column of ours/],
    ["a rename onto our column", { rename: { t: "f_cnt" } }, /^rename.t: "f_cnt" is a column of ours/],
    ["a rename onto _x", { rename: { t: "_x" } }, /^rename.t: a column cannot begin with _/],
    ["a rename onto nothing", { rename: { t: "" } }, /^rename.t: expected the name of a column/],
    [
      "two renames onto one column",
      { rename: { a: "x", b: "x" } },
      /^rename.b: "a" is renamed to "x" already/,
    ],
    ["a key dropped and renamed", { rename: { a: "x" }, drop: ["a"] }, /^rename.a: the key is in drop too/],
    [
      "a column scaled and converted",
      { scale: { a: 2 }, unit: { a: "mV to V" } },
      /^unit.a: the column is in scale/,
    ],
    ["a factor of 0", { scale: { a: 0 } }, /^scale.a: (?:expected|a factor)/],
    ["a factor of 0 in a table", { scale: { a: { factor: 0 } } }, /^scale.a/],
    ["an infinite factor", { scale: { a: Infinity } }, /^scale.a: expected a factor/],
    ["an offset that is no number", { scale: { a: { offset: Number.NaN } } }, /^scale.a: expected a factor/],
    ["a scale with an unknown key", { scale: { a: { faktor: 2 } } }, /^scale.a: unknown key/],
    [
      "an unknown unit",
      { unit: { a: "V to bananas" } },
      /^unit.a: expected two units .*known: °C, K, °F; V, mV/,
    ],
    ["units of two kinds", { unit: { a: "V to A" } }, /^unit.a: expected two units/],
    ["an empty list of sentinels", { sentinel: { a: [] } }, /^sentinel.a: expected at least one value/],
    ["a sentinel that is no list", { sentinel: { a: 1 } }, /^sentinel.a: expected a list/],
    ["a flag as sentinel", { sentinel: { a: [true] } }, /^sentinel.a.0: expected a number or a text/],
    [
      "a text that stays one in a column with a unit",
      { unit: { a: "mV to V" }, text: ["b", "a"] },
      /^text.1: "a" is in unit too/,
    ],
    [
      "a text that stays one in a column with a scale",
      { scale: { a: 2 }, text: ["a"] },
      /^text.0: "a" is in scale too/,
    ],
    ["a list as drop's item", { drop: [["a"]] }, /^drop.0: expected the name of a payload key/],
    ["explode without a member", { explode: { a: "" } }, /^explode.a: expected the name of a member/],
    ["a list as explode", { explode: [] }, /^explode: expected a table/],
    ["a text as flag", { numeric_text: "no" }, /^numeric_text: expected true or false/],
  ];
  for (const [what, rules, expected] of cases) {
    test(what, () => {
      const [first, ...more] = complaints({ match, ...rules });
      assert.match(first ?? "accepted", expected);
      assert.deepEqual(more, []);
    });
  }

  test("a rule about a column that renaming takes away, with the column that is meant", () => {
    for (const rule of [
      { scale: { temp: 2 } },
      { unit: { temp: "K to °C" } },
      { sentinel: { temp: [1] } },
      { text: ["temp"] },
    ]) {
      const [first] = complaints({ match, rename: { temp: "temperature" }, ...rule });
      assert.match(first ?? "accepted", /: "temp" is renamed to "temperature"/);
    }
  });

  test("but names may change places, and stay what they are", () => {
    const rules = { rename: { a: "b", b: "a", c: "c" }, sentinel: { a: [1], c: [2] }, scale: { b: 2 } };
    assert.deepEqual(complaints({ match, ...rules }), []);
  });
});

test("tables with several mistakes, or of the wrong kind throughout, are told and not thrown", () => {
  const broken = complaints({ match: 1, rename: 3, drop: "a", scale: [], unit: null, text: 5, explode: 7 });
  for (const key of ["match", "rename", "drop", "scale", "unit", "text", "explode"]) {
    assert.ok(
      broken.some((complaint) => complaint.startsWith(`${key}: expected`)),
      `${key} in ${broken.join("\n")}`,
    );
  }
  for (const junk of [null, 1, "x", [], [[]]]) assert.notDeepEqual(complaints(junk), []);
});

describe("a rename onto a tag", () => {
  /** "path: message" of each complaint about the `profile` of a file with the tags `site` and `floor`. */
  function complaintsAbout(profile: unknown): string[] {
    const schema = z.unknown().superRefine((value, context) => {
      checkRenames(value, ["site", "floor"], context);
    });
    const { error } = schema.safeParse(profile);
    return (error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
  }

  test("is refused where it stands", () => {
    const profiles = [
      { match, rename: { a: "b" } },
      { match, rename: { x: "site", y: "temperature", "a b": "floor", site: "z" } },
    ];
    assert.deepEqual(complaintsAbout(profiles), [
      'profile.1.rename.x: "site" is a tag: choose another name',
      'profile.1.rename.a b: "floor" is a tag: choose another name',
    ]);
  });

  test("is looked for in what may be wrong already, and nothing throws", () => {
    for (const junk of [undefined, null, 5, "site", {}, { rename: { x: "site" } }])
      assert.deepEqual(complaintsAbout(junk), []);
    const half = [
      null,
      7,
      "x",
      [],
      {},
      { rename: null },
      { rename: "site" },
      { rename: { a: 1, b: "site" } },
    ];
    assert.deepEqual(complaintsAbout(half), ['profile.7.rename.b: "site" is a tag: choose another name']);
  });
});

describe("a [[profile]] that no device can come to", () => {
  function complaintsAbout(profile: unknown): string[] {
    const schema = z.unknown().superRefine(checkProfileOrder);
    const { error } = schema.safeParse(profile);
    return (error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
  const order = (...matches: readonly unknown[]): string[] =>
    complaintsAbout(matches.map((one) => ({ match: one })));
  const takesNothing = (index: number, before: number): string =>
    `profile.${index}.match: takes nothing: [[profile]] number ${before} before it takes all that fits here`;

  test("is refused where one before it asks for the same, or for less", () => {
    const tags = { building: "7", floor: "1" };
    const covered: readonly (readonly [unknown, unknown])[] = [
      [{ profile: "X" }, { profile: "X" }],
      [{ profile: "X" }, { profile: "X", application: "barns" }],
      [{ application: "barns" }, { profile: "X", application: "barns" }],
      [{ profile: "X" }, { profile: "X", tags }],
      [{ tags: { floor: "1" } }, { tags }],
      [{ tags }, { profile: "X", tags: { floor: "1", building: "7" } }],
    ];
    for (const [wide, narrow] of covered) {
      assert.deepEqual(order(wide, narrow), [takesNothing(1, 1)], JSON.stringify([wide, narrow]));
    }
    assert.deepEqual(order({ profile: "A" }, { profile: "B" }, { profile: "C" }, { profile: "B" }), [
      takesNothing(3, 2),
    ]);
  });

  test("is one only where all that fits it fits the other too", () => {
    const tags = { building: "7" };
    const apart: readonly (readonly [unknown, unknown])[] = [
      [{ profile: "X" }, { profile: "Y" }],
      [{ profile: "X" }, { profile: "x" }],
      [{ profile: "X" }, { application: "X" }],
      [{ profile: "X", application: "barns" }, { profile: "X" }],
      [{ profile: "X", tags }, { profile: "X" }],
      [{ tags }, { tags: { building: "8" } }],
      [{ tags: { ...tags, floor: "1" } }, { tags }],
      [{ tags: { toString: "x" } }, { profile: "X" }],
    ];
    for (const [first, second] of apart) {
      assert.deepEqual(order(first, second), [], JSON.stringify([first, second]));
    }
  });

  test("is looked for in what may be wrong already, and what is wrong covers nothing", () => {
    for (const junk of [undefined, null, 5, "X", {}, [null, 7, "x", [], {}]]) {
      assert.deepEqual(complaintsAbout(junk), []);
    }
    for (const wrong of [
      {},
      { tags: {} },
      { profile: 5, application: "a" },
      { profile: "X", device: "x" },
      1,
    ]) {
      assert.deepEqual(order(wrong, { profile: "X", application: "a" }), [], JSON.stringify(wrong));
    }
    assert.deepEqual(order({ profile: "X" }, 1, { profile: "X" }), [takesNothing(2, 1)]);
  });
});

test("it can be said as JSON Schema, with a description for every key", () => {
  const schema = z.toJSONSchema(profileSchema, { target: "draft-2020-12", io: "input" });
  const properties = Object.entries(schema.properties ?? {});
  assert.ok(properties.length >= 11);
  for (const [key, property] of properties) {
    assert.ok(typeof property === "object" && property.description !== undefined, key);
  }
});
