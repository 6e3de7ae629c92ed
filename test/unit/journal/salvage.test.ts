/** Reading what a moved journal holds: what is owed, what is done, what is lost; in portions, and again after a stop. */
import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sealedFlags, sealOf } from "../../../src/journal/checksum.ts";
import type { MessageRow } from "../../../src/journal/message.ts";
import type { Position } from "../../../src/journal/salvage-file.ts";
import type { SalvageEnd, SalvageFrame } from "../../../src/journal/salvage-frames.ts";
import { salvageFrames } from "../../../src/journal/salvage-source.ts";
import { SalvageProcess } from "../../../src/journal/salvage.ts";
import { holdersOf } from "../../support/journal-files.ts";
import { waitFor } from "../../support/wait.ts";
import { folder } from "./fixture.ts";
import { copiesOf, damage, oldJournal, pageBytes } from "./salvage-fixture.ts";

const never = new AbortController().signal;

function read(
  file: string,
  after?: Position,
): { readonly seqs: number[]; readonly end: SalvageEnd; readonly positions: Position[] } {
  const seqs: number[] = [];
  const positions: Position[] = [];
  for (const frame of salvageFrames(file, after)) {
    if (frame.kind === "end") return { seqs, end: frame, positions };
    if (frame.kind !== "rows") continue;
    positions.push(frame.position);
    for (const { seq } of frame.rows) seqs.push(seq);
  }
  return assert.fail("it says when it is at the end");
}

function range(lo: number, hi: number): number[] {
  return Array.from({ length: hi - lo + 1 }, (_, index) => lo + index);
}

test("a whole journal is read whole, in the order of its log, without what was done", (t) => {
  const { file } = oldJournal(folder(t), {
    count: 1000,
    inWal: 300,
    settled: [
      [1, 200],
      [501, 510],
    ],
  });
  const { seqs, end } = read(file);
  assert.deepEqual(seqs, [...range(201, 500), ...range(511, 1000)]);
  assert.deepEqual(end, {
    kind: "end",
    recovered: 790,
    lost: 0,
    settled: 210,
    evicted: 0,
    evictedMinor: 0,
    isSettlementKnown: true,
  });
});

test("a journal of a time without checksums is read by the shape of its rows", (t) => {
  const { file } = oldJournal(folder(t), { count: 300, inWal: 100, isSealed: false });
  assert.deepEqual(read(file).seqs, range(1, 300));
});

test("a reader that goes on behind a position reads each message once, and counts all of them", (t) => {
  const { file } = oldJournal(folder(t), { count: 1500, inWal: 300 });
  const whole = read(file);
  assert.ok(whole.positions.length > 3);
  for (const position of whole.positions.slice(0, -1)) {
    const rest = read(file, position);
    assert.deepEqual(rest.seqs, whole.seqs.slice(-rest.seqs.length));
    assert.deepEqual(rest.end, whole.end);
  }
  assert.deepEqual(read(file, whole.positions.at(-1)).seqs, []);
});

test("with the header gone nothing is known to be done, and every message is read", (t) => {
  const journal = oldJournal(folder(t), { count: 500, inWal: 0, settled: [[1, 100]] });
  truncateSync(`${journal.file}-wal`, 0);
  damage(journal, { suffix: "", at: 0, length: 100, kind: "zeros" }, () => 0);
  const { seqs, end } = read(journal.file);
  assert.deepEqual(seqs, range(1, 500));
  assert.deepEqual([end.isSettlementKnown, end.lost], [false, 0]);
});

test("behind a torn frame of the WAL there is more, which SQLite does not see", (t) => {
  const journal = oldJournal(folder(t), { count: 600, inWal: 400 });
  damage(journal, { suffix: "-wal", at: 32 + 24 + 10, length: 8, kind: "ones" }, () => 0);
  const database = new Database(journal.file, { readonly: true });
  assert.ok(Number(database.prepare("SELECT count(*) FROM message").pluck().get()) <= 220);
  database.close();
  assert.ok(read(journal.file).seqs.length > 590);
});

/** As what is left of an older round of the WAL, or of a transaction without its end. */
function appendFrame(file: string, pageNumber: number, page: Buffer): void {
  const header = Buffer.alloc(24, 0x5a);
  header.writeUInt32BE(pageNumber, 0);
  appendFileSync(`${file}-wal`, Buffer.concat([header, page]));
}

