import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { parseParams } from "../../../src/cli/query-param.ts";
import type { QueryParam } from "../../../src/influx/flight/api.ts";
import { encodeTicket } from "../../../src/influx/flight/ticket.ts";

function valueOf(text: string): QueryParam | undefined {
  const parsed = parseParams([text]);
  assert.ok(parsed.ok, text);
  return Object.values(parsed.params)[0];
}

function mistakeOf(...texts: readonly string[]): string {
  const parsed = parseParams(texts);
  assert.ok(!parsed.ok, texts.join(" "));
  return parsed.mistake;
}

describe("a value without a type", () => {
  test("is what it looks like", () => {
    const rows: readonly (readonly [string, QueryParam])[] = [
      ["true", true],
      ["false", false],
      ["null", null],
      ["0", 0n],
      ["-7", -7n],
      ["9223372036854775807", 9_223_372_036_854_775_807n],
      ["18446744073709551615", 18_446_744_073_709_551_615n],
      ["-9223372036854775808", -9_223_372_036_854_775_808n],
      ["5.0", 5],
      ["-0.5", -0.5],
      ["1e3", 1000],
      ["1E-3", 0.001],
      ["", ""],
      ["True", "True"],
      ["barn 7", "barn 7"],
      ["a=b:c", "a=b:c"],
      ["two\nlines", "two\nlines"],
      ["2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z"],
      ["0x10", "0x10"],
      ["NaN", "NaN"],
    ];
    for (const [text, value] of rows) assert.deepEqual(valueOf(`x=${text}`), value, text);
  });

  test("is text where it looks like a number and is the name of a device", () => {
    for (const eui of ["0018200000000001", "24e1241365022170", "70e3000000000001", "1e00000000000001"]) {
      assert.equal(valueOf(`eui=${eui}`), eui);
    }
  });

  test("any integer of 64 bits is exact", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
        assert.equal(valueOf(`x=${value}`), value);
      }),
    );
  });

  test("a larger one is refused, and the way to text is named", () => {
    assert.equal(
      mistakeOf("n=18446744073709551616"),
      "--param n=18446744073709551616: expected a whole number of at most 64 bits; write name:string= for text.",
    );
  });
});

describe("a value with a type", () => {
  test("is of that type", () => {
    const rows: readonly (readonly [string, QueryParam])[] = [
      ["x:string=5", "5"],
      ["x:string=true", "true"],
      ["x:string=", ""],
      ["x:string=a:int=5", "a:int=5"],
      ["x:float=5", 5],
      ["x:float=1e3", 1000],
      ["x:int=5", 5n],
      ["x:bool=true", true],
      ["x:bool=false", false],
    ];
    for (const [text, value] of rows) assert.deepEqual(valueOf(text), value, text);
  });

  test("or is refused in a sentence that says what was expected", () => {
    const rows: readonly (readonly [string, RegExp])[] = [
      ["x:float=warm", /^--param x:float=warm: expected a number such as /],
      ["x:float=NaN", /expected a number/],
      ["x:float=1e999", /expected a number/],
      ["x:float=", /expected a number/],
      ["x:int=5.0", /expected a whole number from -9223372036854775808 to 18446744073709551615\.$/],
      ["x:int=-9223372036854775809", /expected a whole number/],
      ["x:bool=1", /expected true or false\.$/],
      ["x:time=now", /expected string, float, int or bool after the colon\.$/],
      ["x:=5", /expected string, float, int or bool after the colon\.$/],
      ["x:constructor=5", /expected string, float, int or bool/],
      ["x", /expected name=value/],
      ["=5", /expected name=value/],
      ["$x=5", /expected name=value/],
      ["1x=5", /expected name=value/],
    ];
    for (const [text, sentence] of rows) assert.match(mistakeOf(text), sentence);
  });
});

test("a name is as long as a query can have it, and a longer one is refused with the limit", () => {
  const [longest, tooLong] = ["n".repeat(64), "n".repeat(65)];
  const { params } = parseParams([`${longest}=1`]) as { params: Record<string, QueryParam> };
  const query = { database: "farm", text: "SELECT 1" };
  assert.ok(encodeTicket({ ...query, params }).length > 64);
  assert.throws(() => encodeTicket({ ...query, params: { [tooLong]: 1 } }), { code: "flight_bad_parameter" });
  assert.equal(
    mistakeOf(`${tooLong}:int=1`),
    `--param ${longest}…: expected a name of at most 64 letters, digits and _.`,
  );
  assert.ok(mistakeOf(`${"n".repeat(100_000)}=1`).length < 200);
});

test("several have several names; one that is given twice is refused", () => {
  const parsed = parseParams(["a=1", "b=x", "__proto__=2"]);
  assert.ok(parsed.ok);
  assert.deepEqual(Object.entries(parsed.params), [
    ["a", 1n],
    ["b", "x"],
    ["__proto__", 2n],
  ]);
  assert.equal(mistakeOf("a=1", "a=2"), "--param a=2: a is given twice.");
});
