/**
 * The client's Flight SQL against Arrow's own example of a server (arrow-go, over SQLite), which keeps the state of
 * statements and binds values by their places. Not run by default: scripts/interop sets FLIGHTLINE_INTEROP=1, and
 * builds that server where there is a Go to build it with.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { createFlightSqlClient } from "../../src/influx/flight/flight-sql-client.ts";
import type { FlightSqlClient } from "../../src/influx/flight/flight-sql-api.ts";
import { Fault } from "../../src/lib/fault.ts";

const program = "sqlite_flightsql_server";

function withoutServer(): string | false {
  if (process.env["FLIGHTLINE_INTEROP"] !== "1")
    return "SKIPPED: set FLIGHTLINE_INTEROP=1 to ask arrow-go's server";
  if (spawnSync(program, ["-h"]).error === undefined) return false;
  return `SKIPPED: needs ${program} of arrow-go (scripts/interop builds one where there is Go)`;
}

/** Resolves with its port. */
async function portOf({ stdout }: ChildProcess): Promise<number> {
  assert.ok(stdout !== null);
  for await (const line of createInterface({ input: stdout })) {
    const port = /:(\d+) \.\.\.$/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`${program} has ended`);
}

const skip = withoutServer();

describe("arrow-go's server", () => {
  let server: ChildProcess;
  let client: FlightSqlClient;

  before(async () => {
    if (skip !== false) return;
    server = spawn(program, ["-port", "0"], { stdio: ["ignore", "pipe", "ignore"] });
    const url = `http://127.0.0.1:${await portOf(server)}`;
    client = createFlightSqlClient({ url, database: "main", tls: { verify: true }, timeoutMs: 10_000 });
  });
  after(async () => {
    if (skip !== false) return;
    client.close();
    const ended = once(server, "exit");
    server.kill();
    await ended;
  });

  test("answers a statement", { skip }, async () => {
    const rows = await client.sql.statement("SELECT id, keyName FROM intTable ORDER BY id").rows().collect();
    assert.deepEqual(rows, [
      { id: 1n, keyName: "one" },
      { id: 2n, keyName: "zero" },
      { id: 3n, keyName: "negative one" },
      { id: 4n, keyName: null },
    ]);
    const bad = client.sql.statement("SELECT FROM", { retry: "never" }).all();
    await assert.rejects(bad, (error) => error instanceof Fault && /syntax error/.test(error.message));
  });

  test("keeps what was bound to a prepared statement", { skip }, async () => {
    const text = "SELECT keyName FROM intTable WHERE value > ? AND keyName <> ? ORDER BY id";
    const statement = await client.sql.prepare(text);
    const ask = async (): Promise<unknown[]> =>
      (await statement.query().rows().collect()).map((row) => row["keyName"]);
    await statement.bind({ 1: 0n, 2: "" });
    assert.deepEqual(await ask(), ["one"]);
    await statement.bind({ 1: -5.5, 2: "zero" });
    assert.deepEqual(await ask(), ["one", "negative one"]);
    await statement.bind({ 1: null, 2: "zero" });
    assert.deepEqual(await ask(), []);
    await statement.close();
  });

  test("says what it holds, and what it is", { skip }, async () => {
    const { sql } = client;
    const tables = await sql.tables({ includeSchema: true, tablePattern: "int%" }).list();
    assert.deepEqual(
      tables.map(({ catalog, name, type }) => [catalog, name, type]),
      [["main", "intTable", "table"]],
    );
    assert.deepEqual(
      tables[0]?.columns?.map(({ name, arrowType }) => [name, arrowType]),
      [
        ["id", "Int64"],
        ["keyName", "Utf8"],
        ["value", "Int64"],
        ["foreignId", "Int64"],
      ],
    );
    const known = new Map((await sql.sqlInfo().list()).map(({ id, value }) => [id, value]));
    assert.deepEqual([known.get(0), known.get(504), typeof known.get(505)], ["db_name", '"', "bigint"]);
    const [key] = await sql.primaryKeys({ table: "intTable" }).rows().collect();
    assert.deepEqual([key?.["column_name"], key?.["key_sequence"]], ["id", 1]);
    const [foreign] = await sql.importedKeys({ table: "intTable" }).rows().collect();
    assert.deepEqual(
      [foreign?.["pk_table_name"], foreign?.["fk_column_name"]],
      ["foreignTable", "foreignId"],
    );
    assert.equal((await sql.typeInfo().all()).numRows, 17);
    assert.equal((await sql.catalogs().all()).numRows, 1);
  });
});
