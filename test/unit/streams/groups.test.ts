import assert from "node:assert/strict";
import { test } from "node:test";
import {
  array,
  assert as assertProperty,
  bigInt,
  boolean,
  constant,
  dictionary,
  double,
  integer,
  oneof,
  property,
  record,
  string,
  uint8Array,
  type Arbitrary,
} from "fast-check";
import type { Row } from "../../../src/influx/arrow/rows.ts";
import { frameOf } from "../../../src/streams/frames.ts";
import { nextGroup, sizeOf } from "../../../src/streams/groups.ts";

const leaf = oneof(
  constant(null),
  boolean(),
  double(),
  bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
  string({ unit: "grapheme" }),
  uint8Array(),
);
const value = oneof(leaf, array(leaf), dictionary(string(), leaf));
const row = dictionary(string({ maxLength: 20 }), value) as Arbitrary<Row>;

test("groups are all rows in their order, within the limits but for a single row", () => {
  const limits = record({ rows: integer({ min: 1, max: 9 }), bytes: integer({ min: 1, max: 400 }) });
  assertProperty(
    property(array(row, { maxLength: 30 }), limits, (rows, limit) => {
      for (let start = 0; start < rows.length;) {
        const { end, bytes } = nextGroup(rows, start, limit);
        const group = rows.slice(start, end);
        assert.ok(group.length >= 1 && group.length <= limit.rows);
        assert.equal(
          bytes,
          group.reduce((sum, one) => sum + sizeOf(one), 0),
        );
        assert.ok(bytes <= limit.bytes || group.length === 1);
        const next = rows[end];
        if (next !== undefined && group.length < limit.rows) assert.ok(bytes + sizeOf(next) > limit.bytes);
        start = end;
      }
    }),
    { numRuns: 200 },
  );
});

test("the size of a row is about what it takes in a message: never less than a third, nor seven times as much", () => {
  assertProperty(
    property(array(row, { minLength: 20, maxLength: 20 }), (rows) => {
      const estimated = rows.reduce((sum, one) => sum + sizeOf(one), 0);
      const real = frameOf(rows)?.length ?? 0;
      assert.ok(estimated > real / 3 && estimated < real * 7, `${estimated} for ${real}`);
    }),
    { numRuns: 200 },
  );
});
