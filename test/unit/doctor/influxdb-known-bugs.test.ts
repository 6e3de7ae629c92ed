/** Known faults of released servers: who has them, and the first release that does not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bugsOf, knownBugs, parseVersion, type BugContext } from "../../../src/doctor/influxdb-known-bugs.ts";

/** Somebody whom every bug concerns. */
const everybody: BugContext = { edition: "enterprise", writeApi: "v2", wantsRetention: true };

function idsOf(version: string, context: BugContext = everybody): readonly string[] {
  const parsed = parseVersion(version);
  assert.ok(parsed !== undefined, version);
  return bugsOf(parsed, context).map(({ id }) => id);
}

/** From InfluxData's release notes: on one side of each border, and on the other. */
const borders: Readonly<Record<string, { readonly has: string; readonly hasNot: string }>> = {
  acknowledged_writes_lost: {
    has: "3.0.0 3.9.13 3.11.6 3.12.0",
    hasNot: "3.11.7 3.11.8 3.12.1 3.13.0 4.0.0",
  },
  rows_missing_during_snapshot: { has: "3.0.0 3.10.9 3.11.1", hasNot: "3.11.2 3.12.0" },
  partial_write_mixes_series: { has: "3.0.0 3.10.9 3.11.1", hasNot: "3.11.2 3.12.0" },
  overwrites_arbitrary: { has: "3.0.0 3.11.3", hasNot: "3.11.4 3.12.0" },
  large_snapshot_collides: { has: "3.0.0 3.9.10 3.10.0 3.10.4", hasNot: "3.9.11 3.9.13 3.10.5 3.11.0" },
  v2_refusals_answer_500: { has: "3.0.0 3.9.13", hasNot: "3.10.0 3.11.0" },
  wal_buffer_overflows: { has: "3.0.0 3.8.2", hasNot: "3.8.3 3.9.0" },
  any_token_deletes_databases: { has: "3.0.0 3.8.3", hasNot: "3.8.4 3.9.0" },
  deleted_database_takes_writes: { has: "3.0.0 3.4.2", hasNot: "3.5.0 3.6.0" },
  no_retention: { has: "3.0.0 3.1.0", hasNot: "3.2.0 3.3.0" },
};

describe("a known bug", () => {
  for (const { id } of knownBugs) {
    test(`${id} is said of the versions up to its border, and of none behind it`, () => {
      const border = borders[id];
      assert.ok(border !== undefined, "it is tested at its borders");
      for (const version of border.has.split(" ")) assert.ok(idsOf(version).includes(id), version);
      for (const version of border.hasNot.split(" ")) assert.ok(!idsOf(version).includes(id), version);
    });
  }

  test("is told once, and in a line that can stand behind others", () => {
    assert.deepEqual(Object.keys(borders).toSorted(), knownBugs.map(({ id }) => id).toSorted());
    for (const { id, text, hint } of knownBugs) {
      assert.match(id, /^[a-z0-9_]+$/);
      for (const words of [text, hint]) assert.match(words, /^[a-z][^\n]*[^.\n]$/);
    }
  });

  test("is not said to whom it does not concern", () => {
    const plain: BugContext = { edition: "core", writeApi: "v3", wantsRetention: false };
    assert.deepEqual(
      idsOf("3.0.0").filter((id) => !idsOf("3.0.0", plain).includes(id)),
      ["v2_refusals_answer_500", "any_token_deletes_databases", "no_retention"],
    );
  });

  test("there is none in the newest release that was looked at, nor in other numbers than 3", () => {
    for (const version of ["3.12.1", "3.12.2", "2.7.11", "0.0.0"]) assert.deepEqual(idsOf(version), []);
  });
});

test("a version is three numbers, whatever stands behind them", () => {
  assert.deepEqual(parseVersion("3.10.0"), [3, 10, 0]);
  assert.deepEqual(parseVersion(" v3.11.2 "), [3, 11, 2]);
  assert.deepEqual(parseVersion("3.10.0-nightly"), [3, 10, 0]);
  for (const other of ["", "3", "3.10", "3.10.", "3.1.2.3", "nightly", "33333.1.1"]) {
    assert.equal(parseVersion(other), undefined, other);
  }
});