test("of a message that stands in the log and behind the WAL's end with other bytes, the one in the log counts", (t) => {
  const journal = oldJournal(folder(t), { count: 400, inWal: 100 });
  // Never committed: other messages under these numbers, on one page that does not begin where those in the log do.
  const other = oldJournal(folder(t), { count: 400 });
  const isOther = ({ seq }: MessageRow): boolean => seq >= 203 && seq <= 209;
  const database = new Database(other.file);
  database.exec("DELETE FROM message");
  const insert = database.prepare("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (const row of other.rows.filter(isOther)) {
    const never = { ...row, payload: Buffer.from(`never committed ${row.seq}`) };
    const { seq, source, topic, payload, received_ms, uptime_ms, boot } = never;
    insert.run(seq, source, topic, payload, received_ms, uptime_ms, boot, sealedFlags(never));
  }
  database.close();
  const bytes = readFileSync(other.file);
  const pages = range(1, bytes.length / pageBytes - 1).map((n) =>
    bytes.subarray(n * pageBytes, (n + 1) * pageBytes),
  );
  const tail = pages.find((page) => page[0] === 0x0d && page.includes("never committed 203"));
  assert.ok(tail?.includes("never committed 209") === true);
  appendFrame(journal.file, 7777, tail);
  const found = new Map<number, string>();
  for (const frame of salvageFrames(journal.file, undefined)) {
    if (frame.kind !== "rows") continue;
    for (const { seq, payload } of frame.rows) found.set(seq, Buffer.from(payload).toString());
  }
  assert.deepEqual(
    [...found].toSorted(([a], [b]) => a - b),
    journal.rows.map(({ seq, payload }) => [seq, payload.toString()]),
  );
});

test("a part of a long message is read from the file when the WAL has another page under that number", (t) => {
  const journal = oldJournal(folder(t), { count: 100 });
  const [place] =
    copiesOf(journal)
      .get(50)
      ?.get(100)
      ?.filter(({ suffix }) => suffix === "") ?? [];
  assert.ok(place !== undefined);
  writeFileSync(`${journal.file}-wal`, Buffer.alloc(32));
  appendFrame(journal.file, 1 + place.at / pageBytes, Buffer.alloc(pageBytes, 0xa5));
  assert.deepEqual(read(journal.file).seqs, range(1, 100));
});

test("a journal that is cut off in the middle gives its beginning", (t) => {
  const journal = oldJournal(folder(t), { count: 1000 });
  truncateSync(`${journal.file}-wal`, 0);
  truncateSync(journal.file, 100 * pageBytes + 17);
  const { seqs, end } = read(journal.file);
  assert.deepEqual(seqs, range(1, seqs.length));
  assert.ok(seqs.length > 300 && end.recovered === seqs.length);
});

test("the file of another program, and of a newer Flightline, is left as it is", (t) => {
  const dir = folder(t);
  for (const [name, pragma] of [
    ["other", "application_id = 7"],
    ["newer", "user_version = 99"],
  ] as const) {
    const { file } = oldJournal(join(dir), { count: 10 });
    const database = new Database(file);
    database.pragma(pragma);
    database.close();
    assert.deepEqual([...salvageFrames(file, undefined)], [{ kind: "foreign" }], name);
    truncateSync(join(dir, "made.db"), 0);
    writeFileSync(`${file}-wal`, "");
  }
});

test("a row with one other bit anywhere is not taken for itself", () => {
  const row = {
    seq: 7,
    source: "main",
    topic: "a/b",
    payload: Buffer.from("payload"),
    received_ms: 1,
    uptime_ms: 2,
    boot: 1,
    flags: 9,
  };
  const sealed = { ...row, flags: sealedFlags(row) };
  assert.ok(Number.isSafeInteger(sealed.flags));
  assert.equal(sealOf(sealed), "whole");
  assert.equal(sealOf(row), "none");
  const changes = [
    { seq: 8 },
    { source: "mai" },
    { topic: "a/c" },
    { payload: Buffer.from("Payload") },
    { received_ms: 3 },
    { boot: 2 },
    { flags: sealed.flags + 1 },
  ];
  for (const change of changes)
    assert.equal(sealOf({ ...sealed, ...change }), "broken", JSON.stringify(change));
});

test("a process hands the messages over, one portion for each question, and ends when it is left", async (t) => {
  const { file, rows } = oldJournal(folder(t), { count: 800, inWal: 200 });
  const frames: SalvageFrame[] = [];
  {
    using salvage = new SalvageProcess(file, undefined, never);
    for (let frame = await salvage.next(); frame !== undefined; frame = await salvage.next())
      frames.push(frame);
  }
  const [begin] = frames;
  assert.ok(begin?.kind === "begin");
  assert.deepEqual(begin.boots, [
    { key: 1, bootId: "boot-a", offsetMs: 1_700_000_000_000, isDecided: true },
    { key: 2, bootId: "boot-b", offsetMs: undefined, isDecided: false },
  ]);
  const read = frames.flatMap((frame) => (frame.kind === "rows" ? frame.rows : []));
  assert.deepEqual(
    read.map(({ seq, payload }) => [seq, Buffer.from(payload).toString("hex")]),
    rows.map(({ seq, payload }) => [seq, Buffer.from(payload).toString("hex")]),
  );
  assert.equal(frames.at(-1)?.kind, "end");
  {
    using left = new SalvageProcess(file, undefined, never);
    assert.equal((await left.next())?.kind, "begin");
    await left.next();
    assert.equal(holdersOf(file).length, 1);
  }
  await waitFor(() => holdersOf(file).length === 0, { timeoutMs: 10_000, what: "the process to end" });
});
