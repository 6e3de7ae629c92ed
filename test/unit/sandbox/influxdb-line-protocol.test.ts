import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as fc from "fast-check";

import { parseLineProtocol } from "../../../src/sandbox/influxdb/line-protocol.ts";
import type { Field, ParsedPoint, Tag } from "../../../src/sandbox/influxdb/point.ts";
import type { Precision } from "../../../src/sandbox/influxdb/precision.ts";

const nowNs = 1_700_000_000_123_456_789n;

function parse(body: string, precision: Precision = "nanosecond"): ReturnType<typeof summary>[] {
  return [...parseLineProtocol(body, { precision, nowNs })].map(summary);
}

function summary(result: ReturnType<typeof parseLineProtocol> extends Iterable<infer T> ? T : never) {
  return "error" in result ? `${result.lineNumber}: ${result.error}` : result.point;
}

function point(body: string, precision: Precision = "nanosecond"): ParsedPoint {
  const [first, ...more] = parse(body, precision);
  assert.equal(more.length, 0);
  assert.ok(typeof first === "object", typeof first === "string" ? first : "no line");
  return first;
}

describe("what a line means", () => {
  test("every part is read", () => {
    assert.deepEqual(point('uplink,dev_eui=0102,app=a f=1.5,i=-3i,u=4u,s="x y",t=T,b=false 12'), {
      table: "uplink",
      tags: [
        { name: "dev_eui", value: "0102" },
        { name: "app", value: "a" },
      ],
      fields: [
        { name: "f", type: "float", value: 1.5 },
        { name: "i", type: "integer", value: -3n },
        { name: "u", type: "uinteger", value: 4n },
        { name: "s", type: "string", value: "x y" },
        { name: "t", type: "boolean", value: true },
        { name: "b", type: "boolean", value: false },
      ],
      timeNs: 12n,
    });
  });

  const values: [text: string, value: Field["value"]][] = [
    ["1", 1],
    ["-1.25", -1.25],
    ["1e3", 1000],
    ["1.5E-2", 0.015],
    ["2e+2", 200],
    ["1e400", Infinity],
    ["9223372036854775807i", 9223372036854775807n],
    ["-9223372036854775808i", -9223372036854775808n],
    ["18446744073709551615u", 18446744073709551615n],
    ["true", true],
    ["True", true],
    ["TRUE", true],
    ["t", true],
    ["f", false],
    ["F", false],
    ["False", false],
    ["FALSE", false],
    ['""', ""],
    [String.raw`"a\"b"`, 'a"b'],
    [String.raw`"a\\b"`, String.raw`a\b`],
    [String.raw`"a\nb"`, String.raw`a\nb`],
    [String.raw`"ends\\"`, "ends\\"],
    ['"two\nlines"', "two\nlines"],
    ['"a=1,b=2 # c"', "a=1,b=2 # c"],
    ['"🚜 é"', "🚜 é"],
  ];
  for (const [text, value] of values) {
    test(`the value ${text} is ${JSON.stringify(String(value))}`, () => {
      assert.deepEqual(
        point(`m v=${text} 1`).fields.map((field) => field.value),
        [value],
      );
    });
  }

  const words: [written: string, read: string][] = [
    [String.raw`a\ b`, "a b"],
    [String.raw`a\,b`, "a,b"],
    [String.raw`a\\b`, String.raw`a\b`],
    [String.raw`\a`, String.raw`\a`],
    [String.raw`a\"b`, String.raw`a\"b`],
    ["a\\\nb", "a\\\nb"],
  ];
  for (const [written, read] of words) {
    test(`${JSON.stringify(written)} is the name ${JSON.stringify(read)} in every place`, () => {
      assert.deepEqual(point(`${written},${written}=${written} ${written}=1 1`), {
        table: read,
        tags: [{ name: read, value: read }],
        fields: [{ name: read, type: "float", value: 1 }],
        timeNs: 1n,
      });
    });
  }

  test("an equals sign is escaped in keys and tag values but not in a measurement", () => {
    const { table, tags, fields } = point(String.raw`m\=,a\=b=c\=d e\=f=1`);
    assert.equal(table, String.raw`m\=`);
    assert.deepEqual(tags, [{ name: "a=b", value: "c=d" }]);
    assert.equal(fields[0]?.name, "e=f");
  });

  test("blank lines and comments are skipped and not counted", () => {
    const results = parse("\n# comment, with words\n  \n\tm a=1 1\n#x\nbad\nm a=2 2\n");
    assert.equal(results.length, 3);
    assert.equal(results[1], "2: Expected at least one space character, got end of input");
  });

  test("a newline in a quoted string does not end the line", () => {
    assert.equal(parse('m a="x\ny",b="\n" 1\nm a="z" 2').length, 2);
  });

  test("one trailing comma after a single field is tolerated, as the server does", () => {
    assert.equal(point("m a=1, 5").timeNs, 5n);
    assert.deepEqual(parse("m a=1,b=2, 5"), [
      "1: Could not parse entire line. Found trailing content: `, 5`",
    ]);
  });
});

