import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type FiguresDeps, nodeFigures } from "../../../src/app/node-figures.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import type { Snapshot } from "../../../src/status/snapshot.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";
import { temporaryFolder } from "../../support/wait.ts";

const nowMs = Date.UTC(2026, 2, 1);

const snapshot: Snapshot = {
  counters: {
    ...newCounters(),
    received: 1,
    committed: 2,
    written: 3,
    ownWritten: 4,
    projected: 5,
    duplicates: 6,
    retained: 7,
    retries: 8,
    held: 9,
    waitingForClock: 10,
    receivedQos0: 11,
    quarantined: new Map([
      ["decode_empty", 5],
      ["own_row_unreadable", 7],
    ]),
  },
  journal: { lastSeq: 20, backlog: 13, evicted: 14, evictedMinor: 4, waiting: 0, lastCommitMs: 0 },
  quarantineEvicted: 0,
  registry: { devices: 0, gateways: 0, lag: 0, evicted: 0, missed: 0, statsLeftOut: 15 },
  sources: [
    { name: "a", state: "connected", connects: 1, lastFault: undefined },
    { name: "b", state: "waiting", connects: 0, lastFault: undefined },
  ],
  databases: [{ name: "lorawan", state: "away" }],
  latencyMs: { p50: undefined, p99: undefined },
};

function figuresOf(deps: Partial<FiguresDeps> = {}) {
  let uptimeMs = 1000;
  const figures = nodeFigures({
    version: "1.2.3",
    startedMs: uptimeMs,
    dir: "/no such directory",
    log: new MemoryLog(),
    offsetMs: () => undefined,
    clock: { nowMs: () => nowMs, uptimeMs: () => uptimeMs },
    clockWatch: { isTrusted: true },
    snapshot: () => snapshot,
    ...deps,
  });
  uptimeMs += 61_500;
  return figures();
}

test("the figures are those of the snapshot, each in its place", () => {
  const { memoryRssBytes, ...figures } = figuresOf();
  assert.ok(memoryRssBytes > 1_000_000);
  assert.deepEqual(figures, {
    version: "1.2.3",
    uptimeS: 61.5,
    received: 1,
    committed: 2,
    written: 3,
    ownWritten: 4,
    projected: 5,
    duplicates: 6,
    retainedUntimed: 7,
    retries: 8,
    held: 9,
    waitingForClock: 10,
    qos0Received: 11,
    quarantined: 12,
    backlog: 13,
    evicted: 14,
    statsLeftOut: 15,
    oldestUnsentS: undefined,
    clockTrusted: true,
    diskFreeBytes: undefined,
    journalBytes: 0,
    influxdb: "away",
    brokersConnected: 1,
    brokers: 2,
  });
});

describe("the age of the oldest message that is not sent", () => {
  const topic = "application/a/device/d/event/up";
  const payload = Buffer.from("{}");

  function logOf(...receivedMs: readonly number[]): MemoryLog {
    const log = new MemoryLog();
    for (const ms of receivedMs) log.append({ topic, payload, receivedMs: ms });
    return log;
  }

  test("is that of the first that is not settled", () => {
    const log = logOf(nowMs - 90_000, nowMs - 60_000, nowMs - 30_000);
    assert.equal(figuresOf({ log }).oldestUnsentS, 90);
    log.settle(1, 1);
    assert.equal(figuresOf({ log }).oldestUnsentS, 60);
    log.settle(2, 3);
    assert.equal(figuresOf({ log }).oldestUnsentS, undefined);
  });

  test("of one received in 1970 is not 56 years: unknown, until the boot's offset is", () => {
    const log = new MemoryLog();
    const boot = { receivedMs: 65_000, uptimeMs: 5000, clockTrusted: false, bootKey: 3 };
    log.append({ topic, payload, ...boot });
    assert.equal(figuresOf({ log }).oldestUnsentS, undefined);
    const offsetMs = (bootKey: number) => (bootKey === 3 ? nowMs - 25_000 : undefined);
    assert.equal(figuresOf({ log, offsetMs }).oldestUnsentS, 20);
  });

  test("is unknown while the clock is wrong, and never negative", () => {
    const clockWatch = { isTrusted: false };
    assert.equal(figuresOf({ log: logOf(nowMs - 90_000), clockWatch }).oldestUnsentS, undefined);
    assert.equal(figuresOf({ log: logOf(nowMs + 500) }).oldestUnsentS, 0);
  });
});

describe("the size of the journal", () => {
  test("is that of the file and its WAL, and the disk has room", async (t) => {
    const folder = await temporaryFolder("figures");
    t.after(() => folder.remove());
    const { path: dir } = folder;
    writeFileSync(join(dir, "journal.db"), "12345");
    assert.equal(figuresOf({ dir }).journalBytes, 5);
    writeFileSync(join(dir, "journal.db-wal"), "678");
    const { journalBytes, diskFreeBytes } = figuresOf({ dir });
    assert.equal(journalBytes, 8);
    assert.ok((diskFreeBytes ?? 0) > 0);
  });

  test("is left out where the disk does not answer", async (t) => {
    const folder = await temporaryFolder("figures-broken");
    t.after(() => folder.remove());
    symlinkSync("journal.db", join(folder.path, "journal.db"));
    assert.equal(figuresOf({ dir: folder.path }).journalBytes, undefined);
  });
});
