/**
 * docs/tables.md says which columns there are, and has ten queries for Grafana. Here each query is sent to InfluxDB as Grafana would send it, about
 * rows that the program has written, and its answer is compared with one that was worked out by hand.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { queryRows } from "../../src/sandbox/influx-reader.ts";
import type { Row } from "../../src/sandbox/influx-reader.ts";
import { ownColumns } from "../../src/telemetry/own-columns.ts";
import { assertAnswer, guideAnswers } from "../support/guide-answers.ts";
import { fillGuideDatabase } from "../support/guide-database.ts";
import { guideColumns, guideQueries, withoutMacros } from "../support/guide-page.ts";

test("the guide names every column that we make ourselves, and no other", () => {
  assert.deepEqual(
    guideColumns(),
    Object.entries(ownColumns).map(([table, columns]) => ({
      table: table === "telemetry" ? "telemetry_<profile>" : table,
      columns: columns.toSorted(),
    })),
  );
});

test("the guide has ten queries, and each has an answer", () => {
  assert.deepEqual(
    guideQueries().map(({ heading }) => heading),
    guideAnswers.map(({ heading }) => heading),
  );
  assert.equal(guideQueries().length, 10);
});

test("every query of the guide answers what it promises", async (t) => {
  const db = await fillGuideDatabase(t);
  if (db === undefined) return;
  for (const answer of guideAnswers) {
    const query = guideQueries().find(({ heading }) => heading === answer.heading);
    await t.test(answer.heading, async () => {
      assert.ok(query !== undefined);
      const nowMs = Date.now();
      const rows: Row[] = [];
      for await (const row of queryRows(db, withoutMacros(query.sql, answer.dashboard))) rows.push(row);
      assertAnswer(rows, answer.rows(nowMs), answer);
    });
  }
});
