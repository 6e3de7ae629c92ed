/** state.db is damaged while the daemon runs: it ends, and its next life begins a new one and owes nothing less. */
import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { errorCode } from "../../src/lib/fault.ts";
import { total } from "../../src/pipeline/counters.ts";
import { AppScene, cleanEnd, range } from "../support/app.ts";
import { PickyInflux } from "../support/picky-influx.ts";

const pageBytes = 4096;

/** Noise over the first page of a table or an index, under the feet of who has the file open. */
function ruin(file: string, name: string): void {
  const database = new Database(file, { readonly: true });
  const root = Number(
    database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").pluck().get(name),
  );
  database.close();
  const fd = openSync(file, "r+");
  writeSync(fd, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, (root - 1) * pageBytes);
  closeSync(fd);
}

test("a refused line that cannot be kept for damage is kept by the next life, with its message", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const influx = await PickyInflux.start(t);
  const config = await scene.config({ influxUrl: influx.url });
  // The end of a life moves all pages from the WAL into the file.
  assert.deepEqual(await scene.open(config).stop(), cleanEnd);
  const first = await scene.start(config);
  await scene.publish(range(1, 5));
  await first.settled(5);
  ruin(join(scene.dataDir, "state.db"), "dead_letter_device");
  influx.dislikes = /^(uplink|telemetry)\S*dev_eui=00000000a0000007/;
  await scene.publish(range(6, 10));
  await first.until(() => existsSync(join(scene.dataDir, "state.damaged")), "the mark");
  const { failure } = await first.ended();
  assert.equal(errorCode(failure?.error), "state_damaged");

  const second = await scene.start(config);
  for (const code of ["database_moved_aside", "state_lost"]) assert.ok(second.log.codes.includes(code), code);
  await second.settled(0);
  assert.equal(total(second.app.snapshot().counters.deadMessages), 1);
  assert.deepEqual(
    [...influx.uplinks.keys()].toSorted((one, other) => one - other),
    [1, 2, 3, 4, 5, 6, 8, 9, 10],
  );
  assert.deepEqual(await second.stop(), cleanEnd);
});
