import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { GatewayConn, GatewayEvent, MeshHeartbeat } from "../../../src/chirpstack/event.ts";
import { heardUplink, observeGateway } from "../../../src/registry/gateway-record.ts";
import type { GatewayRecord } from "../../../src/registry/records.ts";
import { dayMs, gatewayId, gatewaySeenAt, midnightMs, minuteMs, stats, toNs } from "./samples.ts";

const here = { latitude: 47.1, longitude: 8.5, altitude: 512 };
const there = { latitude: 46, longitude: 7, altitude: 900 };

function conn(online: boolean): GatewayConn {
  return { kind: "gateway/conn", gatewayId, online, timeNs: undefined, isIdentified: false, dropped: [] };
}

const mesh: MeshHeartbeat = {
  kind: "gateway/mesh",
  gatewayId,
  relayId: "01020304",
  path: [],
  timeNs: undefined,
  isIdentified: true,
  dropped: [],
};

const empty: GatewayRecord = {
  gatewayId,
  firstSeenMs: midnightMs,
  lastSeenMs: midnightMs,
  online: undefined,
  onlineSinceMs: undefined,
  stateTopics: new Map(),
  unshown: undefined,
  lastStatsMs: undefined,
  statsTimesMs: [],
  statsForgottenMs: undefined,
  statsSource: "",
  location: undefined,
};

describe("connection state", () => {
  const at = midnightMs + minuteMs;
  const saying = (online: boolean): GatewayRecord["stateTopics"] =>
    new Map([["local eu868/gateway/0016c001f1500001/state/conn", online]]);
  const was = (online: boolean): GatewayRecord => ({
    ...empty,
    online,
    onlineSinceMs: midnightMs,
    stateTopics: saying(online),
  });
  interface Case {
    readonly name: string;
    readonly before: GatewayRecord | undefined;
    readonly online: boolean;
    readonly isRetained: boolean;
    readonly changedOnline: boolean;
    readonly sinceMs: number | undefined;
    readonly lastSeenMs: number;
  }
  const cases: readonly Case[] = [
    {
      name: "found at the first subscription: no change, and nobody said since when",
      before: undefined,
      online: true,
      isRetained: true,
      changedOnline: false,
      sinceMs: undefined,
      lastSeenMs: at,
    },
    {
      name: "found, of a gateway that we know by its uplinks",
      before: empty,
      online: false,
      isRetained: true,
      changedOnline: false,
      sinceMs: undefined,
      lastSeenMs: midnightMs,
    },
    {
      name: "found as we knew it",
      before: was(true),
      online: true,
      isRetained: true,
      changedOnline: false,
      sinceMs: midnightMs,
      lastSeenMs: midnightMs,
    },
    {
      name: "changed while we were away",
      before: was(true),
      online: false,
      isRetained: true,
      changedOnline: true,
      sinceMs: at,
      lastSeenMs: midnightMs,
    },
    {
      name: "a first connection while we look",
      before: undefined,
      online: true,
      isRetained: false,
      changedOnline: true,
      sinceMs: at,
      lastSeenMs: at,
    },
    {
      name: "told again: a sign of life and no change",
      before: was(true),
      online: true,
      isRetained: false,
      changedOnline: false,
      sinceMs: midnightMs,
      lastSeenMs: at,
    },
    {
      name: "gone: its will is no sign of life",
      before: was(true),
      online: false,
      isRetained: false,
      changedOnline: true,
      sinceMs: at,
      lastSeenMs: midnightMs,
    },
    {
      name: "back",
      before: was(false),
      online: true,
      isRetained: false,
      changedOnline: true,
      sinceMs: at,
      lastSeenMs: at,
    },
  ];
  for (const { name, before, online, isRetained, changedOnline, sinceMs, lastSeenMs } of cases) {
    test(name, () => {
      const seen = gatewaySeenAt(at, { isRetained });
      const { record, ...rest } = observeGateway(before, conn(online), seen);
      const change = { gatewayId, online, timeNs: toNs(at), source: "local" };
      assert.deepEqual(rest, { changes: changedOnline ? [change] : [], isCopy: false });
      assert.deepEqual(record, {
        ...empty,
        firstSeenMs: before?.firstSeenMs ?? at,
        lastSeenMs,
        online,
        onlineSinceMs: sinceMs,
        stateTopics: saying(online),
      });
    });
  }

  test("of a topic that is not known is the past when it says OFFLINE, and brings it back when it says ONLINE", () => {
    const topic = "us915_0/gateway/0016c001f1500001/state/conn";
    const seen = gatewaySeenAt(at, { isRetained: true, topic });
    const past = observeGateway(was(true), conn(false), seen);
    assert.deepEqual([past.record.online, past.changes], [true, []]);
    const back = observeGateway(was(false), conn(true), seen);
    assert.deepEqual([back.record.online, back.changes.length], [true, 1]);
  });

  test("is remembered of the newest eight topics", () => {
    let record = was(true);
    for (let index = 0; index < 12; index += 1) {
      record = observeGateway(record, conn(true), gatewaySeenAt(at, { topic: `r${index}` })).record;
    }
    assert.deepEqual([...record.stateTopics.keys()].slice(0, 2), ["local r4", "local r5"]);
    assert.equal(record.stateTopics.size, 8);
  });

  test("every change is told once, however often the state is", () => {
    const states = [true, true, false, false, false, true, true];
    let record: GatewayRecord | undefined;
    const changes: boolean[] = [];
    for (const [index, online] of states.entries()) {
      const observed = observeGateway(record, conn(online), gatewaySeenAt(midnightMs + index));
      record = observed.record;
      changes.push(...observed.changes.map((change) => change.online));
    }
    assert.deepEqual(changes, [true, false, true]);
  });
});

