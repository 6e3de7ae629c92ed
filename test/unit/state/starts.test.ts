import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { stateTables } from "../../../src/state/schema.ts";
import type { CrashedRun, RecordedRun, Start } from "../../../src/state/starts.ts";
import { State } from "../../../src/state/state.ts";
import { startMode } from "../../../src/supervision/crash-guard.ts";
import { mountTmpfs } from "../../support/mount.ts";

const mib = 1024 * 1024;
const wallMs = Date.UTC(2026, 2, 1);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-starts-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function start(uptimeMs: number, bootId = "boot-a"): Start {
  return { bootId, uptimeMs, startedAtMs: wallMs + uptimeMs, version: "1.2.3" };
}

function crash(uptimeMs: number, changes: Partial<CrashedRun> = {}): CrashedRun {
  return {
    ...start(uptimeMs),
    part: "rules",
    faultCode: "part_crashed",
    message: "boom",
    wasCalm: false,
    ...changes,
  };
}

/** One run of the daemon as far as state.db goes; the file is closed after it, as by death. */
function run<T>(dir: string, live: (state: State) => T): T {
  const state = State.open(dir, wallMs);
  try {
    return live(state);
  } finally {
    state.close();
  }
}

function recorded(dir: string): readonly RecordedRun[] {
  return run(dir, ({ starts }) => starts.recorded());
}

function ends(dir: string): string[] {
  return recorded(dir).map(({ uptimeMs, end }) => `${uptimeMs} ${end}`);
}

test("each start is recorded with how it ended, oldest first, and this one is not among those before it", (t) => {
  const dir = folder(t);
  run(dir, ({ starts }) => {
    assert.equal(starts.begin(start(100)), undefined);
    assert.equal(starts.endClean(), undefined);
    assert.deepEqual(starts.recorded(), []);
  });
  run(dir, ({ starts }) => starts.begin(start(200)));
  run(dir, ({ starts }) => {
    starts.endCrash(crash(200));
    starts.begin(start(50, "boot-b"));
    assert.equal(starts.markCalm(), undefined);
    assert.deepEqual(
      starts.recorded().map(({ uptimeMs }) => uptimeMs),
      [100, 200],
    );
  });
  const nothing = { part: undefined, faultCode: undefined, message: undefined };
  assert.deepEqual(recorded(dir), [
    { ...start(100), ...nothing, end: "clean", wasCalm: false },
    { ...crash(200), end: "crash" },
    { ...start(50, "boot-b"), ...nothing, end: "unknown", wasCalm: true },
  ]);
});

test("what is recorded survives a power cut: synchronous is FULL", (t) => {
  const pragma = t.mock.method(Database.prototype, "pragma");
  run(folder(t), ({ starts }) => {
    starts.begin(start(100));
    const connection = pragma.mock.calls[0]?.this as Database.Database;
    assert.equal(connection.pragma("synchronous", { simple: true }), 2);
  });
});

test("fractions of a millisecond do not make two runs of one", (t) => {
  const dir = folder(t);
  run(dir, ({ starts }) => starts.begin(start(100.987)));
  run(dir, ({ starts }) => starts.endCrash(crash(100.987)));
  assert.deepEqual(ends(dir), ["100 crash"]);
});

test("a crash that is told twice is one crash, and a run that was calm stays calm", (t) => {
  const dir = folder(t);
  run(dir, ({ starts }) => {
    starts.begin(start(100));
    starts.markCalm();
  });
  run(dir, ({ starts }) => {
    starts.endCrash(crash(100));
    starts.endCrash(crash(100));
    assert.deepEqual(starts.recorded(), [{ ...crash(100), wasCalm: true, end: "crash" }]);
  });
  assert.deepEqual(recorded(dir), [{ ...crash(100), wasCalm: true, end: "crash" }]);
});

test("the same uptime in another boot is another run", (t) => {
  const dir = folder(t);
  run(dir, ({ starts }) => starts.begin(start(100)));
  run(dir, ({ starts }) => starts.begin(start(100, "boot-b")));
  run(dir, ({ starts }) => starts.endCrash(crash(100, { bootId: "boot-b" })));
  assert.deepEqual(ends(dir), ["100 unknown", "100 crash"]);
});

test("a run that crashed before it was recorded is recorded by its crash, before the next one", (t) => {
  const dir = folder(t);
  run(dir, ({ starts }) => starts.begin(start(100)));
  run(dir, ({ starts }) => {
    starts.endCrash(crash(200));
    assert.deepEqual(
      starts.recorded().map(({ uptimeMs }) => uptimeMs),
      [100, 200],
    );
    starts.begin(start(300));
  });
  assert.deepEqual(ends(dir), ["100 unknown", "200 crash", "300 unknown"]);
});

test("the newest 200 are kept", (t) => {
  const dir = folder(t);
  // One database for all, because opening is what takes time; the way is that of 300 starts.
  const count = 300;
  run(dir, ({ starts }) => {
    for (let uptimeMs = 1; uptimeMs <= count; uptimeMs += 1) starts.endCrash(crash(uptimeMs));
    const uptimes = starts.recorded().map(({ uptimeMs }) => uptimeMs);
    assert.deepEqual(
      uptimes,
      Array.from({ length: 200 }, (_, index) => 101 + index),
    );
    starts.begin(start(count + 1));
  });
  const kept = recorded(dir);
  assert.equal(kept.length, 200);
  assert.equal(kept[0]?.uptimeMs, 102);
  assert.equal(kept.at(-1)?.uptimeMs, 301);
});

