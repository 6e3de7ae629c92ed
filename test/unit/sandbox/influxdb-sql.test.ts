/** SQL in the stand-in: what InfluxDB's engine does that DuckDB does not, and results that stream. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Database } from "../../../src/sandbox/influxdb/catalog.ts";
import { coreLimits } from "../../../src/sandbox/influxdb/catalog.ts";
import { ingest } from "../../../src/sandbox/influxdb/ingest.ts";
import type { SqlBatch, SqlStream } from "../../../src/sandbox/influxdb/sql-stream.ts";
import type { SqlCell, SqlParameters } from "../../../src/sandbox/influxdb/sql.ts";
import { SqlRefusal } from "../../../src/sandbox/influxdb/sql.ts";
import { Store } from "../../../src/sandbox/influxdb/store.ts";

const startNs = 1_767_225_600_000_000_001n; // 2026-01-01T00:00:00.000000001Z
const hourNs = 3_600_000_000_000n;

const lines = [
  `air,room=a temp=21.5,n=5i,u=7u,ok=true,label="x" ${startNs}`,
  `air,room=b temp=19.5,n=6i,u=8u,ok=false ${startNs + hourNs}`,
  `air,room=a n=9i,u=9u ${startNs + 2n * hourNs}`,
  `air,room=a temp=21.5,n=-4i,u=0u,ok=true ${startNs + 3n * hourNs}`,
];

let store: Store;
let farm: Database;

before(async () => {
  store = await Store.open({ directory: undefined, limits: coreLimits });
  const options = { acceptPartial: false, precision: "nanosecond", nowNs: 0n } as const;
  await store.commit(ingest(store.catalog, "farm", lines.join("\n"), options).points);
  const found = store.catalog.database("farm");
  assert.ok(found !== undefined);
  farm = found;
});
after(async () => await store.close());

async function rows(sql: string, parameters: SqlParameters = {}): Promise<readonly (readonly SqlCell[])[]> {
  return (await store.query(farm, sql, parameters)).rows;
}

async function all(stream: SqlStream): Promise<SqlBatch[]> {
  const batches: SqlBatch[] = [];
  for await (const batch of stream.batches()) batches.push(batch);
  return batches;
}

async function refusal(sql: string, parameters: SqlParameters = {}): Promise<string> {
  try {
    await store.query(farm, sql, parameters);
  } catch (error) {
    assert.ok(error instanceof SqlRefusal, String(error));
    return error.message;
  }
  return assert.fail(`${sql} was not refused`);
}

describe("a column of a result", () => {
  const columns = async (sql: string): Promise<[string, string, string | undefined][]> => {
    const stream = await store.stream(farm, sql, {});
    stream.close();
    return stream.columns.map(({ name, type, influx }) => [name, type, influx]);
  };

  test("has the table's own mark and type under *", async () => {
    assert.deepEqual(await columns("SELECT * FROM air"), [
      ["label", "utf8", "field::string"],
      ["n", "int64", "field::integer"],
      ["ok", "boolean", "field::boolean"],
      ["room", "utf8", "tag"],
      ["temp", "float64", "field::float"],
      ["time", "timestamp", "timestamp"],
      ["u", "uint64", "field::uinteger"],
    ]);
  });

  const marked: [sql: string, marks: (string | undefined)[]][] = [
    ["SELECT time, a.room, temp FROM iox.air AS a", ["timestamp", "tag", "field::float"]],
    ["SELECT room AS r, temp + 1 AS temp, room FROM air", [undefined, undefined, "tag"]],
    ["SELECT room, max(temp) FROM air GROUP BY room", ["tag", undefined]],
    ["WITH w AS (SELECT room, n * 2 AS n FROM air) SELECT * FROM w", ["tag", undefined]],
    ["SELECT s.* FROM (SELECT n, time FROM air) AS s", ["field::integer", "timestamp"]],
    ["SELECT x.n, y.room FROM air x JOIN air y ON x.time = y.time", ["field::integer", "tag"]],
    ["SELECT room FROM air UNION ALL SELECT label FROM air", [undefined]],
    ["SELECT * FROM air JOIN air AS b USING (time)", Array.from({ length: 13 }, () => undefined)],
    ["SELECT table_name FROM information_schema.tables", [undefined]],
  ];
  for (const [sql, marks] of marked) {
    test(`is marked only where it is a table's own: ${sql}`, async () => {
      assert.deepEqual(
        (await columns(sql)).map(([, , mark]) => mark),
        marks,
      );
    });
  }

  test("without a name has DataFusion's", async () => {
    const sql =
      "SELECT count(*), avg(temp), count(DISTINCT a.room), sum(n) / 2, min(n + 1), 1, 'x', true, " +
      "selector_max(temp, time)['value'], approx_percentile_cont(temp, 0.9) FROM air a";
    assert.deepEqual(
      (await columns(sql)).map(([name]) => name),
      [
        "count(*)",
        "avg(a.temp)",
        "count(DISTINCT a.room)",
        "sum(a.n) / Int64(2)",
        "min(a.n + Int64(1))",
        "Int64(1)",
        'Utf8("x")',
        "Boolean(true)",
        "selector_max(a.temp,a.time)[value]",
        "approx_percentile_cont(a.temp,Float64(0.9))",
      ],
    );
  });

  test("what Arrow has no plain type for is text, a decimal a float, and a sum of integers an integer", async () => {
    const sql = "SELECT sum(n) AS a, 1.5 AS b, [1, 2] AS c, DATE '2026-01-01' AS d, CAST(1 AS TINYINT) AS e";
    const types = (await columns(`${sql} FROM air`)).map(([, type]) => type);
    assert.deepEqual(types, ["int64", "float64", "utf8", "utf8", "int64"]);
    assert.deepEqual(await rows(`${sql} FROM air`), [[16n, 1.5, "[1, 2]", "2026-01-01", 1n]]);
  });
});

describe("InfluxDB's functions", () => {
  const answers: [sql: string, row: SqlCell[]][] = [
    ["date_bin(INTERVAL '10 microseconds', time)", [startNs - 1n]],
    ["date_bin(INTERVAL '1 hour', time, '2025-12-31T23:59:59.000000002Z')", [startNs - 1n - 999_999_998n]],
    ["date_bin(INTERVAL '1 day', TIMESTAMP '1969-12-31 23:00:00')", [-86_400_000_000_000n]],
    ["date_bin(INTERVAL '1 month', time)", [startNs - 1n]],
    ["date_trunc('hour', time)", [startNs - 1n]],
    ["time - INTERVAL '1 hour'", [startNs - hourNs]],
    ["INTERVAL '1 month' + time", [startNs + 31n * 24n * hourNs]],
    ["date_part('hour', time + INTERVAL '90 minutes')", [1n]],
    ["extract(minute FROM time - INTERVAL '1 minute')", [59n]],
    ["to_timestamp('2026-01-01T00:00:00.000000001Z')", [startNs]],
    ["to_timestamp(1.5)", [1_500_000_000n]],
    ["to_timestamp_millis(n)", [5_000_000n]],
    ["to_timestamp_nanos(1767225600000000001)", [startNs]],
    ["time = '2026-01-01T00:00:00.000000001Z'", [true]],
    ["time > TIMESTAMP '2026-01-01 00:00:00'", [true]],
    ["time < now() - INTERVAL '1 second'", [startNs < BigInt(Date.now()) * 1_000_000n]],
    ["time >= '2026-01-01 00:00:00'::TIMESTAMP AT TIME ZONE 'America/Los_Angeles'", [false]],
    ["n / 2", [2n]],
    ["room ~ 'A|a'", [true]],
    ["'room' ~ 'oo'", [true]],
  ];
  for (const [expression, row] of answers) {
    test(expression, async () => {
      assert.deepEqual(await rows(`SELECT ${expression} FROM air ORDER BY time LIMIT 1`), [row]);
    });
  }

  const aggregates: [sql: string, row: SqlCell[]][] = [
    ["selector_first(temp, time)['value'], selector_first(temp, time)['time']", [21.5, startNs]],
    ["selector_last(temp, time)['value'], selector_last(temp, time)['time']", [21.5, startNs + 3n * hourNs]],
    ["selector_min(n, time)['value'], selector_min(n, time)['time']", [-4n, startNs + 3n * hourNs]],
    ["selector_max(temp, time)['value'], selector_max(temp, time)['time']", [21.5, startNs]],
    ["First_Value(temp ORDER BY time DESC), last_value(n ORDER BY time)", [21.5, -4n]],
    ["approx_percentile_cont(n, 0.5), median(n), approx_median(n)", [5.5, 5.5, 5.5]],
    ["var(u), stddev(u), stddev_pop(u)", [50 / 3, Math.sqrt(50 / 3), Math.sqrt(12.5)]],
    ["approx_distinct(room), count(DISTINCT room)", [2n, 2n]],
    ["string_agg(room, '-' ORDER BY time), bool_and(ok), bool_or(ok)", ["a-b-a-a", false, true]],
  ];
  for (const [expressions, row] of aggregates) {
    test(expressions, async () => assert.deepEqual(await rows(`SELECT ${expressions} FROM air`), [row]));
  }

  test("a selector of a group without values is null", async () => {
    const sql = "SELECT selector_last(label, time)['value'] AS l FROM air WHERE room = 'b'";
    assert.deepEqual(await rows(sql), [[null]]);
  });

  test("null is the largest value in an order", async () => {
    assert.deepEqual(await rows("SELECT temp FROM air ORDER BY temp DESC, time LIMIT 2"), [[null], [21.5]]);
  });

  test("an alias may be a text, with AS and without", async () => {
    const { columns } = await store.query(farm, "SELECT temp 'é t', n AS 'number' FROM air", {});
    assert.deepEqual(
      columns.map(({ name }) => name),
      ["é t", "number"],
    );
    assert.deepEqual(await rows("SELECT DATE '2026-01-01', CAST('1' AS DOUBLE)"), [["2026-01-01", 1]]);
  });
});

describe("parameters", () => {
  test("keep their types, and a text is compared with a time as a literal is", async () => {
    const sql = "SELECT n FROM air WHERE time >= $since AND room = $room AND (ok = $ok OR $none IS NULL)";
    const parameters = { since: "2026-01-01T01:00:00.000000002Z", room: "a", ok: true, none: null };
    assert.deepEqual(await rows(`${sql} ORDER BY time`, parameters), [[9n], [-4n]]);
    const typed = "SELECT $i / 2 AS i, $f / 2 AS f, $big AS b, $s AS s";
    const big = 18_446_744_073_709_551_615n;
    assert.deepEqual(await rows(typed, { i: 5n, f: 5, big, s: "it's\0$i" }), [[2n, 2.5, big, "it's\0$i"]]);
  });

  test("are replaced neither in texts nor in names nor in comments", async () => {
    assert.deepEqual(await rows("SELECT '$a' AS \"$a\", $a /* $b */ -- $c", { a: 1n }), [["$a", 1n]]);
  });

  test("one that is not named is ignored, and one that is missing is refused, also where Object has it", async () => {
    assert.deepEqual(await rows("SELECT $a", { a: 1n, b: 2n }), [[1n]]);
    const answer = "Error during planning: No value found for placeholder with name $toString";
    assert.equal(await refusal("SELECT $toString", { a: 1n }), answer);
    assert.match(await refusal("SELECT ?"), /placeholders must have the form \$name/);
  });

  test("a value never becomes a part of the statement", async () => {
    assert.deepEqual(await rows("SELECT n FROM air WHERE room = $r", { r: "a' OR 'a' = 'a" }), []);
  });
});

