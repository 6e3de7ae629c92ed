import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { rowFormat } from "../../../src/cli/query-rows.ts";
import type { Row, Value } from "../../../src/influx/arrow/rows.ts";
import { column, controls } from "./query-fixture.ts";

function text(
  kind: "csv" | "json" | "ndjson",
  names: readonly string[],
  rows: readonly (readonly Value[])[],
  isScreen = false,
): string {
  const format = rowFormat(
    kind,
    names.map((name) => column(name)),
    isScreen,
  );
  const written = rows.map((cells, index) => {
    const row: Row = Object.fromEntries(names.map((name, at) => [name, cells[at] ?? null]));
    return format.row(row, index === 0);
  });
  return format.head + written.join("") + format.tail(rows.length === 0);
}

/** One value, as CSV has it beside another. */
function csvCell(value: Value): string {
  return text("csv", ["a", "b"], [[value, 1]]).slice("a,b\n".length, -",1\n".length);
}

function jsonOf(value: Value): string {
  return text("ndjson", ["v"], [[value]]).slice('{"v":'.length, -"}\n".length);
}

describe("CSV", () => {
  test("quotes what it must, and tells null from an empty text", () => {
    const rows: readonly (readonly [Value, string])[] = [
      [null, ""],
      ["", '""'],
      ["plain", "plain"],
      ["two words", "two words"],
      [" ahead", '" ahead"'],
      ["behind\t", '"behind\t"'],
      ["a,b", '"a,b"'],
      ['say "x"', '"say ""x"""'],
      ["a\nb", '"a\nb"'],
      ["a\rb", '"a\rb"'],
      ["=1+1", "=1+1"],
      [true, "true"],
      [9_007_199_254_740_993n, "9007199254740993"],
      [18_446_744_073_709_551_615n, "18446744073709551615"],
      [-0, "-0"],
      [5, "5"],
      [0.1, "0.1"],
      [Number.NaN, "NaN"],
      [-Infinity, "-Infinity"],
      [new Uint8Array([0, 255, 16]), "AP8Q"],
      [[1n, null, "x"], '"[1,null,""x""]"'],
      [{ a: 2n ** 53n + 1n }, '"{""a"":9007199254740993}"'],
    ];
    for (const [value, cell] of rows) assert.equal(csvCell(value), cell);
  });

  test("has its head without rows, and quotes it", () => {
    assert.equal(text("csv", ["time", "a,b"], []), 'time,"a,b"\n');
  });

  test("of one column has no empty line, which readers skip: null and an empty text are the same there", () => {
    assert.equal(text("csv", ["a"], [["x"], [null], [""]]), 'a\nx\n""\n""\n');
  });

  test("read by RFC 4180 gives what was written, whatever it is", () => {
    const cell = fc.oneof(fc.string(), fc.constantFrom("", "°\u{1f404}", '"', ",", "\n", "\r\n", " "));
    const rows = fc.array(fc.tuple(cell, cell, cell), { maxLength: 5 });
    fc.assert(
      fc.property(rows, (given) => {
        const [head, ...read] = readCsv(text("csv", ["a", "b", "c"], given));
        assert.deepEqual(head, ["a", "b", "c"]);
        assert.deepEqual(read, given);
      }),
      { numRuns: 200 },
    );
  });
});

describe("JSON", () => {
  test("has all digits, and null where JSON has no word", () => {
    const rows: readonly (readonly [Value, string])[] = [
      [null, "null"],
      [-9_223_372_036_854_775_808n, "-9223372036854775808"],
      [9_007_199_254_740_993n, "9007199254740993"],
      // "-0" is the integer 0 to readers that tell integers from floats, as Python does.
      [-0, "-0.0"],
      [[-0], "[-0.0]"],
      [0.1 + 0.2, "0.30000000000000004"],
      [5e-324, "5e-324"],
      [Number.NaN, "null"],
      [Infinity, "null"],
      [false, "false"],
      ['"\n\u0000', String.raw`"\"\n\u0000"`],
      ["2026-11-22T08:00:00.123456789Z", '"2026-11-22T08:00:00.123456789Z"'],
      [new Uint8Array([1, 2]), '"AQI="'],
      [[], "[]"],
      [{ b: [1n, Number.NaN], "a b": { c: null } }, '{"b":[1,null],"a b":{"c":null}}'],
    ];
    for (const [value, json] of rows) assert.equal(jsonOf(value), json);
  });

  test("is one array, also of nothing", () => {
    assert.deepEqual(JSON.parse(text("json", ["a"], [])), []);
    assert.equal(text("json", ["a", "b"], [[1n, "x"], [2n]]), '[\n{"a":1,"b":"x"},\n{"a":2,"b":null}\n]\n');
    assert.equal(text("ndjson", ["a"], []), "");
    assert.equal(text("ndjson", ["a"], [[1n], [2n]]), '{"a":1}\n{"a":2}\n');
  });

  test("keeps the order of the columns, also of those that look like numbers", () => {
    assert.equal(text("ndjson", ["time", "2", "1"], [[0, 2, 1]]), '{"time":0,"2":2,"1":1}\n');
  });

  test("of any text and float is read back as what it was", () => {
    const value = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(fc.string(), value, (name, given) => {
        assert.deepEqual(JSON.parse(text("json", [name], [[given]])), [Object.fromEntries([[name, given]])]);
      }),
    );
  });
});

test("on a screen no value moves the cursor", () => {
  for (const kind of ["csv", "json", "ndjson"] as const) {
    const shown = text(kind, ["a\u001b", "b"], [["\u001b[2J\u009b\u202e", 1]], true);
    assert.doesNotMatch(shown, controls, kind);
    assert.match(text(kind, ["a", "b"], [["\u202e", 1]]), /\u202e/, `${kind}, for a program`);
  }
});

/** RFC 4180 with "\n" between records. */
function readCsv(csv: string): string[][] {
  const records: string[][] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\n]*))([,\n])/gy;
  let record: string[] = [];
  let end = 0;
  for (let match = field.exec(csv); match !== null; match = field.exec(csv)) {
    record.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    end = field.lastIndex;
    if (match[3] !== "\n") continue;
    records.push(record);
    record = [];
  }
  assert.equal(end, csv.length, "all of it was read");
  return records;
}
