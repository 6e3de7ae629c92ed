/** The client's Flight SQL against the InfluxDB stand-in, which shares no code with it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { FlightSqlClient } from "../../src/influx/flight/flight-sql-api.ts";
import { createFlightSqlClient } from "../../src/influx/flight/flight-sql-client.ts";
import { startInfluxStandIn, type InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";
import { isFault } from "../unit/influx/flight/fixture.ts";

const startNs = 1_700_000_000_000_000_000n;
const lines = [
  `room,dev=a temp=20.5,n=1i,up=true ${startNs}`,
  `room,dev=b temp=21.5,n=2i,note="°" ${startNs + 1n}`,
  `r_om f=1 ${startNs}`,
];

let server: InfluxStandIn;
let client: FlightSqlClient;

before(async () => {
  server = await startInfluxStandIn({ flushIntervalMs, keepAliveMs: 100 });
  assert.deepEqual(await write(server, lines.join("\n")), [204, ""]);
  client = createFlightSqlClient({
    url: server.url,
    database: "farm",
    tls: { verify: true },
    timeoutMs: 10_000,
  });
});

after(async () => {
  client.close();
  await server.stop();
});

describe("a statement", () => {
  test("gives what a query gives", async () => {
    const text = "SELECT * FROM room ORDER BY time";
    const rows = await client.sql.statement(text).rows().collect();
    assert.equal(rows.length, 2);
    assert.deepEqual(rows, await client.query({ text }).rows().collect());
    assert.equal(rows[1]?.["time"], startNs + 1n);
  });

  test("that cannot be planned is refused, and a database that is not there is named", async () => {
    const bad = client.sql.statement("SELECT * FROM nowhere").all();
    await assert.rejects(bad, isFault("flight_table_missing", /nowhere/));
    const strange = client.sql.catalogs({ database: "strange" }).all();
    await assert.rejects(strange, isFault("flight_database_missing", /strange/));
  });
});

describe("a prepared statement", () => {
  test("is asked again and again with other values", async () => {
    const statement = await client.sql.prepare(
      "SELECT dev, n FROM room WHERE n >= $least AND dev <> $not ORDER BY n",
    );
    assert.deepEqual(
      statement.columns?.map(({ name, arrowType }) => [name, arrowType]),
      [
        ["dev", "Utf8"],
        ["n", "Int64"],
      ],
    );
    assert.deepEqual(statement.parameters?.map(({ name }) => name).toSorted(), ["$least", "$not"]);
    await statement.bind({ least: 1n, not: "b" });
    assert.deepEqual(await statement.query().rows().collect(), [{ dev: "a", n: 1n }]);
    await statement.bind({ least: 1.5, not: "" });
    assert.deepEqual(await statement.query().rows().collect(), [{ dev: "b", n: 2n }]);
    await statement.close();
  });

  test("takes values by number, and nothing for null", async () => {
    const statement = await client.sql.prepare("SELECT n FROM room WHERE n = $1 OR up = $2");
    await statement.bind({ 1: 2n, 2: null });
    assert.deepEqual(await statement.query().rows().collect(), [{ n: 2n }]);
    await statement.bind({ 1: 0n, 2: true });
    assert.deepEqual(await statement.query().rows().collect(), [{ n: 1n }]);
    await statement.close();
  });

  test("that cannot be planned is refused when it is made", async () => {
    await assert.rejects(client.sql.prepare("SELECT FROM WHERE"), isFault("flight_query_refused"));
  });
});

describe("what the database says of itself", () => {
  test("are catalogs, schemas, types and keys", async () => {
    const { sql } = client;
    assert.deepEqual(await sql.catalogs().rows().collect(), [{ catalog_name: "public" }]);
    assert.deepEqual(await sql.schemas({ pattern: "io%" }).rows().collect(), [
      { catalog_name: "public", db_schema_name: "iox" },
    ]);
    const types = await sql.tableTypes().rows().collect();
    assert.ok(types.some((row) => row["table_type"] === "BASE TABLE"));
    assert.ok((await sql.typeInfo().all()).numRows > 0);
    for (const keys of [
      sql.primaryKeys({ table: "room" }),
      sql.exportedKeys({ table: "room" }),
      sql.importedKeys({ table: "room" }),
      sql.crossReference({ table: "room" }, { table: "r_om" }),
    ]) {
      const rows = keys.rows();
      assert.ok((await rows.columns()).length > 0);
      assert.deepEqual(await rows.collect(), []);
    }
  });

  test("are tables, with what InfluxDB calls their columns", async () => {
    const tables = await client.sql.tables({ schemaPattern: "iox", includeSchema: true }).list();
    assert.deepEqual(tables.map(({ name }) => name).toSorted(), ["r_om", "room"]);
    const room = tables.find(({ name }) => name === "room");
    assert.deepEqual([room?.catalog, room?.schema, room?.type], ["public", "iox", "BASE TABLE"]);
    const columns = new Map(room?.columns?.map(({ name, arrowType, influx }) => [name, [arrowType, influx]]));
    assert.deepEqual(columns.get("dev"), ["Dictionary<Int32, Utf8>", { kind: "tag" }]);
    assert.deepEqual(columns.get("n"), ["Int64", { kind: "field", type: "integer" }]);
    assert.deepEqual(columns.get("time"), ["Timestamp<NANOSECOND>", { kind: "timestamp" }]);
    assert.equal(columns.size, 6);
    const [plain] = await client.sql.tables({ tablePattern: "roo%", types: ["BASE TABLE"] }).list();
    assert.deepEqual([plain?.name, plain?.columns], ["room", undefined]);
    assert.deepEqual(await client.sql.tables({ types: ["NO SUCH"] }).list(), []);
  });

  test("are its name and what it can do, each as it is", async () => {
    const all = new Map((await client.sql.sqlInfo().list()).map(({ id, value }) => [id, value]));
    assert.deepEqual([all.get(0), all.get(3), all.get(504)], ["InfluxDB IOx", true, '"']);
    assert.ok(all.size > 20);
    assert.deepEqual(await client.sql.sqlInfo([3]).list(), [{ id: 3, value: true }]);
  });
});
