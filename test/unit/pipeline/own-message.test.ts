import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type OwnMessage, packOwn, unpackOwn } from "../../../src/pipeline/own-message.ts";
import { ok } from "../../../src/lib/result.ts";
import { noFacts } from "../../../src/pipeline/route.ts";
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
          openFrom: fc.nat(5),
        },
        { ...plain, requiredKeys: ["table", "tags", "fields", "timeNs"] },
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
      assert.deepEqual(unpackOwn(packOwn(rows)), ok(rows));
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

function whyUnreadable(stored: unknown): string {
  const text = typeof stored === "string" ? stored : JSON.stringify(stored);
  const unpacked = unpackOwn(Buffer.from(text));
  assert.ok(!unpacked.ok, text);
  const { code, disposition, message: sentence } = unpacked.fault;
  assert.deepEqual([code, disposition], ["own_row_unreadable", "quarantine"]);
  return /: (.*);/.exec(sentence)?.[1] ?? "";
}

test("what we have not written is not guessed at, and no exception", () => {
  const time = "1767225600000000000";
  const sound = ["device", time, [["dev_eui", "a0"]], [["f_cnt", "i", 1]]];
  assert.equal(unpackOwn(Buffer.from(JSON.stringify({ version: 1, points: [sound] }))).ok, true);
  assert.equal(whyUnreadable("\u0000\u0000"), "it is no JSON");
  for (const other of [{ version: 2, points: [sound] }, {}, [], null, 1])
    assert.match(whyUnreadable(other), /another version/, JSON.stringify(other));
  const [table, , tags, fields] = sound;
  const points = [
    "device",
    [table, 1767225600000000000, tags, fields],
    [table, "soon", tags, fields],
    [table, "9223372036854775808", tags, fields],
    [table, time, "tags", fields],
    [table, time, [["dev_eui", 1]], fields],
    [table, time, tags],
    [table, time, tags, [["f_cnt", "i", "1"]]],
    [table, time, tags, [["f_cnt", "x", 1]]],
    [table, time, tags, [null]],
  ];
  for (const point of points)
    assert.match(whyUnreadable({ version: 1, points: [sound, point] }), /form/, JSON.stringify(point));
  assert.match(whyUnreadable({ version: 1, points: {} }), /form/);
});

test("no bytes make it throw", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (payload) => {
        assert.equal(unpackOwn(payload).ok, false);
      },
    ),
  );
});

test("few bytes stand around the columns, and none for facts that there are not", () => {
  const fields = Array.from({ length: 26 }, (_, n) => ({
    name: `column_number_${n}`,
    type: "integer" as const,
    value: n * 1000,
  }));
  const point = { table: "flightline_node", tags: [{ name: "node", value: "gw-1" }], fields, timeNs: 1n };
  const packed = packOwn({ points: [point], facts: noFacts });
  const told = fields.reduce((sum, { name, value }) => sum + name.length + String(value).length, 0);
  assert.ok(packed.length < told + 26 * 12 + 100, `${packed.length} bytes for ${told}`);
  assert.ok(!Buffer.from(packed).toString().includes("tenant"));
});
