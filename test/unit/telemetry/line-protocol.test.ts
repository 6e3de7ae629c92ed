import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { encodeLine, isWritableField, isWritableTag } from "../../../src/telemetry/line-protocol.ts";
import type { Field, Point, Tag } from "../../../src/telemetry/point.ts";
import { LineProtocolError, parseLineProtocol } from "../../support/line-protocol-parser.ts";
import type { ParsedLine, ParsedValue } from "../../support/line-protocol-parser.ts";

const float = (name: string, value: number): Field => ({ name, type: "float", value });
const integer = (name: string, value: number): Field => ({ name, type: "integer", value });
const string = (name: string, value: string): Field => ({ name, type: "string", value });

function line(parts: Partial<Point>): string | undefined {
  return encodeLine({ table: "t", tags: [], fields: [float("v", 1)], timeNs: 5n, ...parts });
}

describe("text", () => {
  test("a plain point", () => {
    const point: Point = {
      table: "uplink",
      tags: [
        { name: "dev_eui", value: "24e124538b223213" },
        { name: "site", value: "barn 7" },
      ],
      fields: [
        float("snr", -7.5),
        integer("f_cnt", 153),
        string("name", 'a "b"\nc\\'),
        { name: "adr", type: "boolean", value: true },
      ],
      timeNs: 1_749_818_692_653_481_123n,
    };
    assert.equal(
      encodeLine(point),
      String.raw`uplink,dev_eui=24e124538b223213,site=barn\ 7 snr=-7.5,f_cnt=153i,name="a \"b\"` +
        "\n" +
        String.raw`c\\",adr=true 1749818692653481123`,
    );
  });

  test("floats in the shortest form, with or without exponent", () => {
    const written = (value: number): string | undefined => line({ fields: [float("v", value)] });
    assert.equal(written(25), "t v=25 5");
    assert.equal(written(1e21), "t v=1e+21 5");
    assert.equal(written(-1.5e-7), "t v=-1.5e-7 5");
    assert.equal(written(5e-324), "t v=5e-324 5");
    assert.equal(written(-0), "t v=0 5");
  });

  test("a backslash that the parsers would read differently becomes a slash", () => {
    const tag = (value: string): string | undefined => line({ tags: [{ name: "p", value }] });
    assert.equal(tag("x\\"), "t,p=x/ v=1 5");
    assert.equal(tag(String.raw`C:\temp`), String.raw`t,p=C:\temp v=1 5`);
    assert.equal(tag(String.raw`\\server\share`), String.raw`t,p=/\server\share v=1 5`);
    assert.equal(tag(String.raw`a\ b`), String.raw`t,p=a/\ b v=1 5`);
    assert.equal(line({ table: "m\\" }), "m/ v=1 5");
    assert.equal(line({ fields: [float("k\\", 1)] }), "t k/=1 5");
  });

  test("control characters and comments cannot begin another line", () => {
    assert.equal(line({ table: "#m\n#x" }), "m#x v=1 5");
    assert.equal(line({ tags: [{ name: "a\nb", value: "c\nd\te" }] }), String.raw`t,ab=c\ d\ e v=1 5`);
    assert.equal(line({ fields: [float("a\r\nb\0", 1)] }), "t ab=1 5");
  });
});

describe("what cannot be written", () => {
  test("is left out, and nothing is written when no field is left", () => {
    assert.equal(line({ fields: [] }), undefined);
    assert.equal(line({ table: "\n" }), undefined);
    assert.equal(line({ table: "##" }), undefined);
    for (const value of [Number.NaN, Infinity, -Infinity])
      assert.equal(line({ fields: [float("v", value)] }), undefined);
    for (const value of [1.5, 2 ** 53, Number.NaN])
      assert.equal(line({ fields: [integer("v", value)] }), undefined);
    assert.equal(line({ fields: [integer("v", -0)] }), "t v=0i 5");
    assert.equal(line({ fields: [float("\t", 1), float("w", 2)] }), "t w=2 5");
    assert.equal(
      line({
        tags: [
          { name: "", value: "x" },
          { name: "a", value: "" },
          { name: "b", value: " \n " },
        ],
      }),
      "t v=1 5",
    );
  });

  test("times that an i64 cannot hold give no line", () => {
    const limit = (1n << 63n) - 2n;
    assert.equal(line({ timeNs: limit }), `t v=1 ${limit}`);
    assert.equal(line({ timeNs: -limit }), `t v=1 -${limit}`);
    assert.equal(line({ timeNs: limit + 1n }), undefined);
    assert.equal(line({ timeNs: -limit - 1n }), undefined);
  });

  test("a column is written once: tags before fields, first come first served, and never `time`", () => {
    const tags: Tag[] = [
      { name: "a", value: "1" },
      { name: "a\n", value: "2" },
      { name: "time", value: "3" },
    ];
    const fields = [float("a", 4), float("b", 5), float("b", 6), float("time", 7)];
    assert.equal(line({ tags, fields }), "t,a=1 b=5 5");
  });

  test("long texts are cut without breaking a character", () => {
    const [parsed] = parseLineProtocol(line({ fields: [string("s", `${"x".repeat(16_383)}😀`)] }) ?? "");
    assert.deepEqual(parsed?.fields, [["s", { type: "string", value: "x".repeat(16_383) }]]);
    assert.equal(parseLineProtocol(line({ fields: [string("s", "語".repeat(30_000))] }) ?? "").length, 1);
    assert.equal(line({ table: "é".repeat(600) }), `${"é".repeat(512)} v=1 5`);
  });
});

