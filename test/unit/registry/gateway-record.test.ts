import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { GatewayConn, GatewayEvent, MeshHeartbeat } from "../../../src/chirpstack/event.ts";
import { heardUplink, observeGateway } from "../../../src/registry/gateway-record.ts";
import type { GatewayRecord } from "../../../src/registry/records.ts";
import { dayMs, gatewayId, midnightMs, minuteMs, seenAt, stats } from "./samples.ts";

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
  lastStatsMs: undefined,
  location: undefined,
};

describe("connection state", () => {
  const at = midnightMs + minuteMs;
  const was = (online: boolean): GatewayRecord => ({ ...empty, online, onlineSinceMs: midnightMs });
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
      const seen = seenAt(at, { isRetained });
      const { record, ...rest } = observeGateway(before, conn(online), seen);
      assert.deepEqual(rest, { changedOnline });
      assert.deepEqual(record, {
        ...empty,
        firstSeenMs: before?.firstSeenMs ?? at,
        lastSeenMs,
        online,
        onlineSinceMs: sinceMs,
      });
    });
  }

  test("every change is told once, however often the state is", () => {
    const states = [true, true, false, false, false, true, true];
    let record: GatewayRecord | undefined;
    const changes: boolean[] = [];
    for (const [index, online] of states.entries()) {
      const observed = observeGateway(record, conn(online), seenAt(midnightMs + index));
      record = observed.record;
      if (observed.changedOnline) changes.push(online);
    }
    assert.deepEqual(changes, [true, false, true]);
  });
});

describe("signs of life", () => {
  const later = midnightMs + dayMs;

  test("statistics, mesh heartbeats and uplinks are such, and none of them is a connection", () => {
    for (const event of [stats(later), mesh] satisfies GatewayEvent[]) {
      const { record, changedOnline } = observeGateway(empty, event, seenAt(later));
      assert.equal(record.lastSeenMs, later);
      assert.equal(record.lastStatsMs, event.kind === "gateway/stats" ? later : undefined);
      assert.equal(record.online, undefined);
      assert.equal(changedOnline, false);
    }
    assert.deepEqual(heardUplink(empty, gatewayId, undefined, later), { ...empty, lastSeenMs: later });
  });

  test("an uplink makes a record of a gateway whose own topics we cannot read", () => {
    assert.deepEqual(heardUplink(undefined, gatewayId, here, midnightMs), { ...empty, location: here });
  });

  test("times never go back, and neither does a place", () => {
    const record: GatewayRecord = { ...empty, lastSeenMs: later, lastStatsMs: later, location: here };
    const late = stats(midnightMs, { location: there });
    const seen = seenAt(midnightMs, { receivedMs: later });
    assert.deepEqual(observeGateway(record, late, seen).record, record);
    assert.equal(heardUplink(record, gatewayId, there, midnightMs), record);
  });

  test("the place is that of the newest message that says one", () => {
    const moved = observeGateway(empty, stats(later, { location: there }), seenAt(later)).record;
    assert.deepEqual(moved.location, there);
    const silent = observeGateway(moved, stats(later + 1), seenAt(later + 1)).record;
    assert.deepEqual(silent.location, there);
    assert.deepEqual(heardUplink(silent, gatewayId, here, later + 2).location, here);
  });

  test("a retained message is none", () => {
    const seen = seenAt(later, { isRetained: true });
    assert.equal(observeGateway(empty, stats(later, { location: here }), seen).record, empty);
  });

  test("a time far after the receipt does not hold the record up", () => {
    const seen = seenAt(midnightMs + 999 * dayMs, { receivedMs: midnightMs });
    const { record } = observeGateway(empty, stats(midnightMs + 999 * dayMs), seen);
    assert.equal(record.lastSeenMs, midnightMs + 2 * minuteMs);
  });

  test("records are not changed in place", () => {
    const before = structuredClone(empty);
    observeGateway(empty, stats(later, { location: here }), seenAt(later));
    observeGateway(empty, conn(true), seenAt(later));
    heardUplink(empty, gatewayId, here, later);
    assert.deepEqual(empty, before);
  });
});
