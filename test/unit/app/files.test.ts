/** The data directory on a disk that is full to the last page: the daemon opens it, with the space of its ballast. */
import assert from "node:assert/strict";
import fs, { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { type Files, openFiles } from "../../../src/app/files.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { markDamaged } from "../../../src/sqlite/damage.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { mountTmpfs } from "../../support/mount.ts";

const mib = 1024 * 1024;

interface Scene {
  readonly dir: string;
  readonly log: RecordingLog;
  /** Hands the files to `use`, and closes them. */
  use(use: (files: Files) => void): void;
}

/** A disk on which a daemon has run, and ended well. */
function scene(t: TestContext): Scene | undefined {
  const disk = mountTmpfs(t, 16 * mib);
  if (disk === undefined) return undefined;
  const dir = join(disk, "data");
  const file = join(disk, "flightline.toml");
  writeFileSync(
    file,
    `mqtt = [{ url = "mqtt://127.0.0.1:1" }]
     influxdb = { url = "http://127.0.0.1:1", database = "lorawan" }
     journal = { dir = "${dir}" }`,
  );
  const loaded = loadConfig({ file, env: {} });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const log = new RecordingLog();
  const use: Scene["use"] = (look) => {
    using opened = new DisposableStack();
    look(openFiles({ config: loaded.config, log, version: "1.2.3" }, opened));
  };
  use(({ ballast, watched }) => {
    assert.equal(ballast.state, "there");
    const inodes = watched.flatMap(({ parts }) => parts.map(({ inode }) => inode));
    assert.deepEqual([inodes.length, inodes.includes(undefined)], [4, false]);
  });
  return { dir, log, use };
}

/** Somebody else takes what is left. */
function fillDisk(dir: string): void {
  const fd = openSync(join(dir, "other"), "w");
  try {
    for (const bytes of [mib, 4096, 1]) {
      assert.throws(
        () => {
          while (writeSync(fd, Buffer.alloc(bytes)) === bytes);
          throw Object.assign(new Error("only a part of it was written"), { code: "ENOSPC" });
        },
        { code: "ENOSPC" },
      );
    }
  } finally {
    closeSync(fd);
  }
}

test("on a full disk the ballast is given up for opening what was closed well", (t) => {
  const here = scene(t);
  if (here === undefined) return;
  fillDisk(here.dir);
  here.use(({ ballast, journal }) => {
    assert.equal(ballast.state, "given_up");
    assert.equal(journal.lastSeq, 0);
  });
  assert.deepEqual(here.log.codes, []);
});

test("the same where the file system says that it has space", (t) => {
  const here = scene(t);
  if (here === undefined) return;
  fillDisk(here.dir);
  const statfs = Object.assign(fs.statfsSync(here.dir), { bavail: 1e6 });
  const mocked = t.mock.method(fs, "statfsSync", () => statfs);
  syncBuiltinESMExports();
  t.after(() => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  });
  here.use(({ ballast }) => {
    assert.equal(ballast.state, "given_up");
  });
});

for (const name of ["journal", "state"]) {
  test(`a damaged ${name}.db is moved aside on a full disk too, and that is said`, (t) => {
    const here = scene(t);
    if (here === undefined) return;
    markDamaged(join(here.dir, `${name}.db`), "is damaged");
    fillDisk(here.dir);
    here.use(({ ballast }) => {
      assert.equal(ballast.state, "given_up");
    });
    assert.equal(here.log.codes[0], "database_moved_aside");
  });
}
