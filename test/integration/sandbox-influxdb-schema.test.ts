/** The stand-in describes its databases as InfluxDB 3 does, and keeps queries inside of their own. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { tableNames } from "../../src/sandbox/influx-reader.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { ask, flushIntervalMs, sql, write } from "../support/stand-in.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

async function standIn(
  t: TestContext,
  options: Parameters<typeof startInfluxStandIn>[0] = {},
): Promise<InfluxStandIn> {
  const server = await startInfluxStandIn({ flushIntervalMs, ...options });
  t.after(async () => await server.stop());
  return server;
}

async function lines(server: InfluxStandIn, text: string, db = "farm"): Promise<void> {
  assert.deepEqual(await write(server, text, `db=${db}&precision=ns`), [204, ""]);
}

const described =
  "SELECT table_catalog, table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns";

describe("information_schema", () => {
  test("columns stand in byte order under the names that were written, with Arrow's types", async (t) => {
    const server = await standIn(t);
    await lines(server, 'Größe,dev=a f=1,i=1i,u=1u,s="x",b=t,Zeit=2,zeit=3 1');
    const rows = await server.query("farm", `${described} ORDER BY ordinal_position`);
    const table = { table_catalog: "public", table_schema: "iox", table_name: "Größe" };
    assert.deepEqual(
      rows,
      [
        ["Zeit", "Float64", "YES"],
        ["b", "Boolean", "YES"],
        ["dev", "Dictionary(Int32, Utf8)", "YES"],
        ["f", "Float64", "YES"],
        ["i", "Int64", "YES"],
        ["s", "Utf8", "YES"],
        ["time", "Timestamp(Nanosecond, None)", "NO"],
        ["u", "UInt64", "YES"],
        ["zeit", "Float64", "YES"],
      ].map(([name, type, nullable]) => ({
        ...table,
        column_name: name,
        data_type: type,
        is_nullable: nullable,
      })),
    );
    assert.deepEqual(
      await server.query(
        "farm",
        "SELECT ordinal_position AS n FROM information_schema.columns WHERE column_name = 'Zeit'",
      ),
      [{ n: 0n }],
    );
  });

  test("tables of the database are base tables of iox; its own views stand beside them", async (t) => {
    const server = await standIn(t);
    await lines(server, "uplink a=1 1\nUplink a=1 1");
    assert.deepEqual(
      await server.query("farm", "SELECT * FROM information_schema.tables ORDER BY table_schema, table_name"),
      [
        ["information_schema", "columns", "VIEW"],
        ["information_schema", "tables", "VIEW"],
        ["iox", "Uplink", "BASE TABLE"],
        ["iox", "uplink", "BASE TABLE"],
      ].map(([schema, name, type]) => ({
        table_catalog: "public",
        table_schema: schema,
        table_name: name,
        table_type: type,
      })),
    );
    const names = await tableNames({ influxUrl: server.url, database: "farm" });
    assert.deepEqual(names, new Set(["uplink", "Uplink"]));
  });

  test("SHOW TABLES and SHOW COLUMNS ask it, too", async (t) => {
    const server = await standIn(t);
    await lines(server, "uplink a=1 1\na\\ table b=1 1");
    const tables = await server.query("farm", "show tables;");
    assert.deepEqual(
      new Set(tables.filter((row) => row["table_schema"] === "iox").map((row) => row["table_name"])),
      new Set(["uplink", "a table"]),
    );
    for (const name of ["uplink", '"a table"']) {
      const columns = await server.query("farm", `SHOW COLUMNS FROM ${name}`);
      assert.equal(columns.length, 2, name);
    }
  });

  test("it is queried like a table: joined, counted, with parameters, in any case and behind a comment", async (t) => {
    const server = await standIn(t);
    await lines(server, "uplink a=1,b=2 1\nuplink_rx a=1 1");
    const queries: [query: string, answer: string][] = [
      [
        "SELECT t.table_name AS name, count(*) AS columns FROM information_schema.tables t " +
          "JOIN information_schema.columns USING (table_schema, table_name) GROUP BY 1 ORDER BY 1",
        '[{"name":"uplink","columns":3},{"name":"uplink_rx","columns":2}]',
      ],
      [
        "/* 'ü' FROM x */ SELECT count(*) AS n FROM INFORMATION_SCHEMA . \"columns\" WHERE table_name = 'uplink'",
        '[{"n":3}]',
      ],
      [
        "SELECT columns.column_name AS name FROM public.information_schema.columns WHERE data_type = 'Float64' AND starts_with(table_name, 'uplink_')",
        '[{"name":"a"}]',
      ],
      ["WITH c AS (FROM information_schema.columns) SELECT count(*) AS n FROM c", '[{"n":5}]'],
      ["SELECT (SELECT count(*) FROM information_schema.columns) AS n FROM iox.uplink", '[{"n":5}]'],
    ];
    for (const [query, answer] of queries) assert.deepEqual(await sql(server, query), [200, answer]);
    const q = "SELECT count(*) AS n FROM information_schema.columns WHERE table_name = $name";
    const params = encodeURIComponent('{"name":"uplink"}');
    assert.deepEqual(await sql(server, q, `&params=${params}`), [200, '[{"n":3}]']);
  });

  test("it is the same after a restart", async (t) => {
    await using folder = await temporaryFolder("standin");
    const first = await startInfluxStandIn({ flushIntervalMs, dataDirectory: folder.path });
    await lines(first, 'uplink,dev=a s="x" 1');
    const before = await first.query("farm", described);
    await first.stop();
    const second = await standIn(t, { dataDirectory: folder.path });
    assert.equal(before.length, 3);
    assert.deepEqual(await second.query("farm", described), before);
  });
});

