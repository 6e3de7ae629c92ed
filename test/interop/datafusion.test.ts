/**
 * The queries of docs/tables.md give the same rows in Apache DataFusion, the engine of InfluxDB 3, as in our
 * stand-in, whose engine is another one. Not run by default: with FLIGHTLINE_INTEROP=1 and a python3 that has
 * the packages datafusion and pyarrow (PYTHONPATH may say where), the rows are handed to datafusion-queries.py with the
 * types that InfluxDB 3 gives them.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { queryRows, timeNsOf } from "../../src/sandbox/influx-reader.ts";
import type { Database, Row } from "../../src/sandbox/influx-reader.ts";
import { assertAnswer, guideAnswers } from "../support/guide-answers.ts";
import { fillGuideDatabase } from "../support/guide-database.ts";
import { guideQueries, withoutMacros } from "../support/guide-page.ts";
import { readTables } from "../support/tables.ts";
import type { Tables } from "../support/tables.ts";

const program = join(import.meta.dirname, "datafusion-queries.py");

/** Why it is not run. */
function skipReason(): string | false {
  if (process.env["FLIGHTLINE_INTEROP"] !== "1") {
    return "SKIPPED: set FLIGHTLINE_INTEROP=1 to try the queries of the guide in Apache DataFusion";
  }
  const found = spawnSync("python3", ["-c", "import datafusion, pyarrow"], { encoding: "utf8" });
  if (found.status === 0) return false;
  return "SKIPPED: needs a python3 with the packages datafusion and pyarrow (PYTHONPATH may say where)";
}

const skip = skipReason();

interface Answers {
  readonly version: string;
  readonly answers: readonly ({ readonly rows: readonly Row[] } | { readonly error: string })[];
}

async function inDataFusion(tables: Tables, queries: readonly string[]): Promise<Answers> {
  const child = spawn("python3", ["-B", program], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  child.stdin.end(JSON.stringify({ tables: withTimesInNs(tables), queries }));
  const output = await text(child.stdout);
  assert.deepEqual(await ended, [0, null]);
  return JSON.parse(output) as Answers;
}

function withTimesInNs(tables: Tables): Tables {
  return Object.fromEntries(
    Object.entries(tables).map(([name, { columns, rows }]) => [
      name,
      { columns, rows: rows.map((row) => ({ ...row, time: String(timeNsOf(row["time"])) })) },
    ]),
  );
}

async function inStandIn(db: Database, sql: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of queryRows(db, sql)) rows.push(row);
  return rows;
}

test("every query of the guide gives the same rows in Apache DataFusion", { skip }, async (t) => {
  const db = await fillGuideDatabase(t);
  if (db === undefined) return;
  const asked = guideQueries().flatMap(({ heading, sql }) => {
    const answer = guideAnswers.find((each) => each.heading === heading);
    return answer === undefined ? [] : [{ answer, sql: withoutMacros(sql, answer.dashboard) }];
  });
  assert.equal(asked.length, 10);
  const { version, answers } = await inDataFusion(
    await readTables(db),
    asked.map(({ sql }) => sql),
  );
  t.diagnostic(`DataFusion ${version}`);
  for (const [index, { answer, sql }] of asked.entries()) {
    await t.test(answer.heading, async () => {
      const found = answers[index];
      assert.ok(found !== undefined && "rows" in found, JSON.stringify(found));
      const expected = await inStandIn(db, sql);
      assert.ok(expected.length > 0);
      assertAnswer(found.rows, expected, answer);
    });
  }
});
