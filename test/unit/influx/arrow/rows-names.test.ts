import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Field, Int32, Struct } from "apache-arrow";
import { columnsOf } from "../../../../src/influx/arrow/columns.ts";
import { rowsOf, type Row } from "../../../../src/influx/arrow/rows.ts";
import { batchOf, fixedData, parentData } from "../../../support/arrow-data.ts";

/** Two rows: each column's value is its number, and that plus 100. */
function rowsNamed(names: readonly string[]): Row[] {
  const batch = batchOf(names.map((name, index) => [name, fixedData(new Int32(), [index, index + 100])]));
  return rowsOf(batch.schema)(batch);
}

const poison = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "prototype",
  "then",
  "",
  "0",
];

describe("a column", () => {
  test("is an own property under its name, whatever that is", () => {
    const rows = rowsNamed(poison);
    assert.equal(rows.length, 2);
    rows.forEach((row, at) => {
      assert.equal(Object.getPrototypeOf(row), Object.prototype);
      assert.deepEqual(Object.keys(row).toSorted(), poison.toSorted());
      for (const [index, name] of poison.entries()) {
        const expected = { value: index + at * 100, writable: true, enumerable: true, configurable: true };
        assert.deepEqual(Object.getOwnPropertyDescriptor(row, name), expected);
      }
    });
    assert.equal(Object.hasOwn(Object.prototype, "0"), false);
  });

  test("named __proto__ does not reach the prototype in a struct either", () => {
    const children = [fixedData(new Int32(), [1]), fixedData(new Int32(), [2])];
    const fields = ["__proto__", "a"].map((name) => new Field(name, new Int32(), true));
    const innermost = parentData(new Struct(fields), [true], children);
    const outer = new Struct([new Field("__proto__", innermost.type, true)]);
    const batch = batchOf([["x", parentData(outer, [true], [innermost])]]);
    const [row] = rowsOf(batch.schema)(batch);
    assert.equal(JSON.stringify(row), '{"x":{"__proto__":{"__proto__":1,"a":2}}}');
    assert.equal(Reflect.get({}, "a"), undefined);
  });

  test("with the name of another gets a number behind it, and so it is called among the columns", () => {
    const names = ["time", "time", "a", "time", "time_2", "a", "a"];
    const distinct = ["time", "time_3", "a", "time_4", "time_2", "a_2", "a_3"];
    assert.deepEqual(rowsNamed(names)[0], Object.fromEntries(distinct.map((name, index) => [name, index])));
    const { schema } = batchOf(names.map((name) => [name, fixedData(new Int32(), [1])]));
    assert.deepEqual(
      columnsOf(schema).map(({ name }) => name),
      distinct,
    );
  });

  test("never hides another, whatever the names are", () => {
    const name = fc.oneof(fc.constantFrom(...poison, "a", "a_2", "a_3", "a_2_2"), fc.string());
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), (names) => {
        const [row = {}] = rowsNamed(names);
        assert.equal(Object.keys(row).length, names.length);
        assert.deepEqual(new Set(Object.values(row)), new Set(names.keys()));
        // The first column of a name keeps it.
        names.forEach((one, index) => {
          if (names.indexOf(one) === index)
            assert.equal(Object.getOwnPropertyDescriptor(row, one)?.value, index);
        });
      }),
    );
  });

  test("may be one of a thousand", () => {
    const names = Array.from({ length: 1500 }, (_, index) => `field_${index}`);
    assert.deepEqual(
      rowsNamed(names)[1],
      Object.fromEntries(names.map((name, index) => [name, index + 100])),
    );
  });
});