describe("a refusal has DataFusion's words", () => {
  const refused: [sql: string, answer: string | RegExp][] = [
    ["SELECT * FROM nope", "Error during planning: table 'public.iox.nope' not found"],
    ["SELECT * FROM system.queries", "Error during planning: table 'public.system.queries' not found"],
    ["SELECT nope FROM air", "Schema error: No field named nope."],
    ['SELECT "No Pe" FROM air', 'Schema error: No field named "No Pe".'],
    ["SELECT air.nope FROM air", "Schema error: No field named air.nope."],
    ["SELECT nope(n) FROM air", "Error during planning: Invalid function 'nope'."],
    ["SELCT", /^SQL error: ParserError\("/],
    ["SELECT CAST(room AS DOUBLE) FROM air", /^Arrow error: Cast error: /],
    ["SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) AS v(x)", /^Arrow error: Arithmetic overflow/],
    ["SELECT TIMESTAMP '9999-01-01 00:00:00' AS far", /^Arrow error: Cast error: /],
    ["SELECT TIMESTAMP(6) '9999-01-01 00:00:00' AS far", /^Arrow error: Arithmetic overflow/],
    ["SELECT locf(avg(temp)) FROM air", "This feature is not implemented: locf"],
    ["DELETE FROM air", "Error during planning: only statements that read are supported"],
  ];
  for (const [sql, answer] of refused) {
    test(sql, async () => {
      const got = await refusal(sql);
      if (typeof answer === "string") assert.equal(got, answer);
      else assert.match(got, answer);
    });
  }
});

describe("a stream", () => {
  const count = 300_000n;
  const numbers = `SELECT range AS n, 'text ' || range AS t FROM range(${count})`;

  test("gives every row once and in order, in batches of a limited size", async () => {
    const stream = await store.stream(farm, `SELECT range AS n FROM range(${count}) ORDER BY n`, {});
    let next = 0n;
    for await (const batch of stream.batches()) {
      assert.ok(batch.rowCount > 0 && batch.rowCount <= 3 * 8192);
      assert.equal(batch.columns[0]?.length, batch.rowCount);
      for (const cell of batch.columns[0] ?? []) assert.equal(cell, next++);
    }
    assert.equal(next, count);
  });

  test("of a million million rows can be left, and its engine is free again", async () => {
    const endless = "SELECT a.range AS n FROM range(1000000) a, range(1000000) b";
    const stream = await store.stream(farm, endless, {});
    for await (const batch of stream.batches()) {
      assert.ok(batch.rowCount > 0);
      break;
    }
    assert.deepEqual(await rows("SELECT 1 AS one"), [[1n]]);
  });

  test("that computes for long before its first row ends when it is closed", async () => {
    const slow = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1";
    const stream = await store.stream(farm, slow, {});
    const reading = all(stream);
    stream.close();
    assert.deepEqual(await reading, []);
  });

  test("fails in the middle with a refusal that says so", async () => {
    const sql =
      "SELECT CAST(CASE WHEN range = 250000 THEN 'x' ELSE '1' END AS BIGINT) AS n FROM range(300000)";
    const stream = await store.stream(farm, sql, {});
    let before = 0;
    await assert.rejects(
      async () => {
        for await (const { rowCount } of stream.batches()) before += rowCount;
      },
      (error) => error instanceof SqlRefusal && error.phase === "execution",
    );
    assert.ok(before > 0 && before <= 250_000, `${before} rows came before`);
  });

  test("keeps what it has planned, whoever writes a new column in the meantime", async () => {
    const options = { acceptPartial: false, precision: "nanosecond", nowNs: 0n } as const;
    await store.commit(ingest(store.catalog, "moving", "m b=1 1", options).points);
    const moving = store.catalog.database("moving");
    assert.ok(moving !== undefined);
    const stream = await store.stream(moving, "SELECT * FROM m", {});
    await store.commit(ingest(store.catalog, "moving", "m a=2,b=3 2", options).points);
    const [batch] = await all(stream);
    assert.deepEqual(
      [stream.columns.map(({ name }) => name), batch?.columns],
      [
        ["b", "time"],
        [[1], [1n]],
      ],
    );
    assert.deepEqual((await store.query(moving, "SELECT a FROM m ORDER BY time", {})).rows, [[null], [2]]);
  });

  test("that is read slowly takes no more memory for its length", async () => {
    const stream = await store.stream(farm, numbers.replace(String(count), "20000000"), {});
    let read = 0;
    let mostBytes = 0;
    const startBytes = process.memoryUsage().rss;
    for await (const { rowCount } of stream.batches()) {
      read += rowCount;
      mostBytes = Math.max(mostBytes, process.memoryUsage().rss - startBytes);
      if (read > 1_000_000) break;
    }
    assert.ok(mostBytes < 200 * 1024 * 1024, `${mostBytes} bytes more`);
  });

  test("that nobody reads ends with its store", async () => {
    const other = await Store.open({ directory: undefined, limits: coreLimits });
    const database = other.catalog.createDatabase("idle", undefined);
    const stream = await other.stream(database, "SELECT * FROM range(10)", {});
    await other.close();
    assert.deepEqual(await all(stream), []);
  });
});
