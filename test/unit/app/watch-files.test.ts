/** What somebody does to the files under a running daemon is noticed. */
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { watchedFile, watchFiles } from "../../../src/app/watch-files.ts";
import { markDamaged } from "../../../src/sqlite/damage.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";

interface Watch {
  readonly dir: string;
  /** What the watch rejected with. */
  readonly failure: () => unknown;
  readonly log: RecordingLog;
  readonly ballast: { state: string; canRestore: boolean };
  /** It looks once more. */
  readonly look: () => Promise<void>;
}

async function watch(t: TestContext): Promise<Watch> {
  const dir = mkdtempSync(join(tmpdir(), "flightline-watch-"));
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    rmSync(dir, { recursive: true, force: true });
  });
  for (const name of ["journal.db", "state.db"]) {
    for (const suffix of ["", "-wal", "-shm"]) writeFileSync(join(dir, name + suffix), "content");
  }
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const log = new RecordingLog();
  const ballast = { state: "there", canRestore: false };
  const restore = (): boolean => {
    if (ballast.canRestore) ballast.state = "there";
    return ballast.canRestore;
  };
  let failure: unknown;
  const watched = ["journal.db", "state.db"].map((name) => watchedFile(join(dir, name)));
  const deps = { watched, ballast: Object.assign(ballast, { restore }), log };
  watchFiles(deps, stop.signal, () => {}).catch((error: unknown) => {
    failure = error;
  });
  const look = async (): Promise<void> => {
    t.mock.timers.tick(2000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await look();
  return { dir, failure: () => failure, log, ballast, look };
}

function codeOf(failure: unknown): unknown {
  return failure instanceof Error && "code" in failure ? failure.code : failure;
}

for (const name of ["journal.db", "journal.db-wal", "state.db", "state.db-wal"]) {
  test(`${name} that is removed ends the daemon, and so does one that was replaced`, async (t) => {
    const removed = await watch(t);
    await removed.look();
    assert.equal(removed.failure(), undefined);
    rmSync(join(removed.dir, name));
    await removed.look();
    assert.equal(codeOf(removed.failure()), "database_removed");
    assert.match(String(removed.failure()), new RegExp(`: ${name} was removed or replaced`));
    t.mock.timers.reset();
    const replaced = await watch(t);
    writeFileSync(join(replaced.dir, "new"), "content");
    renameSync(join(replaced.dir, "new"), join(replaced.dir, name));
    await replaced.look();
    assert.equal(codeOf(replaced.failure()), "database_removed");
  });
}

test("a WAL that becomes shorter or longer is the same one", async (t) => {
  const { dir, failure, look } = await watch(t);
  for (const size of [0, 8192, 100]) {
    truncateSync(join(dir, "journal.db-wal"), size);
    await look();
  }
  assert.equal(failure(), undefined);
});

for (const [name, code] of [
  ["journal.db", "journal_damaged"],
  ["state.db", "state_damaged"],
] as const) {
  test(`a mark of damage of ${name} ends the daemon`, async (t) => {
    const { dir, failure, look } = await watch(t);
    markDamaged(join(dir, name), "seen");
    await look();
    assert.equal(codeOf(failure()), code);
  });
}

test("a disk that is full is said once, and once that it has room again", async (t) => {
  const { ballast, log, look } = await watch(t);
  ballast.state = "given_up";
  await look();
  await look();
  assert.deepEqual(log.codes, ["disk_full"]);
  ballast.canRestore = true;
  await look();
  await look();
  assert.equal(ballast.state, "there");
  assert.equal(log.lines.filter(({ message }) => message.includes("has room again")).length, 1);
});