describe("a query sees its own database only", () => {
  test("in tables and columns, whatever others have", async (t) => {
    const server = await standIn(t);
    await lines(server, "uplink a=1 1");
    await lines(server, 'uplink a="x",b=t 1\nelsewhere c=1 1', "barn");
    const names =
      "SELECT table_name || '.' || column_name || ' ' || data_type AS c FROM information_schema.columns";
    const of = async (db: string): Promise<unknown[]> =>
      (await server.query(db, `${names} ORDER BY 1`)).map((row) => row["c"]);
    assert.deepEqual(await of("farm"), ["uplink.a Float64", "uplink.time Timestamp(Nanosecond, None)"]);
    assert.deepEqual(await of("barn"), [
      "elsewhere.c Float64",
      "elsewhere.time Timestamp(Nanosecond, None)",
      "uplink.a Utf8",
      "uplink.b Boolean",
      "uplink.time Timestamp(Nanosecond, None)",
    ]);
    assert.deepEqual(await tableNames({ influxUrl: server.url, database: "farm" }), new Set(["uplink"]));
    assert.deepEqual(await server.query("farm", "SELECT a FROM uplink"), [{ a: 1 }]);
    assert.deepEqual(await server.query("barn", "SELECT a FROM public.iox.uplink"), [{ a: "x" }]);
    assert.equal((await ask(server, "/api/v3/configure/database?db=barn", { method: "DELETE" })).status, 200);
    assert.deepEqual(await tableNames({ influxUrl: server.url, database: "farm" }), new Set(["uplink"]));
  });

  const outside: [query: string, answer: string][] = [
    ["SELECT * FROM elsewhere", "table 'public.iox.elsewhere' not found"],
    ["SELECT * FROM db2.elsewhere", "table 'public.db2.elsewhere' not found"],
    ["SELECT * FROM data.t1", "table 'public.data.t1' not found"],
    ["SELECT * FROM catalog.tables", "table 'public.catalog.tables' not found"],
    ["SELECT * FROM memory.iox.uplink", "table 'memory.iox.uplink' not found"],
    ["SELECT * FROM sqlite_master", "table 'public.iox.sqlite_master' not found"],
    ["SELECT * FROM duckdb_tables()", "table function 'duckdb_tables' not found"],
    ["SELECT * FROM uplink, query_table('db2.elsewhere')", "table function 'query_table' not found"],
    ["SELECT (SELECT max(c) FROM db2.elsewhere) FROM uplink", "table 'public.db2.elsewhere' not found"],
    ["WITH x AS (SELECT * FROM db2.elsewhere) SELECT * FROM x", "table 'public.db2.elsewhere' not found"],
    ["EXPLAIN SELECT * FROM db2.elsewhere", "table 'public.db2.elsewhere' not found"],
    ["SHOW ALL TABLES", "SHOW __show_tables_expanded is not supported"],
    ["SELECT * FROM information_schema.schemata", "table 'public.information_schema.schemata' not found"],
  ];
  test("by every name that DuckDB would know", async (t) => {
    const server = await standIn(t);
    await lines(server, "uplink a=1 1");
    await lines(server, "elsewhere c=1 1", "barn");
    for (const [query, answer] of outside) {
      assert.deepEqual(await sql(server, query), [400, `Error during planning: ${answer}`], query);
    }
    assert.equal((await sql(server, "EXPLAIN SELECT * FROM iox.uplink"))[0], 200);
  });

  test("a table whose name differs by case only is the one that was written so", async (t) => {
    const server = await standIn(t);
    await lines(server, "temp a=1 1\nTemp a=2 1\nTEMP a=3 1");
    for (const [name, a] of [
      ["temp", 1],
      ["Temp", 2],
      ["iox.TEMP", 3],
    ] as const) {
      assert.deepEqual(await server.query("farm", `SELECT a FROM ${name}`), [{ a }]);
    }
  });
});

