import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type OwnMessage, packOwn, unpackOwn } from "../../../src/pipeline/own-message.ts";
import type { Field } from "../../../src/telemetry/point.ts";

const text = fc.string({ unit: "binary", maxLength: 20 });
const plain = { noNullPrototype: true };
const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ name: text, type: fc.constant("integer" as const), value: fc.maxSafeInteger() }, plain),
  fc.record(
    {
      name: text,
      type: fc.constant("float" as const),
      // JSON has neither NaN nor infinities, and lines have no negative zero.
      value: fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
    },
    plain,
  ),
  fc.record({ name: text, type: fc.constant("string" as const), value: text }, plain),
  fc.record({ name: text, type: fc.constant("boolean" as const), value: fc.boolean() }, plain),
);
const message: fc.Arbitrary<OwnMessage> = fc.record(
  {
    points: fc.array(
      fc.record(
        {
          table: text,
          tags: fc.array(fc.record({ name: text, value: text }, plain), { maxLength: 3 }),
          fields: fc.array(field, { maxLength: 5 }),
          timeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        },
        plain,
      ),
      { maxLength: 4 },
    ),
    facts: fc.record(
      {
        source: text,
        tenantId: text,
        tenantName: text,
        applicationId: text,
        applicationName: text,
      },
      plain,
    ),
  },
  plain,
);

test("rows come out of the journal as they went in, to the nanosecond", () => {
  fc.assert(
    fc.property(message, (rows) => {
      assert.deepEqual(unpackOwn(packOwn(rows)), rows);
    }),
  );
});

test("the same rows are the same bytes: a row that is made again after a crash is no other", () => {
  fc.assert(
    fc.property(message, (rows) => {
      assert.deepEqual(packOwn(structuredClone(rows)), packOwn(rows));
    }),
  );
});

test("rows of another version are not guessed at", () => {
  const payload = Buffer.from(JSON.stringify({ version: 2, points: [], facts: {} }));
  assert.throws(() => unpackOwn(payload), /another version/);
});
