/**
 * ADBC's Flight SQL driver reads our stand-in as it would read an InfluxDB 3. Not run by default: scripts/interop sets
 * FLIGHTLINE_INTEROP=1 and brings a python3 with the driver.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Secret } from "../../src/lib/secret.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startPython, withoutPython } from "../support/python.ts";
import type { Python } from "../support/python.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";

const program = join(import.meta.dirname, "flight-sql-readers.py");
const skip = withoutPython("adbc_driver_flightsql.dbapi, pyarrow", "to read the stand-in with ADBC");
/** A report shows skipped tests, and no skipped suites. */
function suite(name: string, define: () => void): void {
  if (skip === false) describe(name, define);
  else test(name, { skip }, define);
}

const token = "apiv3_s3cret";
const start = 1_763_800_000_123_456_789n;
const lines = [
  `room,dev=a temperature=20.5,count=9223372036854775807i ${start}`,
  `room,dev=b temperature=-0.1,size=18446744073709551615u,isOn=true,note="grüße 😀" ${start + 1n}`,
  `hall temperature=19 ${start}`,
];

type Cells = Readonly<Record<string, unknown>>;

interface Answer {
  readonly types: Readonly<Record<string, string>>;
  readonly rows: readonly Cells[];
}

interface ListedSchema {
  readonly db_schema_name: string;
  readonly db_schema_tables: readonly {
    readonly table_name: string;
    readonly table_type: string;
    readonly table_columns: readonly { readonly column_name: string }[];
  }[];
}