describe("what was written and is not committed yet", () => {
  /** A server that does not commit before it is stopped, and what became of the writes. */
  async function holding(t: TestContext): Promise<InfluxStandIn> {
    return await standIn(t, { flushIntervalMs: 3_600_000 });
  }
  const known = async (server: InfluxStandIn, query: string): Promise<string> =>
    await waitFor(
      async () => {
        const [status, body] = await sql(server, query);
        assert.ok(status === 200 || status === 400 || status === 404, body);
        return status === 200 && body !== "[]" && body;
      },
      { what: query },
    );
  const columns = "SELECT column_name FROM information_schema.columns ORDER BY column_name";

  test("a database that was never written before is queried without an error, and is empty", async (t) => {
    const server = await holding(t);
    const writing = write(server, "uplink a=1 1");
    assert.equal(await known(server, columns), '[{"column_name":"a"},{"column_name":"time"}]');
    assert.deepEqual(await sql(server, "SELECT * FROM uplink"), [200, "[]"]);
    assert.deepEqual(await sql(server, "SELECT 1 AS one"), [200, '[{"one":1}]']);
    await server.stop();
    assert.deepEqual(await writing, [204, ""]);
  });

  test("its first query may be one that fails, and the next one does not", async (t) => {
    const server = await holding(t);
    const writing = write(server, "uplink a=1 1");
    await waitFor(async () => (await sql(server, "SELECT * FROM nowhere"))[0] === 400, {
      what: "the database",
    });
    assert.deepEqual(await sql(server, "SELECT * FROM uplink"), [200, "[]"]);
    await server.stop();
    await writing;
  });

  test("a new column of a table is there and null in the rows that are", async (t) => {
    await using folder = await temporaryFolder("standin");
    const first = await startInfluxStandIn({ flushIntervalMs, dataDirectory: folder.path });
    await lines(first, "uplink a=1 1");
    await first.stop();

    const second = await standIn(t, { flushIntervalMs: 3_600_000, dataDirectory: folder.path });
    const writing = write(second, 'uplink b="x" 2\nuplink_rx c=1 1');
    await waitFor(async () => (await sql(second, "SELECT b FROM uplink"))[0] === 200, { what: "the column" });
    assert.deepEqual(await sql(second, "SELECT a, b FROM uplink"), [200, '[{"a":1.0}]']);
    assert.deepEqual(await sql(second, "SELECT * FROM uplink_rx"), [200, "[]"]);
    await second.stop();
    assert.deepEqual(await writing, [204, ""]);

    const third = await standIn(t, { dataDirectory: folder.path });
    assert.deepEqual(await sql(third, "SELECT a, b FROM uplink ORDER BY time"), [
      200,
      '[{"a":1.0},{"b":"x"}]',
    ]);
    assert.deepEqual(await sql(third, "SELECT c FROM uplink_rx"), [200, '[{"c":1.0}]']);
  });

  test("a column that was refused never shows", async (t) => {
    const server = await standIn(t);
    await lines(server, "uplink a=1 1");
    const [status] = await write(server, 'uplink b=1,a="x" 2', "db=farm&accept_partial=false");
    assert.equal(status, 400);
    assert.deepEqual(await sql(server, columns), [200, '[{"column_name":"a"},{"column_name":"time"}]']);
  });
});
