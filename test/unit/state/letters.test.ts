import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import Database from "better-sqlite3";
import { type DeadEntry } from "../../../src/state/letters.ts";
import { type QuarantineEntry } from "../../../src/state/quarantine.ts";
import { stateTables } from "../../../src/state/schema.ts";
import { State } from "../../../src/state/state.ts";
import { mountTmpfs } from "../../support/mount.ts";

const nowMs = Date.UTC(2026, 2, 1);
const mib = 1024 * 1024;
const large = { maxCount: 100, maxBytes: mib };

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-letters-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function open(t: TestContext, dir: string = folder(t)): State {
  const state = State.open(dir, nowMs);
  t.after(() => {
    state.close();
  });
  return state;
}

function message(seq: number): Omit<QuarantineEntry, "code" | "reason"> {
  return {
    seq,
    source: "main",
    topic: "application/1/device/0102030405060708/event/up",
    payload: Buffer.from(`payload ${seq}`),
    receivedMs: nowMs - 5,
    uptimeMs: 1000.4,
    bootKey: 3,
    clockTrusted: false,
    retained: true,
    firstPlace: 7,
  };
}

function letter(seq: number, line: string, changes: Partial<DeadEntry> = {}): DeadEntry {
  return {
    ...message(seq),
    database: "lorawan",
    line,
    device: "0102030405060708",
    code: "write_line_refused",
    reason: "column temperature is a string",
    ...changes,
  };
}

function quarantined(seq: number, changes: Partial<QuarantineEntry> = {}): QuarantineEntry {
  return { ...message(seq), code: "event_not_json", reason: "the payload is not JSON", ...changes };
}

describe("dead letters", () => {
  test("a refused line is kept with its message and reason, durably, and comes back as it was", (t) => {
    const dir = folder(t);
    const entry = letter(7, "uplink,dev_eui=01 f=1 1");
    const first = State.open(dir, nowMs);
    assert.equal(first.letters.bury("journal-a", [entry], nowMs), 0);
    first.close();
    const [row, ...others] = open(t, dir).letters.page({}, 0, large);
    assert.deepEqual(others, []);
    assert.deepEqual(row, { ...entry, uptimeMs: 1000, key: 1, journalId: "journal-a", keptMs: nowMs });
  });

  test("the same line of the same message again changes nothing; another line or database is another letter", (t) => {
    const { letters } = open(t);
    letters.bury("journal-a", [letter(1, "a f=1 1")], nowMs);
    const bytes = letters.bytes;
    letters.bury("journal-a", [letter(1, "a f=1 1", { reason: "again" })], nowMs + 1);
    assert.deepEqual([letters.count, letters.bytes], [1, bytes]);
    assert.equal(letters.page({}, 0, large)[0]?.reason, "column temperature is a string");
    const others = [letter(1, "b f=1 1"), letter(1, "a f=1 1", { database: "other" })];
    letters.bury("journal-a", others, nowMs);
    letters.bury("journal-b", [letter(1, "a f=1 1")], nowMs);
    assert.equal(letters.count, 4);
    assert.deepEqual(Object.fromEntries(letters.countsBy("database")), { lorawan: 3, other: 1 });
  });

  test("all lines of a message are found by any of their keys, those of another journal are not", (t) => {
    const { letters } = open(t);
    letters.bury("journal-a", [letter(1, "a f=1 1"), letter(2, "c f=1 1"), letter(1, "b f=1 1")], nowMs);
    letters.bury("journal-b", [letter(1, "a f=1 1")], nowMs);
    assert.deepEqual(
      letters.ofMessage(3).map(({ key }) => key),
      [1, 3],
    );
    assert.deepEqual(letters.ofMessage(9), []);
  });

  test("a group that cannot be stored is not stored at all", (t) => {
    const { letters } = open(t);
    const broken = letter(2, "b f=1 1", { receivedMs: Number.NaN });
    assert.throws(() => letters.bury("journal-a", [letter(1, "a f=1 1"), broken], nowMs), {
      code: "journal_write_failed",
    });
    assert.deepEqual([letters.count, letters.bytes, letters.page({}, 0, large)], [0, 0, []]);
  });

  test("beyond their bound the oldest are evicted and counted, their lines counting as their payloads do", (t) => {
    const dir = folder(t);
    let state = State.open(dir, nowMs);
    const big = (seq: number): DeadEntry =>
      letter(seq, `a f="${"x".repeat(10 * mib)}" 1`, { payload: Buffer.alloc(10 * mib) });
    assert.equal(state.letters.bury("journal-a", [big(1), big(2), big(3)], nowMs), 0);
    state.close();
    state = open(t, dir);
    assert.equal(state.letters.bury("journal-a", [big(4)], nowMs), 1);
    assert.ok(state.letters.bytes <= state.letters.maxBytes);
    assert.deepEqual(
      state.letters.page({}, 0, { maxCount: 9, maxBytes: 100 * mib }).map(({ seq }) => seq),
      [2, 3, 4],
    );
    assert.deepEqual([state.letters.evicted, open(t, dir).letters.evicted], [1, 1]);
  });

  test("on a full disk nothing is stored, and that is a fault that passes", (t) => {
    const dir = mountTmpfs(t, 4 * mib);
    if (dir === undefined) return;
    const { letters } = open(t, dir);
    assert.throws(() => letters.bury("a", [letter(1, "a", { payload: Buffer.alloc(6 * mib) })], nowMs), {
      code: "dead_letters_full",
      disposition: "retry",
    });
    assert.equal(letters.bury("a", [letter(1, "a")], nowMs), 0);
    assert.equal(letters.count, 1);
  });
});