describe("signs of life", () => {
  const later = midnightMs + dayMs;

  test("statistics, mesh heartbeats and uplinks are such, and none of them is a connection", () => {
    for (const event of [stats(later), mesh] satisfies GatewayEvent[]) {
      const { record, changes } = observeGateway(empty, event, gatewaySeenAt(later));
      assert.equal(record.lastSeenMs, later);
      assert.equal(record.lastStatsMs, event.kind === "gateway/stats" ? later : undefined);
      assert.equal(record.online, undefined);
      assert.deepEqual(changes, []);
    }
    assert.deepEqual(heardUplink(empty, gatewayId, undefined, later), { ...empty, lastSeenMs: later });
  });

  test("an uplink makes a record of a gateway whose own topics we cannot read", () => {
    assert.deepEqual(heardUplink(undefined, gatewayId, here, midnightMs), { ...empty, location: here });
  });

  test("times never go back, and neither does a place", () => {
    const record: GatewayRecord = { ...empty, lastSeenMs: later, lastStatsMs: later, location: here };
    const late = stats(midnightMs, { location: there });
    const seen = gatewaySeenAt(midnightMs, { receivedMs: later });
    const { statsTimesMs: _, statsSource: __, ...after } = observeGateway(record, late, seen).record;
    const { statsTimesMs: ___, statsSource: ____, ...before } = record;
    assert.deepEqual(after, before);
    assert.equal(heardUplink(record, gatewayId, there, midnightMs), record);
  });

  test("the place is that of the newest message that says one", () => {
    const moved = observeGateway(empty, stats(later, { location: there }), gatewaySeenAt(later)).record;
    assert.deepEqual(moved.location, there);
    const silent = observeGateway(moved, stats(later + 1), gatewaySeenAt(later + 1)).record;
    assert.deepEqual(silent.location, there);
    assert.deepEqual(heardUplink(silent, gatewayId, here, later + 2).location, here);
  });

  test("a retained message is none", () => {
    const seen = gatewaySeenAt(later, { isRetained: true });
    assert.equal(observeGateway(empty, stats(later, { location: here }), seen).record, empty);
  });

  test("a time far after the receipt does not hold the record up", () => {
    const seen = gatewaySeenAt(midnightMs + 999 * dayMs, { receivedMs: midnightMs });
    const { record } = observeGateway(empty, stats(midnightMs + 999 * dayMs), seen);
    assert.equal(record.lastSeenMs, midnightMs + 2 * minuteMs);
  });

  test("the times of 256 statistics are kept, and the newest of the others", () => {
    let record: GatewayRecord | undefined;
    for (let n = 0; n < 300; n += 1) {
      const at = midnightMs + n * 30_000;
      ({ record } = observeGateway(record, stats(at), gatewaySeenAt(at)));
    }
    assert.equal(record?.statsTimesMs.length, 256);
    assert.deepEqual(
      [record.statsTimesMs[0], record.statsForgottenMs],
      [44, 43].map((n) => midnightMs + n * 30_000),
    );
  });

  test("of what is forgotten, a redelivery and another source's are copies, where the time can be told", () => {
    const record: GatewayRecord = { ...empty, statsForgottenMs: later, statsSource: "local" };
    const at = midnightMs + minuteMs;
    const isCopy = (changes: Parameters<typeof gatewaySeenAt>[1], before = record): boolean =>
      observeGateway(before, stats(at), gatewaySeenAt(at, changes)).isCopy;
    assert.equal(isCopy({}), false, "the gateway had kept them");
    assert.equal(isCopy({ isDuplicate: true }), true);
    assert.equal(isCopy({ source: "backup" }), true);
    assert.equal(isCopy({ isDuplicate: true, isOwnTime: false }), false);
    assert.equal(isCopy({ source: "backup" }, { ...record, statsSource: "" }), false);
    assert.equal(isCopy({ isDuplicate: true }, { ...record, statsForgottenMs: undefined }), false);
  });

  test("statistics that say no time are never copies", () => {
    const untimed = stats(midnightMs, { timeNs: undefined });
    const seen = gatewaySeenAt(midnightMs, { isOwnTime: false, isDuplicate: true });
    const first = observeGateway(empty, untimed, seen);
    const second = observeGateway(first.record, untimed, seen);
    assert.deepEqual([first.isCopy, second.isCopy], [false, false]);
    assert.deepEqual(second.record.statsTimesMs, []);
  });

  test("records are not changed in place", () => {
    const before = structuredClone(empty);
    observeGateway(empty, stats(later, { location: here }), gatewaySeenAt(later));
    observeGateway(empty, conn(true), gatewaySeenAt(later));
    heardUplink(empty, gatewayId, here, later);
    assert.deepEqual(empty, before);
  });
});