describe("the time of a line", () => {
  const times: [stamp: string, precision: Precision, ns: bigint][] = [
    ["1700000000", "auto", 1_700_000_000_000_000_000n],
    ["1700000000123", "auto", 1_700_000_000_123_000_000n],
    ["1700000000123456", "auto", 1_700_000_000_123_456_000n],
    ["1700000000123456789", "auto", nowNs],
    ["-1", "auto", -1_000_000_000n],
    ["4999999999", "auto", 4_999_999_999_000_000_000n],
    ["5000000000", "auto", 5_000_000_000_000_000n],
    ["7", "second", 7_000_000_000n],
    ["7", "millisecond", 7_000_000n],
    ["7", "microsecond", 7000n],
    ["9223372036854775807", "nanosecond", 9223372036854775807n],
    ["", "auto", nowNs],
    ["", "second", 1_700_000_000_000_000_000n],
    ["", "microsecond", 1_700_000_000_123_456_000n],
  ];
  for (const [stamp, precision, ns] of times) {
    test(`"${stamp}" in ${precision} is ${ns}`, () => {
      assert.equal(point(stamp === "" ? "m a=1" : `m a=1 ${stamp}`, precision).timeNs, ns);
    });
  }

  test("a time that leaves 64 bits is refused", () => {
    assert.deepEqual(parse("m a=1 9223372036854775807", "second"), [
      "1: timestamp, 9223372036854775807, out of range for precision: Second",
    ]);
  });
});

describe("what is refused, in the server's words", () => {
  const backslash = "Measurements, tag keys and values, and field keys may not end with a backslash";
  const refused: [line: string, error: string][] = [
    ["m", "Expected at least one space character, got end of input"],
    ["m\tx=1", "Expected at least one space character, got `\tx=1`"],
    [",a=1 b=2", "Invalid measurement was provided"],
    ["\0 a=1", "Invalid measurement was provided"],
    ["m, b=2", "Expected tag key, got ` b=2`"],
    ["m,", "Expected tag key, got end of input"],
    ["m,a=1, b=2", "Expected tag key, got ` b=2`"],
    ["m,a= b=2", "Expected tag value, got ` b=2`"],
    ["m,a=,c=d value=1.0", "Expected tag value, got `,c=d value...`"],
    ["m,abc v=1", "Tag set malformed: could not find equals sign in `abc v=1`"],
    ["m,a=1,a=2 v=1", "Must not contain duplicate tags, but `a` was repeated"],
    ["m 12", "No fields were provided"],
    ["m a=", "No fields were provided"],
    ["m a=.5", "No fields were provided"],
    ["m a=+1", "No fields were provided"],
    ["m a=nan", "No fields were provided"],
    ['m a="open', "No fields were provided"],
    ["m a=1 ", "Could not parse entire line. Found trailing content: ` `"],
    ["m a=1 1 x", "Could not parse entire line. Found trailing content: `x`"],
    ["m a=1 1\r", "Could not parse entire line. Found trailing content: `\r`"],
    ["m a=1.2.3,bcdefghijkl=2", "Could not parse entire line. Found trailing content: `.3,bcdefgh...`"],
    ["m a=-1u", "Could not parse entire line. Found trailing content: `u`"],
    ["m a=1.5i", "Could not parse entire line. Found trailing content: `i`"],
    ["m a=9223372036854775808i", "Unable to parse integer value `9223372036854775808`"],
    ["m a=18446744073709551616u", "Unable to parse unsigned integer value `18446744073709551616`"],
    ["m a=1 9223372036854775808", "Unable to parse timestamp value `9223372036854775808`"],
    [`m a="${"x".repeat(1024 * 1024 + 1)}"`, "String is greater than 1MB"],
    [`m,t=${"é".repeat(600_000)} a=1`, "String is greater than 1MB"],
    [String.raw`m\\ a=1`, backslash],
    [String.raw`m,a\\=1 b=1`, backslash],
    [String.raw`m,a=1\\ b=1`, backslash],
    [String.raw`m a\\=1`, backslash],
    ["m\\", backslash],
  ];
  for (const [line, error] of refused) {
    test(JSON.stringify(line.slice(0, 40)), () => {
      assert.deepEqual(parse(line), [`1: ${error}`]);
    });
  }

  test("the lines after a bad one are read", () => {
    const [bad, good] = parse("m a=1.2.3,b=4\nm a=1 1");
    assert.equal(typeof bad, "string");
    assert.equal(typeof good, "object");
  });
});

