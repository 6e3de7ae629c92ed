import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { Reception, Uplink } from "../../../src/chirpstack/event.ts";
import { parseDuration, parseTimestamp, timestampNs } from "../../../src/chirpstack/rfc3339.ts";
import { hasGpsTime, pointTime } from "../../../src/chirpstack/time.ts";
import { climateUplink, toJsonBytes, upTopic } from "./samples.ts";

const nsOf = (text: string): bigint | undefined => {
  const parts = parseTimestamp(text);
  return parts === undefined ? undefined : timestampNs(parts);
};

test("RFC 3339 is read to the nanosecond, with any offset", () => {
  assert.equal(nsOf("2022-07-18T09:34:15.775023242+00:00"), 1_658_136_855_775_023_242n);
  assert.equal(nsOf("2022-07-18T09:34:15Z"), 1_658_136_855_000_000_000n);
  assert.equal(nsOf("2022-07-18t11:34:15.7z"), 1_658_144_055_700_000_000n);
  assert.equal(nsOf("2022-07-18T15:04:15+05:30"), 1_658_136_855_000_000_000n);
  assert.equal(nsOf("2022-07-17T23:34:15.000000001-10:00"), 1_658_136_855_000_000_001n);
  assert.equal(nsOf("2024-02-29T00:00:00Z"), 1_709_164_800_000_000_000n);
  assert.equal(nsOf("1969-12-31T23:59:59.999999999Z"), -1n);
});

test("what is no moment is refused", () => {
  const wrong = [
    "",
    "now",
    "2022-07-18",
    "2022-07-18T09:34:15",
    "2022-07-18 09:34:15Z",
    "2022-13-18T09:34:15Z",
    "2022-00-18T09:34:15Z",
    "2022-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2022-04-31T00:00:00Z",
    "2022-07-18T24:00:00Z",
    "2022-07-18T09:60:15Z",
    "2022-07-18T09:34:60Z",
    "2022-07-18T09:34:15.0000000001Z",
    "2022-07-18T09:34:15+24:00",
    "2022-07-18T09:34:15+05:60",
    "0001-01-01T00:00:00Z",
    "+2022-07-18T09:34:15Z",
  ];
  for (const text of wrong) assert.equal(nsOf(text), undefined, text);
});

test("any moment that JavaScript can print is read back", () => {
  const moments = fc.integer({ min: -59_000_000_000_000, max: 253_402_300_799_999 });
  fc.assert(
    fc.property(moments, (ms) => assert.equal(nsOf(new Date(ms).toISOString()), BigInt(ms) * 1_000_000n)),
    { seed: 7 },
  );
});

test("durations are read to the nanosecond", () => {
  assert.deepEqual(parseDuration("1433853910.653s"), { seconds: 1_433_853_910n, nanos: 653_000_000 });
  assert.deepEqual(parseDuration("-0.5s"), { seconds: 0n, nanos: -500_000_000 });
  for (const text of ["", "1", "1.s", "1 s", "1e3s"]) assert.equal(parseDuration(text), undefined, text);
});

const eventNs = 1_749_818_692_653_481_123n;
const firstNsTime = 1_749_818_692_670_509_207n;
const second = 1_000_000_000n;

function sample(changes: Partial<Uplink> = {}): Uplink {
  const result = decode(upTopic, toJsonBytes(climateUplink()));
  assert.ok(result.ok && result.value.kind === "up");
  return { ...result.value, ...changes };
}

const trusted = { receivedNs: eventNs + second, receivedTrusted: true };

test("the event's own time is the point's, when it can be believed", () => {
  assert.deepEqual(pointTime(sample(), trusted), { timeNs: eventNs, source: "event" });
});

test("exactly two minutes ahead of a trusted clock is believed, a nanosecond more is not", () => {
  const at = (aheadNs: bigint): string =>
    pointTime(sample({ timeNs: trusted.receivedNs + aheadNs }), trusted).source;
  assert.equal(at(120n * second), "event");
  assert.equal(at(120n * second + 1n), "network_server");
});

test("an untrusted clock judges nobody", () => {
  const time = pointTime(sample(), { receivedNs: 0n, receivedTrusted: false });
  assert.equal(time.source, "event");
});

test("the network server's time follows, under the same conditions, then the receive time", () => {
  const expected = { timeNs: firstNsTime, source: "network_server" };
  for (const timeNs of [undefined, 1_577_836_799_999_999_999n, 1n << 63n, 0n]) {
    assert.deepEqual(pointTime(sample({ timeNs }), trusted), expected);
  }
  assert.equal(pointTime(sample({ timeNs: 1_577_836_800_000_000_000n }), trusted).source, "event");
  const receptions = sample().receptions.map((reception): Reception => ({ ...reception, nsTimeNs: 5n }));
  assert.deepEqual(pointTime(sample({ timeNs: undefined, receptions }), trusted), {
    timeNs: trusted.receivedNs,
    source: "received",
  });
});

test("GPS time needs a receiver that heard GPS and a time that came of it", () => {
  assert.equal(hasGpsTime(sample()), true);
  assert.equal(hasGpsTime(sample({ timeNs: undefined })), false);
  const receptions = sample().receptions.map((reception) => ({ ...reception, hasGpsTime: false }));
  assert.equal(hasGpsTime(sample({ receptions })), false);
});