suite("the stand-in, read with ADBC", () => {
  let server: InfluxStandIn;
  let python: Python;

  before(async () => {
    server = await startInfluxStandIn({ flushIntervalMs, auth: { token: new Secret(token) } });
    python = startPython(program);
    const authorization = { authorization: `Bearer ${token}` };
    assert.deepEqual(await write(server, lines.join("\n"), undefined, authorization), [204, ""]);
  });
  after(async () => {
    await python.end();
    await server.stop();
  });

  async function answerTo(ask: string, more: object = {}): Promise<unknown> {
    python.send(JSON.stringify({ url: server.url, token, database: "farm", ask, ...more }));
    return await python.nextAnswer();
  }

  async function query(text: string, bind?: object): Promise<Answer> {
    const answer = (await answerTo("query", { text, bind })) as Answer;
    assert.ok("rows" in answer, JSON.stringify(answer));
    return answer;
  }

  async function refusal(ask: string, more: object): Promise<readonly [string, string]> {
    const { error, text } = (await answerTo(ask, more)) as { readonly error: string; readonly text: string };
    return [error, text];
  }

  test("a query gives what was written, to the last digit", async () => {
    const { types, rows } = await query("SELECT * FROM room ORDER BY time");
    assert.deepEqual(types, {
      count: "int64",
      dev: "string",
      isOn: "bool",
      note: "string",
      size: "uint64",
      temperature: "double",
      time: "timestamp[ns]",
    });
    const blank = { count: null, isOn: null, note: null, size: null };
    assert.deepEqual(rows, [
      { ...blank, dev: "a", count: "9223372036854775807", temperature: 20.5, time: String(start) },
      {
        ...blank,
        dev: "b",
        isOn: true,
        note: "grüße 😀",
        size: "18446744073709551615",
        temperature: -0.1,
        time: String(start + 1n),
      },
    ]);
  });

  test("a query of many batches comes whole", async () => {
    const { rows } = await query("SELECT i AS n FROM range(50000) AS r(i) ORDER BY i");
    assert.equal(rows.length, 50_000);
    assert.deepEqual(rows.at(-1), { n: "49999" });
  });

  test("a prepared statement runs with the parameters that were bound", async () => {
    const text = "SELECT time FROM room WHERE dev = $dev AND temperature < $most";
    assert.deepEqual((await query(text, { dev: "b", most: 3.5 })).rows, [{ time: String(start + 1n) }]);
    assert.deepEqual((await query(text, { dev: "b", most: -3.5 })).rows, []);
    const quote = { text: "it's '; DROP TABLE room; --" };
    assert.deepEqual((await query("SELECT $text AS text", quote)).rows, [quote]);
  });

  test("parameters keep their types", async () => {
    const bind = { i: -5, f: 5.5, t: "5", b: true };
    const { types, rows } = await query("SELECT $i AS i, $f AS f, $t AS t, $b AS b", bind);
    assert.deepEqual(types, { i: "int64", f: "double", t: "string", b: "bool" });
    assert.deepEqual(rows, [{ i: "-5", f: 5.5, t: "5", b: true }]);
  });

  test("of many rows of parameters the first one is bound, as in InfluxDB", async () => {
    const { rows } = await query("SELECT dev FROM room WHERE dev = $dev", [{ dev: "b" }, { dev: "a" }]);
    assert.deepEqual(rows, [{ dev: "b" }]);
  });

  test("preparing says which parameters there are", async () => {
    const text = "SELECT dev FROM room WHERE dev = $dev AND temperature < $most";
    assert.deepEqual(await answerTo("prepare", { text }), { types: { $dev: "null", $most: "null" } });
  });

  test("objects are catalogs, schemas, tables and columns", async () => {
    const { rows } = (await answerTo("objects", { depth: "all", db_schema_filter: "i%x" })) as Answer;
    const [catalog, ...others] = rows;
    assert.ok(catalog !== undefined && others.length === 0);
    assert.equal(catalog["catalog_name"], "public");
    const listed = (catalog["catalog_db_schemas"] as readonly ListedSchema[]).map(
      ({ db_schema_name: name, db_schema_tables: tables }) => ({
        name,
        tables: tables.map(({ table_name, table_type, table_columns }) => [
          table_name,
          table_type,
          table_columns.map(({ column_name }) => column_name),
        ]),
      }),
    );
    const columns = ["count", "dev", "isOn", "note", "size", "temperature", "time"];
    assert.deepEqual(listed, [
      {
        name: "iox",
        tables: [
          ["hall", "BASE TABLE", ["temperature", "time"]],
          ["room", "BASE TABLE", columns],
        ],
      },
    ]);
  });

  test("a table's schema says which columns are tags", async () => {
    assert.deepEqual(await answerTo("table_schema", { table: "room" }), {
      types: {
        count: "int64",
        dev: "dictionary<values=string, indices=int32, ordered=0>",
        isOn: "bool",
        note: "string",
        size: "uint64",
        temperature: "double",
        time: "timestamp[ns]",
      },
      kinds: {
        count: "iox::column_type::field::integer",
        dev: "iox::column_type::tag",
        isOn: "iox::column_type::field::boolean",
        note: "iox::column_type::field::string",
        size: "iox::column_type::field::uinteger",
        temperature: "iox::column_type::field::float",
        time: "iox::column_type::timestamp",
      },
    });
    assert.equal((await refusal("table_schema", { table: "nope" }))[0], "ProgrammingError");
  });

  test("types of tables, and what the server is", async () => {
    assert.deepEqual(await answerTo("table_types"), { rows: ["BASE TABLE", "VIEW"] });
    const { rows } = (await answerTo("info")) as { readonly rows: Cells };
    const { vendor_name, vendor_version, vendor_arrow_version } = rows;
    assert.deepEqual([vendor_name, vendor_version, vendor_arrow_version], ["InfluxDB IOx", "2", "1.3"]);
  });

  test("a refusal is the exception of its kind, in the server's words", async () => {
    const wrongs = [
      ["query", { text: "SELECT * FROM nope" }, "ProgrammingError", /table 'public\.iox\.nope' not found/],
      ["query", { text: "SELECT 1", token: "apiv3_wrong" }, "ProgrammingError", /UNAUTHENTICATED/],
      ["table_types", { database: null }, "ProgrammingError", /no 'database' header in request/],
      ["table_types", { database: "nope" }, "InternalError", /database not found: nope/],
    ] as const;
    for (const [ask, more, exception, words] of wrongs) {
      const [error, text] = await refusal(ask, more);
      assert.equal(error, exception, text);
      assert.match(text, words);
    }
  });
});
