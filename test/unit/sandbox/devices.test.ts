import assert from "node:assert/strict";
import { test } from "node:test";
import { Fleet } from "../../../src/sandbox/devices/fleet.ts";
import type { FleetOptions, OutgoingMessage } from "../../../src/sandbox/devices/fleet.ts";
import type { PublishedUplink } from "../../../src/sandbox/ledger.ts";

const startMs = Date.UTC(2026, 10, 22, 8);
const options: FleetOptions = { seed: 7, deviceCount: 25, intervalMs: 1000, startMs };

function play(fleet: Fleet, forMs: number): OutgoingMessage[] {
  const messages: OutgoingMessage[] = [];
  while (fleet.nextAtMs < startMs + forMs) messages.push(...fleet.step());
  return messages;
}

const halfAnHour = play(new Fleet(options), 1_800_000);
const uplinks = halfAnHour.flatMap(({ uplink }) => (uplink === undefined ? [] : [uplink]));

function byDevice(facts: readonly PublishedUplink[]): Map<string, PublishedUplink[]> {
  return Map.groupBy(facts, (uplink) => uplink.devEui);
}

test("the same seed and start give the same bytes, another seed gives others", () => {
  const again = play(new Fleet(options), 20_000);
  assert.ok(again.length > 300, `only ${again.length} messages in 20 s`);
  assert.deepEqual(again, halfAnHour.slice(0, again.length));
  const other = play(new Fleet({ ...options, seed: 8 }), 20_000);
  assert.notDeepEqual(other.slice(0, 50), again.slice(0, 50));
});

test("a later start has the same devices and never an old deduplication id", () => {
  const later = new Fleet({ ...options, startMs: startMs + 60_000 });
  assert.deepEqual(later.devices, new Fleet(options).devices);
  const old = new Set(uplinks.map((uplink) => uplink.deduplicationId));
  assert.equal(old.size, uplinks.length);
  for (let step = 0; step < 2000; step += 1) {
    for (const { uplink } of later.step()) assert.ok(!old.has(uplink?.deduplicationId ?? ""));
  }
});

test("two uplinks of one device never have the same time, and all lie near the clock", () => {
  for (const facts of byDevice(uplinks).values()) {
    assert.equal(new Set(facts.map((uplink) => uplink.timeNs)).size, facts.length);
  }
  for (const { timeNs } of uplinks) {
    assert.ok(timeNs >= BigInt(startMs) * 1_000_000n);
    assert.ok(timeNs < BigInt(startMs + 1_801_000) * 1_000_000n);
  }
});

test("losses are gaps of the frame counter, and a join starts it again at 0", () => {
  let gaps = 0;
  let restarts = 0;
  for (const facts of byDevice(uplinks).values()) {
    for (const [index, uplink] of facts.entries()) {
      const step = uplink.fCnt - (facts[index - 1]?.fCnt ?? uplink.fCnt - 1);
      if (step > 1) gaps += 1;
      if (step > 0) continue;
      restarts += 1;
      assert.equal(uplink.fCnt, 0);
    }
  }
  assert.ok(gaps > uplinks.length * 0.005, `${gaps} gaps`);
  assert.ok(restarts > 20, `${restarts} restarts`);
});

test("rssi, snr and spreading factor agree, and uplinks are heard by one to four gateways", () => {
  const required = new Map([
    [7, -7.5],
    [8, -10],
    [9, -12.5],
    [10, -15],
    [11, -17.5],
    [12, -20],
  ]);
  const gatewayCounts = new Set<number>();
  for (const { receptions, spreadingFactor, dr } of uplinks) {
    gatewayCounts.add(receptions.length);
    assert.equal(dr, 12 - spreadingFactor);
    assert.equal(new Set(receptions.map(({ gatewayId }) => gatewayId)).size, receptions.length);
    for (const { rssiDbm, snrDb } of receptions) {
      assert.ok(snrDb >= (required.get(spreadingFactor) ?? 0) - 0.13 && snrDb <= 14);
      assert.ok(Number.isInteger(rssiDbm) && rssiDbm >= -118 && rssiDbm < -20);
      // A strong signal is measured as itself, a weak one as the noise that it is in.
      if (snrDb > 3 && snrDb < 13) assert.ok(Math.abs(rssiDbm - (snrDb - 117)) < 2.5);
    }
  }
  assert.deepEqual(
    [...gatewayCounts].sort((a, b) => a - b),
    [1, 2, 3, 4],
  );
  assert.ok(new Set(uplinks.map((uplink) => uplink.spreadingFactor)).size >= 3);
});

test("every profile, every other event and gateway statistics are sent", () => {
  const names = new Map<string, number>();
  for (const { topic } of halfAnHour) {
    const name = topic.replace(/^.*\/(event|state)\//, "");
    names.set(name, (names.get(name) ?? 0) + 1);
  }
  assert.deepEqual([...names.keys()].sort(), [
    "ack",
    "conn",
    "join",
    "log",
    "stats",
    "status",
    "txack",
    "up",
  ]);
  assert.equal(names.get("up"), uplinks.length);
  const profiles = new Set(uplinks.map((uplink) => uplink.profileName));
  assert.deepEqual([...profiles].sort(), ["Climate", "Door", "People counter", "Tracker", "Water meter"]);
  assert.ok(uplinks.some((uplink) => uplink.fPort === 0 && uplink.leaves.size === 0));
  assert.ok(uplinks.some((uplink) => uplink.fPort !== 0 && uplink.leaves.size === 0));
});

test("nested objects, arrays, nulls, texts and booleans reach the ledger as leaves", () => {
  const leavesOf = (profile: string): ReadonlyMap<string, unknown> =>
    uplinks.find((uplink) => uplink.profileName === profile && uplink.leaves.size > 0)?.leaves ?? new Map();
  const people = leavesOf("People counter");
  assert.deepEqual(
    [...people.keys()],
    ["lines_0_in", "lines_0_out", "lines_1_in", "lines_1_out", "total_in", "total_out", "inside"],
  );
  assert.equal(typeof leavesOf("Door").get("magnet_status"), "string");
  assert.equal(typeof leavesOf("Door").get("open"), "boolean");
  assert.equal(typeof leavesOf("Water meter").get("flow_litres_per_hour"), "number");
  const noFix = uplinks.find((uplink) => uplink.leaves.get("position") === "no fix");
  assert.ok(noFix !== undefined && !noFix.leaves.has("latitude"));
});
