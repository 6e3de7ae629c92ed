/** Statistics that come again: from a broker, from a second one, after a crash, with another log. */
import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { minuteMs, received, startMs, stats, timeMark, uplink } from "./project-events.ts";
import { dataFolder, journalled, live, ownRows, rowKey, rowText, storedRegistry } from "./project-fixture.ts";

const backup = { source: "backup" };
const duplicate = { duplicate: true };

/** `count` statistics, one in 30 s, each received when it was sent. */
function halfMinutely(count: number, fromMs = startMs): IncomingMessage[] {
  return Array.from({ length: count }, (_, n) => fromMs + n * 30_000).map((atMs) =>
    received(stats(atMs), atMs),
  );
}

/** The same again. */
function again(
  messages: readonly IncomingMessage[],
  receivedMs: number,
  changes: Partial<IncomingMessage>,
): IncomingMessage[] {
  return messages.map((message, n) => ({ ...message, receivedMs: receivedMs + n, ...changes }));
}

/** What the rows of `gateway_stats` say: count and rx_received of each. */
function sums(dir: string): unknown[][] {
  return ownRows(dir)
    .filter(({ table }) => table === "gateway_stats")
    .map(({ fields }) =>
      ["stats_count", "rx_received"].map((name) => fields.find((field) => field.name === name)?.value),
    );
}

async function sumsOf(t: TestContext, messages: readonly IncomingMessage[]): Promise<unknown[][]> {
  const dir = dataFolder(t);
  journalled(dir, [...messages, timeMark(startMs + 600 * minuteMs)]);
  await live(t, dir);
  return sums(dir);
}

function countOf(rows: readonly unknown[][]): number {
  return rows.reduce((sum, [count]) => sum + Number(count), 0);
}

