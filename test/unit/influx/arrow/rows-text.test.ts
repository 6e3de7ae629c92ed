import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Dictionary, Int32, LargeUtf8, Utf8, Utf8View, vectorFromArray, type Data } from "apache-arrow";
import { rowsOf, type Value } from "../../../../src/influx/arrow/rows.ts";
import { batchOf, bytesData, viewsData } from "../../../support/arrow-data.ts";

function valuesOf(data: Data): (Value | undefined)[] {
  const batch = batchOf([["x", data]]);
  return rowsOf(batch.schema)(batch).map((row) => row["x"]);
}

/** Enough values that those which repeat are looked up, with few and with many that differ. */
const texts = fc
  .array(
    fc.oneof(
      fc.string(),
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.constantFrom("", "\ufeffx", "\0"),
    ),
    {
      minLength: 1,
      maxLength: 30,
    },
  )
  .chain((some) => fc.array(fc.option(fc.constantFrom(...some)), { minLength: 60, maxLength: 1200 }))
  .map((many) => many.map((text) => text?.toWellFormed() ?? null));

describe("text", () => {
  test("comes out as it was put in, however often it repeats", () => {
    fc.assert(
      fc.property(texts, (values) => {
        assert.deepEqual(valuesOf(bytesData(new Utf8(), values)), values);
        assert.deepEqual(valuesOf(bytesData(new LargeUtf8(), values)), values);
        assert.deepEqual(valuesOf(viewsData(new Utf8View(), values)), values);
      }),
      { numRuns: 50 },
    );
  });

  test("that arrow-js's builders wrote is what they were given", () => {
    fc.assert(
      fc.property(texts, (values) => {
        for (const type of [new Utf8(), new LargeUtf8(), new Dictionary(new Utf8(), new Int32())]) {
          const [data] = vectorFromArray(values, type).data;
          assert.ok(data !== undefined);
          assert.deepEqual(valuesOf(data), values);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("of which two begin, end and measure the same is not mistaken for the other", () => {
    const values = Array.from(
      { length: 2000 },
      (_, index) => `abc${String(index % 1000).padStart(6, "0")}middle-wxyz`,
    );
    assert.deepEqual(valuesOf(bytesData(new Utf8(), values)), values);
  });

  test("that is the beginning of a known one is not mistaken for it", () => {
    // From the longest on, three times each: the table stays in use, and some of one letter share a place in it.
    const letters = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));
    const values = letters.flatMap((letter) =>
      Array.from({ length: 3 * 32 }, (_, index) => letter.repeat(32 - Math.floor(index / 3))),
    );
    assert.deepEqual(valuesOf(bytesData(new Utf8(), values)), values);
  });

  test("that always differs is read right after the table of known ones was given up", () => {
    const values = Array.from({ length: 3000 }, (_, index) => `unique ${index}`);
    assert.deepEqual(valuesOf(bytesData(new Utf8(), values)), values);
  });
});
