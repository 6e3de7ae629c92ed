/** Somebody cleans the data directory under the daemon: its WAL goes, with messages that only it has. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errorCode } from "../../src/lib/fault.ts";
import { AppScene, assertOnce, cleanEnd, range } from "../support/app.ts";

test("a WAL that is removed under the daemon ends it, and what was acknowledged before and after is sent", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const first = await scene.start(await scene.config({ influxUrl: "http://127.0.0.1:1" }));
  const committed = async (count: number): Promise<void> => {
    await first.until(() => first.app.snapshot().counters.committed >= count, `${count} committed`);
  };
  await scene.publish(range(1, 5));
  await committed(5);
  rmSync(join(scene.dataDir, "journal.db-wal"));
  await scene.publish(range(6, 10));
  const { failure } = await first.ended();
  assert.equal(errorCode(failure?.error), "database_removed");
  const second = await scene.start(await scene.config());
  await second.until(() => scene.sink.uplinks.size === 10, "all messages in the sink");
  assertOnce(10, scene.sink);
  assert.deepEqual(await second.stop(), cleanEnd);
  for (const code of ["database_moved_aside", "journal_vanished"])
    assert.ok(!second.log.codes.includes(code), code);
});
