import assert from "node:assert/strict";
import { test } from "node:test";
import { receiptFor, receivedTime } from "../../../src/pipeline/received-time.ts";
import { startMs, uplink } from "./project-events.ts";

const wrongMs = Date.UTC(1970, 0, 1);
const untrusted = { seq: 7, receivedMs: wrongMs, uptimeMs: 5000.4, bootKey: 3, clockTrusted: false };
const offsetMs = (bootKey: number): number | undefined => (bootKey === 3 ? startMs : undefined);
/** Of the seventh message of a log. */
const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n + 7n;

test("messages of one millisecond are told apart by their place in the log, and stay within it", () => {
  const stamps = { ...untrusted, receivedMs: startMs, clockTrusted: true };
  const at = (seq: number): bigint => receivedTime({ ...stamps, seq }, offsetMs).receivedNs;
  assert.equal(at(8) - at(7), 1n);
  assert.equal(at(1_000_007), at(7));
});

test("a trusted receive time is taken as it is", () => {
  const stamps = { ...untrusted, receivedMs: startMs, clockTrusted: true };
  assert.deepEqual(receivedTime(stamps, offsetMs), { receivedNs: ns(startMs), receivedTrusted: true });
});

test("one under a wrong clock is mended with the offset of its boot, and stays as it is without", () => {
  assert.deepEqual(receivedTime(untrusted, offsetMs), {
    receivedNs: ns(startMs + 5000),
    receivedTrusted: true,
  });
  assert.deepEqual(receivedTime({ ...untrusted, bootKey: 4 }, offsetMs), {
    receivedNs: ns(wrongMs),
    receivedTrusted: false,
  });
});

test("the time of an uplink with GPS time does not depend on whether the offset is known", () => {
  const up = uplink(1, startMs, 1);
  const withGps = { ...up, receptions: up.receptions.map((each) => ({ ...each, hasGpsTime: true })) };
  assert.equal(receiptFor(untrusted, withGps, offsetMs).receivedTrusted, false);
  assert.equal(receiptFor(untrusted, up, offsetMs).receivedTrusted, true);
});
