import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { stateTables } from "../../../src/state/schema.ts";
import type { QuarantineEntry } from "../../../src/state/quarantine.ts";
import { State } from "../../../src/state/state.ts";
import { mountTmpfs } from "../../support/mount.ts";

const nowMs = Date.UTC(2026, 2, 1);
const mib = 1024 * 1024;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-state-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function open(t: TestContext, dir: string): State {
  const state = State.open(dir, nowMs);
  t.after(() => {
    state.close();
  });
  return state;
}

function entry(seq: number, changes: Partial<QuarantineEntry> = {}): QuarantineEntry {
  return {
    seq,
    source: "main",
    topic: "application/1/device/0102030405060708/event/up",
    payload: Buffer.from(`payload ${seq}`),
    receivedMs: nowMs - 5,
    uptimeMs: 1000.4,
    bootKey: 1,
    clockTrusted: true,
    retained: false,
    code: "event_not_json",
    reason: "the payload is not JSON",
    ...changes,
  };
}

function query(dir: string, sql: string): unknown[] {
  const database = new Database(join(dir, "state.db"), { readonly: true });
  try {
    return database.prepare(sql).raw().all();
  } finally {
    database.close();
  }
}

test("a quarantined message is kept with every byte and all that is known about it, durably", (t) => {
  const pragma = t.mock.method(Database.prototype, "pragma");
  const dir = folder(t);
  const state = open(t, dir);
  const connection = pragma.mock.calls[0]?.this as Database.Database;
  assert.equal(connection.pragma("synchronous", { simple: true }), 2);
  const payload = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  state.quarantined.keep("journal-a", [entry(7, { payload }), entry(8, { payload: Buffer.alloc(0) })], nowMs);
  assert.equal(state.quarantined.count, 2);
  const columns = "journal_id, seq, source, topic, payload, received_ms, code, reason, quarantined_ms";
  const { source, topic, receivedMs, code, reason } = entry(7);
  assert.deepEqual(query(dir, `SELECT ${columns} FROM quarantine ORDER BY seq`), [
    ["journal-a", 7, source, topic, payload, receivedMs, code, reason, nowMs],
    ["journal-a", 8, source, topic, Buffer.alloc(0), receivedMs, code, reason, nowMs],
  ]);
});

test("quarantining again after a crash changes nothing; another journal's message is another message", (t) => {
  const dir = folder(t);
  const state = open(t, dir);
  state.quarantined.keep("journal-a", [entry(1)], nowMs);
  const before = query(dir, "SELECT * FROM quarantine");
  state.quarantined.keep("journal-a", [entry(1, { reason: "again" })], nowMs + 1000);
  assert.deepEqual(query(dir, "SELECT * FROM quarantine"), before);
  state.quarantined.keep("journal-b", [entry(1)], nowMs);
  assert.equal(state.quarantined.count, 2);
});

test("a group that cannot be stored is not stored at all, and that is a fault", (t) => {
  const state = open(t, folder(t));
  const broken = entry(2, { receivedMs: Number.NaN });
  assert.throws(
    () => {
      state.quarantined.keep("journal-a", [entry(1), broken], nowMs);
    },
    { code: "journal_write_failed", disposition: "restart" },
  );
  assert.equal(state.quarantined.count, 0);
});

test("on a full disk what was quarantined stays, and it goes on when there is space", (t) => {
  const dir = mountTmpfs(t, 8 * mib);
  if (dir === undefined) return;
  const state = open(t, dir);
  const other = join(dir, "other");
  writeFileSync(other, Buffer.alloc(mib));
  let stored = 0;
  assert.throws(
    () => {
      for (; stored < 1000; stored += 1) {
        state.quarantined.keep("journal-a", [entry(stored, { payload: Buffer.alloc(50_000) })], nowMs);
      }
    },
    { code: "quarantine_full", disposition: "retry" },
  );
  assert.ok(stored > 50);
  assert.equal(state.quarantined.count, stored);
  rmSync(other);
  state.quarantined.keep("journal-a", [entry(stored)], nowMs);
  assert.equal(state.quarantined.count, stored + 1);
});

test("beyond its quota the oldest are evicted and counted, also across restarts", (t) => {
  const dir = folder(t);
  let state = State.open(dir, nowMs);
  const large = (seq: number): QuarantineEntry => entry(seq, { payload: Buffer.alloc(20 * mib, seq) });
  for (const seq of [1, 2]) state.quarantined.keep("journal-a", [large(seq)], nowMs);
  state.close();
  state = open(t, dir);
  assert.equal(state.quarantined.keep("journal-a", [large(3)], nowMs), 0);
  assert.equal(state.quarantined.count, 3);
  assert.equal(state.quarantined.keep("journal-a", [large(4)], nowMs), 1);
  assert.deepEqual(query(dir, "SELECT seq FROM quarantine ORDER BY seq"), [[2], [3], [4]]);
  assert.deepEqual(query(dir, "SELECT * FROM counter"), [["quarantine_evicted", 1]]);
  assert.equal(state.quarantined.keep("journal-a", [large(5), large(6)], nowMs), 2);
  assert.equal(state.quarantined.evicted, 3);
  assert.equal(open(t, dir).quarantined.evicted, 3);
  assert.deepEqual(query(dir, "SELECT seq FROM quarantine ORDER BY seq"), [[4], [5], [6]]);
  assert.deepEqual(query(dir, "SELECT * FROM counter"), [["quarantine_evicted", 3]]);
});