function execute(dir: string, sql: string): void {
  const database = new Database(join(dir, "journal.db"));
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

function removeJournal(dir: string): void {
  for (const suffix of [".db", ".db-wal", ".db-shm", ".id"])
    rmSync(join(dir, `journal${suffix}`), { force: true });
}

describe("statistics from two sources count once", () => {
  const five = halfMinutely(5);

  test("when the second one hands them out twenty minutes later", async (t) => {
    assert.deepEqual(await sumsOf(t, [...five, ...again(five, startMs + 20 * minuteMs, backup)]), [[5, 50]]);
  });

  test("when it has kept them for a night", async (t) => {
    const night = halfMinutely(900);
    const rows = await sumsOf(t, [...night, ...again(night, startMs + 460 * minuteMs, backup)]);
    assert.equal(countOf(rows), 900);
  });

  test("when each sends one half, and the newer half comes first", async (t) => {
    const older = halfMinutely(150, startMs + 60 * minuteMs);
    const newer = halfMinutely(150, startMs + 135 * minuteMs);
    const rows = await sumsOf(t, [
      ...halfMinutely(100),
      ...again(newer, startMs + 220 * minuteMs, backup),
      ...again(older, startMs + 240 * minuteMs, {}),
    ]);
    assert.equal(countOf(rows), 400);
  });

  test("after the first one is gone for good", async (t) => {
    const first = halfMinutely(400);
    const later = again(halfMinutely(20, startMs + 210 * minuteMs), startMs + 230 * minuteMs, backup);
    assert.equal(countOf(await sumsOf(t, [...first, ...later])), 420);
  });

  test("what a gateway itself had kept for hours is no copy", async (t) => {
    const own = [received(stats(startMs + 15_000), startMs + 210 * minuteMs)];
    assert.equal(countOf(await sumsOf(t, [...halfMinutely(400), ...own])), 401);
  });

  test("a time in the far future, once, does not make copies of what comes from the other", async (t) => {
    const wild = received(stats(startMs + 900 * 1440 * minuteMs), startMs);
    const others = halfMinutely(300, startMs + minuteMs).map((message, n) =>
      n < 280 ? message : { ...message, ...backup },
    );
    assert.equal(countOf(await sumsOf(t, [wild, ...others])), 301);
  });
});

describe("statistics that a broker delivers again", () => {
  test("of the newest, in a later slot, count once", async (t) => {
    const five = halfMinutely(5);
    const newest = again(five.slice(-1), startMs + 9 * minuteMs, duplicate);
    assert.deepEqual(await sumsOf(t, [...five, ...newest]), [[5, 50]]);
  });

  test("of a whole window of messages count once", async (t) => {
    const many = halfMinutely(600);
    const rows = await sumsOf(t, [...many, ...again(many, startMs + 301 * minuteMs, duplicate)]);
    assert.equal(countOf(rows), 600);
  });

  test("and were never here count, also when they are older than the newest", async (t) => {
    const kept = again(halfMinutely(4, startMs + 15_000), startMs + 11 * minuteMs, duplicate);
    assert.equal(countOf(await sumsOf(t, [...halfMinutely(20), ...kept])), 24);
  });

  test("count once where the gateway's clock is in 2012, and each where they were never here", async (t) => {
    const inPast = (n: number, changes: Partial<IncomingMessage> = {}): IncomingMessage =>
      received(stats(Date.UTC(2012, 0, 1) + n * 30_000), startMs, changes);
    const three = [inPast(1), inPast(2), inPast(3)];
    for (const laterMs of [500, 7 * minuteMs]) {
      const copies = again(three, startMs + laterMs, duplicate);
      assert.equal(countOf(await sumsOf(t, [...three, ...copies])), 3, `${laterMs} ms later`);
    }
    const fresh = [2, 3, 4, 5].map((n) => inPast(n, duplicate));
    assert.deepEqual(await sumsOf(t, [inPast(1), ...fresh]), [[5, 50]], "all within a millisecond");
  });
});

describe("sums and other logs", () => {
  test("a sum that was open with a lost journal does not take the place of the whole one", async (t) => {
    const dir = dataFolder(t);
    const five = halfMinutely(5);
    journalled(dir, five.slice(0, 2));
    await live(t, dir);
    const whole = dataFolder(t, dir);
    journalled(whole, [...five.slice(2), timeMark(startMs + 6 * minuteMs)]);
    await live(t, whole);
    assert.deepEqual(sums(whole), [[5, 50]], "made, and the process dies before it saves");
    removeJournal(dir);
    journalled(dir, [
      ...halfMinutely(30, startMs + 6 * minuteMs),
      received(stats(startMs + 100_000), startMs + 21 * minuteMs),
      timeMark(startMs + 60 * minuteMs),
    ]);
    const { projector } = await live(t, dir);
    const keys = ownRows(whole).map(rowKey);
    for (const row of ownRows(dir)) assert.ok(!keys.includes(rowKey(row)), rowText(row));
    assert.deepEqual(sums(dir), [
      [10, 100],
      [10, 100],
      [2, 20],
      [1, 10],
    ]);
    assert.equal(projector.statsLeftOut, 2 + 8, "the open sum, and the first one of the new journal");
    const { position } = storedRegistry(dir);
    assert.ok((position?.seq ?? 0) > 0, "from here on it is read like any other");
  });

  test("a journal put back from a copy makes no other version of a row", async (t) => {
    const dir = dataFolder(t);
    const many = halfMinutely(400);
    journalled(dir, [...many.slice(0, 390), timeMark(startMs + 196 * minuteMs)]);
    const copy = dataFolder(t, dir);
    journalled(dir, [...many.slice(390), timeMark(startMs + 210 * minuteMs)]);
    await live(t, dir);
    const before = new Map(ownRows(dir).map((row) => [rowKey(row), rowText(row)]));
    removeJournal(dir);
    cpSync(copy, dir, { recursive: true });
    await live(t, dir);
    const after = ownRows(dir);
    for (const row of after) assert.equal(rowText(row), before.get(rowKey(row)) ?? rowText(row));
    assert.ok(after.length > 30, "what is whole is made again");
  });

  test("after a gap statistics that are ahead of us by nearly two minutes are not summed in part", async (t) => {
    // Sent in the next five minutes, by the gateway's clock.
    const messages = [
      received(stats(startMs + 5 * minuteMs + 10_000), startMs + 3 * minuteMs + 15_000),
      timeMark(startMs + 3 * minuteMs + 16_000),
      received(stats(startMs + 6 * minuteMs), startMs + 6 * minuteMs),
      received(stats(startMs + 12 * minuteMs), startMs + 12 * minuteMs),
      timeMark(startMs + 20 * minuteMs),
    ];
    const whole = dataFolder(t);
    journalled(whole, messages);
    await live(t, whole);
    assert.deepEqual(sums(whole), [
      [2, 20],
      [1, 10],
    ]);
    const cut = dataFolder(t);
    journalled(cut, messages);
    execute(cut, "DELETE FROM message WHERE seq = 1");
    await live(t, cut);
    assert.deepEqual(sums(cut), [[1, 10]]);
  });
});

describe("who heard an uplink", () => {
  test("a gateway is not seen later than two minutes after the receipt, whatever time the uplink has", async (t) => {
    const dir = dataFolder(t);
    const up = uplink(1, startMs + 500 * minuteMs, 1);
    // A time from GPS is believed whatever our clock says.
    const receptions = up.receptions.map((reception) => ({ ...reception, hasGpsTime: true }));
    journalled(dir, [received({ ...up, receptions }, startMs, { clockTrusted: false })]);
    await live(t, dir);
    const { devices, gateways } = storedRegistry(dir);
    const seen = [...devices, ...gateways].map(({ lastSeenMs }) => lastSeenMs);
    assert.deepEqual(
      seen,
      [1, 2, 3].map(() => startMs + 500 + 2 * minuteMs),
    );
  });
});