/** Texts of the characters on which encoders fail. */
const awkward = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      "\\",
      ",",
      "=",
      " ",
      '"',
      "\n",
      "\t",
      "\r",
      "\0",
      "#",
      "a",
      "é",
      "😀",
      "\ud800",
      "\udc00",
      "\u0085",
    ),
    maxLength: 8,
  }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom("time", "_x", "__proto__", "\\", "\\\\"),
);

const anyField: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ name: awkward, type: fc.constant("float" as const), value: fc.double() }),
  fc.record({
    name: awkward,
    type: fc.constant("integer" as const),
    value: fc.oneof(fc.maxSafeInteger(), fc.double()),
  }),
  fc.record({ name: awkward, type: fc.constant("string" as const), value: awkward }),
  fc.record({ name: awkward, type: fc.constant("boolean" as const), value: fc.boolean() }),
);

const anyPoint: fc.Arbitrary<Point> = fc.record({
  table: awkward,
  tags: fc.array(fc.record({ name: awkward, value: awkward }), { maxLength: 5 }),
  fields: fc.array(anyField, { maxLength: 6 }),
  timeNs: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
});

/** The documented changes, spelled out here a second time, character by character. */
function expectedName(text: string, control: string): string {
  const kept: string[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) kept.push(control);
    else if (code >= 0xd800 && code <= 0xdfff) kept.push("\ufffd");
    else kept.push(character);
  }
  const characters = Array.from(kept.join(""));
  return characters
    .map((character, index) => {
      const next = characters[index + 1];
      const isUnwritable = character === "\\" && (next === undefined || '\\,= "'.includes(next));
      return isUnwritable ? "/" : character;
    })
    .join("");
}

function expectedValue(field: Field): ParsedValue | undefined {
  switch (field.type) {
    case "float":
      return Number.isFinite(field.value) ? { type: "float", value: field.value + 0 } : undefined;
    case "integer":
      return Number.isSafeInteger(field.value) ? { type: "integer", value: field.value + 0 } : undefined;
    case "string":
      return { type: "string", value: Buffer.from(field.value).toString() };
    default:
      return { type: "boolean", value: field.value };
  }
}

function expectedLine(point: Point): ParsedLine | undefined {
  const table = expectedName(point.table, "").replace(/^#+/, "");
  const taken = new Set(["time", ""]);
  const tags: [string, string][] = [];
  for (const tag of point.tags) {
    const name = expectedName(tag.name, "");
    const value = expectedName(tag.value, " ");
    if (taken.has(name) || value.trim() === "") continue;
    taken.add(name);
    tags.push([name, value]);
  }
  const fields: [string, ParsedValue][] = [];
  for (const field of point.fields) {
    const name = expectedName(field.name, "");
    const value = expectedValue(field);
    if (taken.has(name) || value === undefined) continue;
    taken.add(name);
    fields.push([name, value]);
  }
  const limit = (1n << 63n) - 1n;
  if (table === "" || fields.length === 0 || point.timeNs >= limit || point.timeNs <= -limit)
    return undefined;
  return { table, tags, fields, timeNs: point.timeNs };
}

/** -0 is written as 0. */
function withoutNegativeZero(line: ParsedLine | undefined): unknown {
  return JSON.parse(
    JSON.stringify(line ?? null, (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    ),
  );
}

for (const dialect of ["v3", "v1"] as const) {
  test(`any point is read back by the ${dialect} parser as it was, after the documented changes`, () => {
    let written = 0;
    fc.assert(
      fc.property(fc.array(anyPoint, { minLength: 1, maxLength: 3 }), (points) => {
        const lines = points.map((point) => encodeLine(point)).filter((text) => text !== undefined);
        const expected = points.map(expectedLine).filter((parsed) => parsed !== undefined);
        const parsed = parseLineProtocol(lines.join("\n"), dialect);
        assert.deepEqual(parsed.map(withoutNegativeZero), expected.map(withoutNegativeZero));
        written += parsed.length;
      }),
      { numRuns: 2000, seed: 31 },
    );
    assert.ok(written > 1000, `${written} lines`);
  });
}

test("what is said to be writable is what a line has of a part that is alone", () => {
  const seen = new Map([
    [true, 0],
    [false, 0],
  ]);
  const check = (says: boolean, columns: number): void => {
    assert.equal(columns === 1, says);
    seen.set(says, (seen.get(says) ?? 0) + 1);
  };
  const isTime = (name: string): boolean => expectedName(name, "") === "time";
  fc.assert(
    fc.property(anyField, awkward, (field, value) => {
      if (isTime(field.name)) return;
      const [alone] = parseLineProtocol(line({ fields: [field] }) ?? "");
      check(isWritableField(field), alone?.fields.length ?? 0);
      const tag = { name: field.name, value };
      const [tagged] = parseLineProtocol(line({ tags: [tag], fields: [float("other column", 1)] }) ?? "");
      check(isWritableTag(tag), tagged?.tags.length ?? 0);
    }),
    { numRuns: 1000, seed: 37 },
  );
  for (const count of seen.values()) assert.ok(count > 100, `${count}`);
});

test("the test's own parser refuses what InfluxDB refuses", () => {
  const wrong = [
    "m",
    "m,a v=1",
    "m,a= v=1",
    "m v=",
    'm v="x',
    "m v=1ii",
    "m v=1 x",
    "m,a=x\\ v=1",
    "m v=1,v=2",
    "m v=1 9223372036854775808",
  ];
  for (const text of wrong) assert.throws(() => parseLineProtocol(text), LineProtocolError, text);
  assert.deepEqual(parseLineProtocol("\n# c\n\n"), []);
});