test("a flood of empty payloads is bounded too", (t) => {
  const dir = folder(t);
  const state = open(t, dir);
  const reason = "x".repeat(60_000);
  for (let group = 0; group < 12; group += 1) {
    const entries = Array.from({ length: 100 }, (_, index) =>
      entry(group * 100 + index, { payload: Buffer.alloc(0), reason }),
    );
    state.quarantined.keep("journal-a", entries, nowMs);
  }
  assert.ok(state.quarantined.count < 1200 && state.quarantined.count > 1000, `${state.quarantined.count}`);
  assert.deepEqual(query(dir, "SELECT max(seq) FROM quarantine"), [[1199]]);
});

test("the WAL does not grow without bound", (t) => {
  const dir = folder(t);
  const state = open(t, dir);
  for (let seq = 0; seq < 30; seq += 1) {
    state.quarantined.keep("journal-a", [entry(seq, { payload: Buffer.alloc(mib) })], nowMs);
  }
  assert.ok(statSync(join(dir, "state.db-wal")).size < 8 * mib);
});

test("deaths are counted per message, over restarts", (t) => {
  const dir = folder(t);
  const first = State.open(dir, nowMs);
  assert.equal(first.recordDeath("journal-a", 7), 1);
  assert.equal(first.recordDeath("journal-a", 8), 1);
  first.close();
  const second = open(t, dir);
  assert.equal(second.recordDeath("journal-a", 7), 2);
  assert.equal(second.recordDeath("journal-b", 7), 1);
  assert.equal(second.recordDeath("journal-a", 8), 2);
});

test("what is in the broker's session is known once it is recorded, for each client id, over restarts", (t) => {
  const dir = folder(t);
  const first = State.open(dir, nowMs);
  assert.equal(first.sessionFilters("flightline-a"), undefined);
  for (const filters of [["#"], ["#", "a/+"]]) {
    assert.equal(first.recordSession("flightline-a", filters), undefined);
    assert.deepEqual(first.sessionFilters("flightline-a"), filters);
  }
  first.close();
  const second = open(t, dir);
  assert.deepEqual(second.sessionFilters("flightline-a"), ["#", "a/+"]);
  assert.equal(second.sessionFilters("flightline-b"), undefined);
});

test("a client id that an earlier version wrote down has a session, of filters that nobody knows", (t) => {
  const dir = folder(t);
  const older = new Database(join(dir, "state.db"));
  older.exec(stateTables.migrations[0] ?? "");
  older.pragma(`application_id = ${stateTables.applicationId}`);
  older.pragma("user_version = 1");
  older.prepare("INSERT INTO client VALUES ('flightline-a')").run();
  older.close();
  assert.deepEqual(open(t, dir).sessionFilters("flightline-a"), []);
});

test("while somebody else holds the file, a write is a fault that passes, and nothing is counted", (t) => {
  const dir = folder(t);
  const state = open(t, dir);
  const other = new Database(join(dir, "state.db"));
  t.after(() => {
    other.close();
  });
  other.exec("BEGIN IMMEDIATE");
  assert.throws(() => state.recordDeath("journal-a", 7), { code: "quarantine_full", disposition: "retry" });
  assert.equal(state.recordSession("flightline-a", ["#"])?.disposition, "retry");
  other.exec("ROLLBACK");
  assert.equal(state.recordDeath("journal-a", 7), 1);
  assert.equal(state.sessionFilters("flightline-a"), undefined);
});

test("what went with moved journals is known to the next process, and no write is half done", (t) => {
  const dir = folder(t);
  const first = open(t, dir);
  assert.deepEqual(first.salvages.total, { lost: 0, evicted: 0, evictedMinor: 0 });
  first.salvages.record("a", { lost: 2, evicted: 7, evictedMinor: 3 });
  const other = new Database(join(dir, "state.db"));
  t.after(() => {
    other.close();
  });
  other.exec("BEGIN IMMEDIATE");
  assert.throws(() => first.salvages.record("b", { lost: 1, evicted: 0, evictedMinor: 0 }), {
    code: "state_full",
    disposition: "retry",
  });
  other.exec("ROLLBACK");
  const known = { lost: 2, evicted: 7, evictedMinor: 3 };
  assert.deepEqual(first.salvages.total, known);
  first.close();
  assert.deepEqual(open(t, dir).salvages.total, known);
});

test("a damaged file is moved aside whole and said, and a new one works", (t) => {
  const dir = folder(t);
  const garbage = Buffer.alloc(20_000, "damaged ");
  writeFileSync(join(dir, "state.db"), garbage);
  const state = open(t, dir);
  assert.deepEqual(
    state.openingFaults.map(({ code }) => code),
    ["database_moved_aside"],
  );
  const moved = readdirSync(dir).find((name) => name.startsWith("state.db.unusable-"));
  assert.deepEqual(readFileSync(join(dir, moved ?? "")), garbage);
  state.quarantined.keep("journal-a", [entry(1)], nowMs);
  assert.equal(state.quarantined.count, 1);
  assert.deepEqual(open(t, dir).openingFaults, []);
});
