/** TIMESTAMP in the stand-in's SQL: nanoseconds, as in InfluxDB, where DuckDB's has microseconds. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Database } from "../../../src/sandbox/influxdb/catalog.ts";
import { coreLimits } from "../../../src/sandbox/influxdb/catalog.ts";
import { ingest } from "../../../src/sandbox/influxdb/ingest.ts";
import type { SqlCell, SqlParameters } from "../../../src/sandbox/influxdb/sql.ts";
import { Store } from "../../../src/sandbox/influxdb/store.ts";

const text = "2026-01-01T00:00:00.123456789Z";
const ns = 1_767_225_600_123_456_789n;
const us = 1_767_225_600_123_456_000n;

let store: Store;
let farm: Database;

before(async () => {
  store = await Store.open({ directory: undefined, limits: coreLimits });
  const options = { acceptPartial: false, precision: "nanosecond", nowNs: 0n } as const;
  const lines = [`air n=1i,text="${text}",timestamp=1.5 ${ns}`, `air n=2i ${ns + 1n}`];
  await store.commit(ingest(store.catalog, "farm", lines.join("\n"), options).points);
  const found = store.catalog.database("farm");
  assert.ok(found !== undefined);
  farm = found;
});
after(async () => await store.close());

async function rows(sql: string, parameters: SqlParameters = {}): Promise<readonly (readonly SqlCell[])[]> {
  return (await store.query(farm, sql, parameters)).rows;
}

describe("a time keeps its nine digits", () => {
  const expressions = [
    `CAST('${text}' AS TIMESTAMP)`,
    `cast('${text}' as timestamp)`,
    `CAST('${text}' AS TIMESTAMP WITHOUT TIME ZONE)`,
    `CAST('${text}' AS TIMESTAMP(9))`,
    `TRY_CAST('${text}' AS TIMESTAMP)`,
    `'${text}'::timestamp`,
    `'${text}' :: TIMESTAMP`,
    `'${text}'::TIMESTAMP(9)`,
    `TIMESTAMP '${text}'`,
    `timestamp'${text}'`,
    `TIMESTAMP(9) '${text}'`,
    // The other zone is that of the text.
    `CAST('2026-01-01T02:00:00.123456789+02:00' AS TIMESTAMPTZ)`,
    `CAST('${text}' AS TIMESTAMP WITH TIME ZONE)`,
    `CAST('${text}' AS TIMESTAMP(9) WITH TIME ZONE)`,
    `'${text}'::timestamptz`,
    `TIMESTAMP WITH TIME ZONE '${text}'`,
    `TIMESTAMPTZ '${text}'`,
    `TIMESTAMP(9) WITH TIME ZONE '${text}'`,
    // Casts in casts, and several one after another.
    `CAST(CAST(CAST('${text}' AS TIMESTAMP) AS VARCHAR) AS TIMESTAMP)`,
    `'${text}'::timestamp::text::timestamp`,
    `CAST(coalesce(CAST(NULL AS TIMESTAMP), '${text}'::TIMESTAMP, TIMESTAMP '2000-01-01') AS TIMESTAMP)`,
    // What is written between them.
    `CAST(/* ) AS DATE */ '${text}' -- ) AS DATE\n AS /* a */ TIMESTAMP -- b\n)`,
    `'${text}':: /* a */ timestamp`,
    `TIMESTAMP /* a */ -- b\n '${text}'`,
    `CAST(substr(') AS TIMESTAMP)😀${text}', 17) AS TIMESTAMP)`,
    `CAST(substr(')"' || $$ AS DATE)$$, 100) || '${text}' AS TIMESTAMP)`,
    // The engine writes this operand into each comparison.
    `CASE CAST('${text}' AS TIMESTAMP) WHEN TIMESTAMP '2000-01-01' THEN NULL WHEN '${text}' THEN '${text}'::TIMESTAMP END`,
  ];
  for (const expression of expressions) {
    test(expression.replaceAll("\n", "\\n"), async () => {
      assert.deepEqual(await rows(`SELECT '😀' AS before, ${expression} AS x`), [["😀", ns]]);
    });
  }

  test("in a WITH query, a subquery and a condition", async () => {
    const sql =
      `WITH w AS (SELECT '${text}'::TIMESTAMP AS t) SELECT t, (SELECT TIMESTAMP '${text}'), n FROM w, air ` +
      `WHERE time IN (SELECT CAST('${text}' AS TIMESTAMP))`;
    assert.deepEqual(await rows(sql), [[ns, ns, 1n]]);
  });

  test("as a parameter, so that a row that was seen is not seen again", async () => {
    const sql = "SELECT n FROM air WHERE time > CAST($from AS TIMESTAMP)";
    assert.deepEqual(await rows(sql, { from: text }), [[2n]]);
  });

  test("as a column of a table", async () => {
    const sql = "SELECT CAST(text AS TIMESTAMP), text::timestamp, time::timestamp FROM air WHERE n = 1";
    assert.deepEqual(await rows(sql), [[ns, ns, ns]]);
  });

  test("in an explained statement", async () => {
    const plan = (await rows(`EXPLAIN SELECT n FROM air WHERE time > TIMESTAMP '${text}'`)).flat().join("");
    assert.match(plan, /\.123456789/);
  });
});

test("a time of fewer digits is what was asked for", async () => {
  const sql = `SELECT CAST('${text}' AS TIMESTAMP(6)), '${text}'::TIMESTAMP(6), TIMESTAMP(6) '${text}'`;
  assert.deepEqual(await rows(sql), [[us, us, us]]);
});

test("timestamp as a name, in a text and in a comment is not a type", async () => {
  const sql =
    `SELECT timestamp, a.timestamp AS "timestamp", n AS timestamp, 'CAST(x AS TIMESTAMP)' AS t -- x::TIMESTAMP\n` +
    `FROM air AS a /* TIMESTAMP '1' */ WHERE n = 1`;
  assert.deepEqual(await rows(sql), [[1.5, 1.5, 1n, "CAST(x AS TIMESTAMP)"]]);
});

test("a column that is cast has the name of what is cast", async () => {
  const sql = `SELECT CAST(text AS TIMESTAMP), TIMESTAMP '2026-01-01', n::DOUBLE, true FROM air`;
  const { columns } = await store.query(farm, sql, {});
  assert.deepEqual(
    columns.map(({ name }) => name),
    ["air.text", 'Utf8("2026-01-01")', "air.n", "Boolean(true)"],
  );
});
