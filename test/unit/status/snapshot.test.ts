import assert from "node:assert/strict";
import { test } from "node:test";
import { newCounters } from "../../../src/pipeline/counters.ts";
import { reportDetails, type Snapshot, type SourceSnapshot } from "../../../src/status/snapshot.ts";

function source(name: string, state: SourceSnapshot["state"]): SourceSnapshot {
  return { name, state, connects: 1, lastFault: undefined };
}

test("the report has the sums, not the parts", () => {
  const snapshot: Snapshot = {
    counters: {
      ...newCounters(),
      received: 10,
      committed: 9,
      written: 4,
      points: 12,
      duplicates: 1,
      held: 2,
      unmapped: new Map([
        ["join", 1],
        ["ack", 1],
      ]),
      quarantined: new Map([["decode_empty", 1]]),
    },
    journal: { lastSeq: 9, backlog: 3, evicted: 7, evictedMinor: 2, waiting: 1, lastCommitMs: 0.5 },
    quarantineEvicted: 0,
    sources: [source("a", "connected"), source("b", "waiting"), source("c", "connecting")],
    registry: { devices: 20, gateways: 3, lag: 0, evicted: 0, missed: 0, statsLeftOut: 0 },
    databases: [
      { name: "lorawan", state: "up" },
      { name: "hillfarm", state: "away" },
    ],
    latencyMs: { p50: 1, p99: 1234.56 },
  };
  assert.deepEqual(reportDetails(snapshot), {
    received: 10,
    committed: 9,
    written: 4,
    ownWritten: undefined,
    points: 12,
    backlog: 3,
    quarantined: 1,
    quarantineKept: undefined,
    quarantineEvicted: undefined,
    deadLines: undefined,
    deadMessages: undefined,
    deadLinesKept: undefined,
    deadLinesEvicted: undefined,
    notMapped: 2,
    projected: undefined,
    retainedUntimed: undefined,
    duplicates: 1,
    held: 2,
    waitingForClock: undefined,
    retries: undefined,
    droppedParts: undefined,
    fieldsLeftOut: undefined,
    receivedQos0: undefined,
    evicted: 7,
    evictedMinor: 2,
    brokers: "1/3",
    influxdb: "away",
    devices: 20,
    gateways: 3,
    registryLag: undefined,
    registryEvicted: undefined,
    registryMissed: undefined,
    statsLeftOut: undefined,
    p99Ms: 1235,
  });
  const odd = { waitingForClock: 5, retries: 6, droppedParts: 7, fieldsLeftOut: 9, receivedQos0: 8 };
  const { waitingForClock, retries, droppedParts, fieldsLeftOut, receivedQos0 } = reportDetails({
    ...snapshot,
    counters: { ...snapshot.counters, ...odd },
  });
  assert.deepEqual({ waitingForClock, retries, droppedParts, fieldsLeftOut, receivedQos0 }, odd);
  assert.equal(reportDetails({ ...snapshot, quarantineEvicted: 9 })["quarantineEvicted"], 9);
  const refused = reportDetails({
    ...snapshot,
    counters: {
      ...snapshot.counters,
      deadLines: new Map([
        ["write_line_refused", 2],
        ["write_line_too_large", 1],
      ]),
      deadMessages: new Map([["write_line_refused", 1]]),
    },
    kept: { quarantined: 5, deadLines: 6, deadLinesEvicted: 7 },
  });
  assert.deepEqual([refused["deadLines"], refused["deadMessages"], refused["quarantineKept"]], [3, 1, 5]);
  assert.deepEqual([refused["deadLinesKept"], refused["deadLinesEvicted"]], [6, 7]);
  const registry = { ...snapshot.registry, lag: 4, evicted: 5, missed: 6, statsLeftOut: 7 };
  const { registryLag, registryEvicted, registryMissed, statsLeftOut } = reportDetails({
    ...snapshot,
    registry,
  });
  assert.deepEqual([registryLag, registryEvicted, registryMissed, statsLeftOut], [4, 5, 6, 7]);
  const unsent = { ...snapshot.counters, ownWritten: 3, projected: 4, retained: 5 };
  const { ownWritten, projected, retainedUntimed } = reportDetails({ ...snapshot, counters: unsent });
  assert.deepEqual([ownWritten, projected, retainedUntimed], [3, 4, 5]);
  const databases = [
    { name: "lorawan", state: "up" as const },
    { name: "hillfarm", state: "untried" as const },
  ];
  const calm = { ...snapshot, databases, latencyMs: { p50: undefined, p99: undefined } };
  assert.equal(reportDetails(calm)["influxdb"], "up");
  assert.equal(reportDetails(calm)["p99Ms"], undefined);
});