describe("any point survives being written and read", () => {
  const plain = { noNullPrototype: true };
  const name = fc
    .string({ unit: "binary", minLength: 1, maxLength: 8 })
    .filter((text) => !/[\t\n\0\\]/.test(text) && !text.startsWith("#"));
  const value = fc.oneof(
    fc.record(
      {
        type: fc.constant("float" as const),
        value: fc.double({ noNaN: true, noDefaultInfinity: true }).filter((float) => !Object.is(float, -0)),
      },
      plain,
    ),
    fc.record(
      { type: fc.constant("integer" as const), value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) },
      plain,
    ),
    fc.record({ type: fc.constant("uinteger" as const), value: fc.bigInt(0n, 2n ** 64n - 1n) }, plain),
    fc.record({ type: fc.constant("string" as const), value: fc.string({ unit: "binary" }) }, plain),
    fc.record({ type: fc.constant("boolean" as const), value: fc.boolean() }, plain),
  );
  const tags = fc.uniqueArray(fc.record({ name, value: name }, plain), {
    selector: (tag: Tag) => tag.name,
    maxLength: 4,
  });
  const fields = fc.uniqueArray(
    fc.tuple(name, value).map(([key, each]): Field => ({ name: key, ...each })),
    { selector: (each) => each.name, minLength: 1, maxLength: 4 },
  );
  const points = fc.record(
    { table: name, tags, fields, timeNs: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) },
    plain,
  );

  test("several points in one body", () => {
    fc.assert(
      fc.property(fc.array(points, { minLength: 1, maxLength: 4 }), (written) => {
        assert.deepEqual(parse(written.map(write).join("\n")), written);
      }),
      { numRuns: 500 },
    );
  });

  test("no text whatever throws", () => {
    const alphabet = fc.constantFrom(...Array.from('ab,= \\"\n\t#01-.eiut\0é'));
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 40 }), (body) => {
        for (const result of parse(body)) {
          if (typeof result === "object") assert.ok(result.fields.length > 0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  function write(point: ParsedPoint): string {
    const word = (text: string): string => text.replaceAll(/[,= ]/g, "\\$&");
    const table = point.table.replaceAll(/[, ]/g, "\\$&");
    const tags = point.tags.map((tag) => `,${word(tag.name)}=${word(tag.value)}`).join("");
    const fields = point.fields.map((each) => `${word(each.name)}=${writeValue(each)}`).join(",");
    return `${table}${tags} ${fields} ${point.timeNs}`;
  }

  function writeValue(field: Field): string {
    switch (field.type) {
      case "string":
        return `"${field.value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
      case "integer":
        return `${field.value}i`;
      case "uinteger":
        return `${field.value}u`;
      default:
        return String(field.value);
    }
  }
});
