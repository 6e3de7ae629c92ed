/**
 * What the stand-in says about itself has the columns that Arrow's own example of a Flight SQL server gives (arrow-go,
 * over SQLite): a judge of our reading of the specification. Not run by default: scripts/interop sets
 * FLIGHTLINE_INTEROP=1, and builds that server where there is a Go to build it with.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";

import type { Schema } from "apache-arrow";

import {
  ActionClosePreparedStatementRequestSchema,
  CommandGetCatalogsSchema,
  CommandGetCrossReferenceSchema,
  CommandGetDbSchemasSchema,
  CommandGetExportedKeysSchema,
  CommandGetImportedKeysSchema,
  CommandGetPrimaryKeysSchema,
  CommandGetSqlInfoSchema,
  CommandGetTableTypesSchema,
  CommandGetTablesSchema,
  CommandGetXdbcTypeInfoSchema,
} from "../../src/proto/flight/flight_sql_pb.js";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";
import { RawFlightSql, packed, preparedQuery, statement } from "../unit/sandbox/flight-sql-fixture.ts";

const program = "sqlite_flightsql_server";

function withoutServer(): string | false {
  if (process.env["FLIGHTLINE_INTEROP"] !== "1")
    return "SKIPPED: set FLIGHTLINE_INTEROP=1 to ask arrow-go's server";
  if (spawnSync(program, ["-h"]).error === undefined) return false;
  return `SKIPPED: needs ${program} of arrow-go (scripts/interop builds one where there is Go)`;
}
const skip = withoutServer();
/** A report shows skipped tests, and no skipped suites. */
function suite(name: string, define: () => void): void {
  if (skip === false) describe(name, define);
  else test(name, { skip }, define);
}

/** Resolves with its port. */
async function portOf(server: ChildProcess): Promise<number> {
  assert.ok(server.stdout !== null);
  for await (const line of createInterface({ input: server.stdout })) {
    const port = /:(\d+) \.\.\.$/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`${program} has ended`);
}

const commands = {
  GetCatalogs: packed(CommandGetCatalogsSchema),
  GetDbSchemas: packed(CommandGetDbSchemasSchema),
  GetTables: packed(CommandGetTablesSchema),
  "GetTables with schemas": packed(CommandGetTablesSchema, { includeSchema: true }),
  GetTableTypes: packed(CommandGetTableTypesSchema),
  GetPrimaryKeys: packed(CommandGetPrimaryKeysSchema, { table: "foreignTable" }),
  GetExportedKeys: packed(CommandGetExportedKeysSchema, { table: "foreignTable" }),
  GetImportedKeys: packed(CommandGetImportedKeysSchema, { table: "intTable" }),
  GetCrossReference: packed(CommandGetCrossReferenceSchema, { pkTable: "foreignTable", fkTable: "intTable" }),
  GetXdbcTypeInfo: packed(CommandGetXdbcTypeInfoSchema),
  GetSqlInfo: packed(CommandGetSqlInfoSchema, { info: [0, 3, 8] }),
};

function columnsOf({ fields }: Schema): string[] {
  return fields.map(({ name, type }) => `${name}: ${String(type)}`);
}

suite("the stand-in beside arrow-go's server", () => {
  let reference: ChildProcess;
  let standIn: InfluxStandIn;
  let ofReference: RawFlightSql;
  let ofStandIn: RawFlightSql;

  before(async () => {
    reference = spawn(program, ["-host", "127.0.0.1", "-port", "0"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    ofReference = new RawFlightSql(await portOf(reference));
    standIn = await startInfluxStandIn({ flushIntervalMs });
    ofStandIn = new RawFlightSql(standIn.port);
    assert.deepEqual(await write(standIn, "room,dev=a n=1i 1"), [204, ""]);
  });
  after(async () => {
    ofStandIn.close();
    ofReference.close();
    await standIn.stop();
    const ended = once(reference, "exit");
    reference.kill();
    await ended;
  });

  for (const [name, command] of Object.entries(commands)) {
    // Theirs has key_name last, the specification and InfluxDB have key_sequence there.
    const isSorted = name === "GetPrimaryKeys";
    test(`${name} has the same columns`, async () => {
      const [expected, actual] = [await ofReference.table(command), await ofStandIn.table(command)];
      const [ours, theirs] = [columnsOf(actual.schema), columnsOf(expected.schema)];
      assert.deepEqual(isSorted ? ours.sort() : ours, isSorted ? theirs.sort() : theirs);
    });
  }

  test("a statement and a prepared one go the same way through both", async () => {
    for (const client of [ofReference, ofStandIn]) {
      assert.deepEqual(await client.rows(statement("SELECT 'x' AS t")), [{ t: "x" }]);
      const { preparedStatementHandle: handle } = await client.prepare("SELECT 'x' AS t");
      assert.deepEqual(await client.rows(preparedQuery(handle)), [{ t: "x" }]);
      const close = packed(ActionClosePreparedStatementRequestSchema, { preparedStatementHandle: handle });
      assert.equal((await client.act(close, undefined, "ClosePreparedStatement")).code, 0);
    }
  });
});
