import assert from "node:assert/strict";
import { test } from "node:test";
import { stalled, timedOut, tooBig } from "../../../../src/influx/flight/faults.ts";

test("a fault counts rows as a person does", () => {
  const counted = (rows: number): readonly string[] =>
    [timedOut(1000, rows, undefined), stalled(1000, rows), tooBig(9, rows)].map(({ message }) =>
      message.replace(/^.*; that was |^.*: that was /, ""),
    );
  assert.deepEqual(counted(0), ["after 0 rows", "after 0 rows", "after 0 rows"]);
  assert.deepEqual(counted(1), ["after 1 row", "after 1 row", "after 1 row"]);
  assert.deepEqual(counted(2), ["after 2 rows", "after 2 rows", "after 2 rows"]);
});