test("the crash guard reads from it that five crashes are a loop, and which part is the suspect", (t) => {
  const dir = folder(t);
  const modes: string[] = [];
  for (const uptimeMs of [10_000, 20_000, 30_000, 40_000, 50_000, 60_000]) {
    run(dir, ({ starts }) => {
      if (uptimeMs > 10_000) starts.endCrash(crash(uptimeMs - 10_000));
      starts.begin(start(uptimeMs));
      const mode = startMode(starts.recorded(), start(uptimeMs));
      modes.push(mode.mode === "safe" ? `safe ${mode.suspect}` : mode.mode);
    });
  }
  assert.deepEqual(modes, ["normal", "normal", "normal", "normal", "normal", "safe rules"]);
});

test("on a full disk the start is a fault, and what is owed comes with the next word of the run", (t) => {
  const dir = mountTmpfs(t, 2 * mib);
  if (dir === undefined) return;
  run(dir, ({ starts }) => starts.begin(start(100)));
  run(dir, ({ starts }) => {
    assert.throws(() => {
      writeFileSync(join(dir, "other"), Buffer.alloc(4 * mib));
    }, /ENOSPC/);
    assert.equal(starts.endCrash(crash(100))?.code, "start_unrecorded");
    const fault = starts.begin(start(200));
    assert.equal(fault?.code, "start_unrecorded");
    assert.equal(fault.disposition, "retry");
    assert.match(fault.message, /SQLITE_FULL/);
    assert.equal(starts.markCalm()?.code, "start_unrecorded");
    assert.deepEqual(starts.recorded(), [{ ...crash(100), end: "crash" }]);
    rmSync(join(dir, "other"));
    assert.equal(starts.endClean(), undefined);
  });
  assert.deepEqual(ends(dir), ["100 crash", "200 clean"]);
  assert.equal(recorded(dir).at(-1)?.wasCalm, true);
});

test("while another program holds the file locked the start is a fault that says so", (t) => {
  const dir = folder(t);
  run(dir, ({ starts }) => {
    const other = new Database(join(dir, "state.db"));
    other.exec("BEGIN IMMEDIATE");
    const fault = starts.begin(start(100));
    assert.equal(fault?.code, "start_unrecorded");
    assert.match(fault.hint ?? "", /fuser/);
    other.close();
    assert.equal(starts.markCalm(), undefined);
  });
  assert.deepEqual(ends(dir), ["100 unknown"]);
});

test("what is no failure of the disk is a bug, and thrown", (t) => {
  run(folder(t), ({ starts }) => {
    assert.throws(() => starts.endClean(), { name: "BugError" });
    assert.throws(() => starts.markCalm(), { name: "BugError" });
    const impossible = { ...start(100), version: Symbol("no text") } as unknown as Start;
    assert.throws(() => starts.begin(impossible), { name: "TypeError" });
    assert.throws(() => starts.begin(start(100)), { name: "BugError" });
  });
});

test("damage among the starts is found when the file is opened, which is then moved aside", (t) => {
  const dir = folder(t);
  run(dir, ({ starts }) => {
    for (let uptimeMs = 1; uptimeMs <= 150; uptimeMs += 1) {
      starts.endCrash(crash(uptimeMs, { message: "x".repeat(500) }));
    }
  });
  const file = join(dir, "state.db");
  const database = new Database(file, { readonly: true });
  const leaf = database
    .prepare("SELECT pageno FROM dbstat WHERE name = 'start' AND pagetype = 'leaf' ORDER BY pageno DESC")
    .pluck()
    .get();
  database.close();
  const pages = new Database(file);
  pages.pragma("wal_checkpoint(TRUNCATE)");
  pages.close();
  damage(file, (Number(leaf) - 1) * 4096, 4096);
  run(dir, ({ starts, openingFaults }) => {
    assert.deepEqual(
      openingFaults.map(({ code }) => code),
      ["database_moved_aside"],
    );
    assert.deepEqual(starts.recorded(), []);
    assert.equal(starts.begin(start(1000)), undefined);
  });
});

test("a state.db of every earlier schema gets the table, and keeps what it has", (t) => {
  for (let version = 1; version < stateTables.migrations.length; version += 1) {
    const dir = folder(t);
    const old = new Database(join(dir, "state.db"));
    for (const migration of stateTables.migrations.slice(0, version)) old.exec(migration);
    old.pragma(`application_id = ${stateTables.applicationId}`);
    old.pragma(`user_version = ${version}`);
    old.exec("INSERT INTO death VALUES ('journal-a', 7, 1)");
    old.close();
    run(dir, (state) => {
      assert.deepEqual(state.openingFaults, []);
      assert.equal(state.starts.begin(start(100)), undefined);
      assert.equal(state.recordDeath("journal-a", 7), 2);
    });
    assert.deepEqual(ends(dir), ["100 unknown"]);
  }
});

function damage(file: string, offset: number, bytes: number): void {
  assert.ok(statSync(file).size >= offset + bytes);
  const content = readFileSync(file);
  content.fill(0xa5, offset, offset + bytes);
  writeFileSync(file, content);
}
