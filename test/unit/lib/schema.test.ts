import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { z } from "zod";
import {
  defined,
  durationMs,
  oneOf,
  secret,
  sizeBytes,
  table,
  url,
  wholeNumber,
} from "../../../src/lib/schema.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { parseDurationMs, parseSizeBytes } from "../../../src/lib/units.ts";

const duration = durationMs({ fallback: "30s", min: "1s", max: "1h", description: "" });
const size = sizeBytes({ min: "1KiB", max: "1MiB", example: "64KiB", description: "" });
const address = url({
  schemes: ["http", "https"],
  pathAllowed: true,
  credentialKeys: "token",
  description: "",
});

function messages(schema: z.ZodType, value: unknown): string[] {
  return schema.safeParse(value).error?.issues.map((issue) => issue.message) ?? [];
}

test("a duration has its default, its limits, and is milliseconds inside", () => {
  assert.equal(duration.parse(undefined), 30_000);
  assert.equal(duration.parse("1s"), 1000);
  assert.equal(duration.parse("60m"), 3_600_000);
  for (const wrong of ["999ms", "61m", "5", "soon", 5, true]) {
    assert.deepEqual(
      messages(duration, wrong),
      ['expected a duration from 1s to 1h, such as "30s"'],
      String(wrong),
    );
  }
});

test("a size has its limits and is bytes inside", () => {
  assert.equal(size.parse("1KiB"), 1024);
  assert.equal(size.parse("1MiB"), 1_048_576);
  for (const wrong of ["1023B", "2MiB", "64", 64]) {
    assert.deepEqual(
      messages(size, wrong),
      ['expected a size from 1KiB to 1MiB, such as "64KiB"'],
      String(wrong),
    );
  }
});

test("what the pattern for editors takes, the parser takes too", () => {
  const durationPattern = patternOf(duration);
  const sizePattern = patternOf(size);
  const part = fc.tuple(
    fc.constantFrom("0", "1", "12", "1.5", ".5", "1."),
    fc.constantFrom("", " ", "  "),
    fc.constantFrom(
      "ms",
      "s",
      "m",
      "min",
      "h",
      "d",
      "w",
      "B",
      "kB",
      "KB",
      "KiB",
      "MB",
      "MiB",
      "GB",
      "GiB",
      "x",
      "",
    ),
    fc.constantFrom("", " "),
  );
  let taken = 0;
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
      const text = parts.flat().join("");
      if (durationPattern.test(text)) {
        taken += 1;
        assert.notEqual(parseDurationMs(text), undefined, text);
      }
      if (sizePattern.test(text)) {
        taken += 1;
        assert.notEqual(parseSizeBytes(text), undefined, text);
      }
    }),
    { numRuns: 2000, seed: 7 },
  );
  assert.ok(taken > 100, `only ${taken} texts were taken`);
});

function patternOf(schema: z.ZodType): RegExp {
  const { pattern } = z.toJSONSchema(schema, { io: "input" });
  assert.equal(typeof pattern, "string");
  return new RegExp(pattern ?? "");
}

test("a whole number and a choice say what they expect", () => {
  const number = wholeNumber({ fallback: 4, min: 1, max: 64, description: "" });
  assert.equal(number.parse(undefined), 4);
  for (const wrong of [0, 65, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "4", 4n]) {
    assert.ok(messages(number, wrong).includes("expected a whole number from 1 to 64"), String(wrong));
  }
  const choice = oneOf(["a", "b"], "b", "");
  assert.equal(choice.parse(undefined), "b");
  assert.deepEqual(messages(choice, "c"), ['expected one of "a", "b"']);
});

test("a URL keeps its path prefix and loses its trailing slashes", () => {
  assert.equal(address.parse("https://host:8181/influx/"), "https://host:8181/influx");
  assert.equal(address.parse("http://[::1]:8181"), "http://[::1]:8181");
});

test("a URL that is none, has another scheme, or no host is refused", () => {
  const wrong = [
    "",
    "host",
    "host:8181",
    "http://",
    "http:host",
    "ftp://host",
    "http://h:99999",
    "http://h:0",
    "http://a b",
  ];
  for (const text of wrong) {
    assert.deepEqual(
      messages(address, text),
      ["expected a URL that begins with http:// or https:// and names a host"],
      text,
    );
  }
});

test("a URL never carries credentials, a query or a fragment", () => {
  assert.deepEqual(messages(address, "http://user:hunter2@host"), [
    "must not contain a user name or password",
  ]);
  assert.deepEqual(messages(address, "http://host?token=hunter2"), ["must not contain ? or #"]);
  assert.deepEqual(messages(address, "http://host#x"), ["must not contain ? or #"]);
});

test("a secret is wrapped, and control characters in it are refused without showing it", () => {
  const value = secret("").parse("hunter2");
  assert.ok(value instanceof Secret);
  assert.equal(value.reveal(), "hunter2");
  assert.doesNotMatch(inspect({ value }) + JSON.stringify({ value }) + String(value), /hunter2/);
  for (const wrong of ["hunter2\n", "hun\u0000ter2", "hunter2\u007f"]) {
    const found = messages(secret(""), wrong);
    assert.equal(found.length, 1);
    assert.doesNotMatch(found.join(""), /hun/);
  }
});

test("a table refuses keys that it does not know, also those of Object's prototype", () => {
  const schema = table({ a: z.string().optional() });
  for (const key of ["b", "constructor", "toString", "__proto__"]) {
    const value: unknown = JSON.parse(`{"${key}": 1}`);
    assert.deepEqual(messages(schema, value), ["unknown key"], key);
  }
  assert.deepEqual(messages(schema, []), ["expected a table"]);
});

test("undefined keys are dropped, other empty values are kept", () => {
  assert.deepEqual(Object.keys(defined({ a: undefined, b: 0, c: "", d: false, e: null })), [
    "b",
    "c",
    "d",
    "e",
  ]);
});
