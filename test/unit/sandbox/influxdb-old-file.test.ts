/** A data directory that an older stand-in has made, with the functions that it kept in its file. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { coreLimits } from "../../../src/sandbox/influxdb/catalog.ts";
import { openEngine } from "../../../src/sandbox/influxdb/duckdb.ts";
import { ingest } from "../../../src/sandbox/influxdb/ingest.ts";
import { Store } from "../../../src/sandbox/influxdb/store.ts";

const ns = 1_767_225_600_123_456_789n; // 2026-01-01T00:00:00.123456789Z
const nightNs = 1_767_225_600_000_000_000n;

const oldFunctions = [
  "CREATE SCHEMA fn",
  "CREATE MACRO fn.now() AS make_timestamp_ns(epoch_ns(get_current_timestamp()))",
  "CREATE MACRO fn.date_bin(stride, source, origin := TIMESTAMP '1970-01-01') AS NULL",
];

test("old rows are there, and the functions are today's", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "flightline-influxdb-"));
  t.after(async () => await rm(directory, { recursive: true }));
  const old = await Store.open({ directory, limits: coreLimits });
  const options = { acceptPartial: false, precision: "nanosecond", nowNs: 0n } as const;
  await old.commit(ingest(old.catalog, "farm", `air n=1i ${ns}`, options).points);
  await old.close();
  const { instance, writer } = await openEngine(directory);
  await writer.run(oldFunctions.join("; "));
  writer.closeSync();
  instance.closeSync();

  // The second of them finds what the first has left in the file.
  for (const start of ["first", "second"]) {
    const store = await Store.open({ directory, limits: coreLimits });
    const farm = store.catalog.database("farm");
    assert.ok(farm !== undefined, start);
    const sql =
      "SELECT n, time, date_bin(INTERVAL '1 day', time), time - INTERVAL '1 day' + INTERVAL '1 day', " +
      "selector_last(n, time)['time'], time AT TIME ZONE 'UTC' < now() FROM air GROUP BY n, time";
    const { rows } = await store.query(farm, sql, {});
    await store.close();
    assert.deepEqual(rows, [[1n, ns, nightNs, ns, ns, true]], start);
  }
});