describe("pages", () => {
  test("go on after a key, in order, by code and by device, until there is no more", (t) => {
    const { letters } = open(t);
    const entries = Array.from({ length: 10 }, (_, index) =>
      letter(index, `a f=${index} 1`, {
        code: index % 2 === 0 ? "even" : "odd",
        device: index < 5 ? "aa" : undefined,
      }),
    );
    letters.bury("journal-a", entries, nowMs);
    const seqs = (...page: Parameters<typeof letters.page>): number[] =>
      letters.page(...page).map(({ seq }) => seq);
    assert.deepEqual(seqs({}, 0, { ...large, maxCount: 3 }), [0, 1, 2]);
    assert.deepEqual(seqs({}, 3, { ...large, maxCount: 3 }), [3, 4, 5]);
    assert.deepEqual(seqs({ code: "odd" }, 2, large), [3, 5, 7, 9]);
    assert.deepEqual(seqs({ code: "odd", device: "aa" }, 0, large), [1, 3]);
    assert.deepEqual(seqs({}, 10, large), []);
    assert.deepEqual(Object.fromEntries(letters.countsBy("code")), { even: 5, odd: 5 });
  });

  test("end when they hold enough bytes, but have at least one row", (t) => {
    const state = open(t);
    const rows = [1, 2, 3].map((seq) => quarantined(seq, { payload: Buffer.alloc(mib) }));
    state.quarantined.keep("journal-a", rows, nowMs);
    const page = (after: number): number[] =>
      state.quarantined.page({}, after, { maxCount: 9, maxBytes: mib }).map(({ key }) => key);
    assert.deepEqual([page(0), page(1), page(3)], [[1], [2], []]);
  });
});

describe("what is removed", () => {
  test("is gone, and only a purge counts, over restarts too", (t) => {
    const dir = folder(t);
    const { quarantined: table } = open(t, dir);
    const empty = table.bytes;
    table.keep("journal-a", [quarantined(1), quarantined(2), quarantined(3)], nowMs);
    assert.equal(table.remove([1, 99], false), 1);
    assert.equal(table.remove([2, 3, 1], true), 2);
    assert.deepEqual([table.count, table.bytes, table.purged], [0, empty, 2]);
    assert.equal(table.oldestReceivedMs, undefined);
    assert.equal(open(t, dir).quarantined.purged, 2);
  });

  test("leaves keys that no later row gets, over restarts too", (t) => {
    const dir = folder(t);
    let state = State.open(dir, nowMs);
    state.quarantined.keep("journal-a", [quarantined(1), quarantined(2)], nowMs);
    state.quarantined.remove([1, 2], true);
    state.quarantined.keep("journal-a", [quarantined(3)], nowMs);
    state.quarantined.remove([3], false);
    state.close();
    state = open(t, dir);
    state.quarantined.keep("journal-a", [quarantined(4)], nowMs);
    assert.deepEqual(
      state.quarantined.page({}, 0, large).map(({ key, seq }) => [key, seq]),
      [[4, 4]],
    );
  });

  test("stays while somebody else holds the file, which is a fault that passes", (t) => {
    const dir = folder(t);
    const state = open(t, dir);
    state.quarantined.keep("journal-a", [quarantined(1)], nowMs);
    const other = new Database(join(dir, "state.db"));
    other.exec("BEGIN IMMEDIATE");
    assert.throws(() => state.quarantined.remove([1], true), { code: "state_full", disposition: "retry" });
    other.close();
    assert.deepEqual([state.quarantined.count, state.quarantined.purged], [1, 0]);
  });
});

test("purged messages of the journal are counted for good", (t) => {
  const dir = folder(t);
  const state = open(t, dir);
  state.countPendingPurged(3);
  state.countPendingPurged(2);
  assert.deepEqual([state.pendingPurged, open(t, dir).pendingPurged], [5, 5]);
});

test("a state.db of every earlier schema keeps its quarantine, as messages of a right clock and no boot", (t) => {
  for (let version = 1; version < stateTables.migrations.length; version += 1) {
    const dir = folder(t);
    const older = new Database(join(dir, "state.db"));
    for (const migration of stateTables.migrations.slice(0, version)) older.exec(migration);
    older.pragma(`application_id = ${stateTables.applicationId}`);
    older.pragma(`user_version = ${version}`);
    older
      .prepare(
        `INSERT INTO quarantine (journal_id, seq, source, topic, payload, received_ms, code, reason, quarantined_ms)
           VALUES ('journal-a', 5, 'main', 't', x'00ff', ${nowMs}, 'event_not_json', 'r', ${nowMs})`,
      )
      .run();
    older.exec("INSERT INTO counter VALUES ('quarantine_evicted', 4)");
    older.close();
    const state = open(t, dir);
    assert.deepEqual(state.openingFaults, [], `version ${version}`);
    assert.deepEqual(state.quarantined.page({}, 0, large), [
      {
        key: 1,
        journalId: "journal-a",
        seq: 5,
        source: "main",
        topic: "t",
        payload: Buffer.from([0, 255]),
        receivedMs: nowMs,
        uptimeMs: undefined,
        bootKey: undefined,
        clockTrusted: true,
        retained: false,
        firstPlace: undefined,
        code: "event_not_json",
        reason: "r",
        keptMs: nowMs,
      },
    ]);
    assert.equal(state.quarantined.evicted, 4);
    state.letters.bury("journal-a", [letter(1, "a f=1 1")], nowMs);
    assert.equal(state.letters.count, 1);
  }
});
