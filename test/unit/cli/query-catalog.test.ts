/** `--tables` and `--schema` by what the server says of its tables. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tableFromArrays } from "apache-arrow";
import { exitCode } from "../../../src/cli/io.ts";
import type { Column } from "../../../src/influx/flight/api.ts";
import type { TableInfo } from "../../../src/influx/flight/flight-sql-api.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { ask, column, FakeClient } from "./query-fixture.ts";

function fault(code: string): Fault {
  return new Fault({ code, layer: "flight", disposition: "drop", message: "no", hint: "ask again" });
}

describe("what the server says of its tables", () => {
  const info = (name: string, ...columns: Column[]): TableInfo => ({
    catalog: "public",
    schema: "iox",
    name,
    type: "BASE TABLE",
    columns,
  });
  const time = column("time", "Timestamp<NANOSECOND>", { kind: "timestamp" });
  const tables = [info("room_2", time), info("Zoo", time, column("n", "Int64")), info("room%2")];

  test("is listed without a query, in the order of their names", async (t) => {
    const client = new FakeClient({ tables });
    const { code, out } = await ask(t, client, { tables: true });
    assert.deepEqual([code, out], [exitCode.done, "table,columns\nZoo,2\nroom%2,0\nroom_2,1\n"]);
    assert.deepEqual([client.asked.length, client.closed], [0, 1]);
    assert.deepEqual(client.filters, [{ schemaPattern: "iox", includeSchema: true }]);
    const json = await ask(t, new FakeClient({ tables }), { tables: true, format: "ndjson" });
    assert.match(json.out, /^\{"table":"Zoo","columns":2\}\n/);
  });

  test("names the columns of a table, also of one whose name is a pattern", async (t) => {
    const client = new FakeClient({ tables });
    const { out } = await ask(t, client, { schema: "room_2" });
    assert.equal(out, "column,influxdb,arrow\ntime,timestamp,Timestamp<NANOSECOND>\n");
    const other = await ask(t, client, { schema: "room%2" });
    assert.equal(other.out, "column,influxdb,arrow\n");
    await ask(t, client, { schema: "a\\b" });
    assert.deepEqual(
      client.filters.map((filter) => filter?.tablePattern),
      ["room_2", "room%2", "a_b"],
    );
  });

  test("is not asked for an Arrow stream; where it names no such table, the query is", async (t) => {
    const table = tableFromArrays({ n: Int32Array.of(1) });
    const arrow = new FakeClient({ tables, arrow: { schema: table.schema, batches: [] } });
    await ask(t, arrow, { schema: "Zoo", format: "arrow" });
    assert.deepEqual([arrow.filters.length, arrow.asked.length], [0, 1]);
    const client = new FakeClient({ tables, batches: [fault("flight_table_missing")] });
    const { code, err } = await ask(t, client, { schema: "zoo" });
    assert.equal(code, exitCode.failed);
    assert.match(err, /\[flight_table_missing\]/);
    assert.equal(client.asked[0]?.text, 'SELECT * FROM "zoo" LIMIT 0');
  });

  test("that fails in another way than not being there is a failure", async (t) => {
    const client = new FakeClient({ tables: fault("flight_unauthorized") });
    const { code, err } = await ask(t, client, { tables: true });
    assert.equal(code, exitCode.failed);
    assert.match(err, /\[flight_unauthorized\]/);
    assert.equal(client.asked.length, 0);
  });
});
