import assert from "node:assert/strict";
import { test } from "node:test";
import { limitIn, listedLines } from "../../../src/net/server-says.ts";

test("a limit is known by how its sentence begins, and by nothing further on", () => {
  const rows: readonly (readonly [string, ReturnType<typeof limitIn>])[] = [
    ["Update to schema would exceed number of columns per table limit of 500 columns", "schema"],
    ["Update to schema would exceed number of tag columns per table limit of 250", "schema"],
    ["Update to schema would exceed number of tables limit: attempted to create table", "schema"],
    ["Adding a new database would exceed limit of 5 databases", "databases"],
    ["catalog update error: Adding a new database would exceed limit of 5 databases", undefined],
    ["invalid column type for column 'Update to schema would exceed number of'", undefined],
    ["", undefined],
  ];
  for (const [reason, limit] of rows) assert.equal(limitIn(reason), limit, reason);
});

test("listed lines are read as the documentation and a server show them", () => {
  const documented =
    "failed to parse line protocol:\n  errors encountered on line(s):\n  error parsing line 2 (1-based): Invalid measurement was provided\n  error parsing line 4 (1-based): Unable to parse timestamp value '123461000000000000000000000000'";
  assert.deepEqual(listedLines(documented, 2), [
    { number: 2, reason: "Invalid measurement was provided" },
    { number: 4, reason: "Unable to parse timestamp value '123461000000000000000000000000'" },
  ]);
  const sent =
    "failed to parse line protocol: errors encountered on line(s):\nerror parsing line 1 (1-based): No fields were provided";
  assert.deepEqual(listedLines(sent, 1), [{ number: 1, reason: "No fields were provided" }]);
});

test("a list that contradicts the number beside it, or itself, is empty", () => {
  const entry = (line: number): string => `\nerror parsing line ${line} (1-based): e`;
  assert.deepEqual(listedLines(entry(2), 3), []);
  assert.deepEqual(listedLines(entry(2) + entry(2), 2), []);
  assert.deepEqual(listedLines(entry(5) + entry(4), 5), []);
  assert.deepEqual(listedLines("says error parsing line 2 (1-based): e", 2), []);
  assert.deepEqual(listedLines("", 1), []);
});
