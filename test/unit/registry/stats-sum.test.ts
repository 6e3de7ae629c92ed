import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import type { DutyCycleBand, GatewayStats } from "../../../src/chirpstack/event.ts";
import type { StatsSum } from "../../../src/registry/records.ts";
import { gatewayStatsRow } from "../../../src/registry/rows.ts";
import { addStats, statsKey } from "../../../src/registry/stats-sum.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import { fieldsOf, gatewayId, hourMs, midnightMs, minuteMs, stats, timeMsOf, toNs } from "./samples.ts";

const noTags = { tags: [], deviceTags: [] };
const fiveMinutesMs = 5 * minuteMs;

interface Received {
  readonly stats: GatewayStats;
  readonly receivedMs: number;
}

/** One more message in the sums that are open, by key. */
function fold(sums: Map<string, StatsSum>, { stats: message, receivedMs }: Received): void {
  const timeMs = timeMsOf(message);
  const part = statsKey(message.gatewayId, timeMs, receivedMs);
  sums.set(part.key, addStats(sums.get(part.key), part, message, { timeNs: toNs(timeMs), source: "local" }));
}

function sumOf(messages: readonly GatewayStats[]): StatsSum {
  const sums = new Map<string, StatsSum>();
  for (const message of messages) fold(sums, { stats: message, receivedMs: timeMsOf(message) });
  const [sum] = sums.values();
  assert.ok(sum !== undefined && sums.size === 1);
  return sum;
}

const band = (name: string, loadTrackedMs: number, loadMaxMs = 36_000): DutyCycleBand => ({
  name,
  frequencyMinHz: 868_000_000,
  frequencyMaxHz: 868_600_000,
  loadMaxMs,
  loadTrackedMs,
});

describe("membership", () => {
  const cases: readonly (readonly [string, number, number, number, number])[] = [
    // Name, time and receipt in s after midnight, then bucket (of 5 min) and delay.
    ["at the start of a bucket", 0, 0, 0, 0],
    ["at its end", 299.999, 300, 0, 0],
    ["within the grace", 299, 329.999, 0, 0],
    ["just after it", 299, 330, 0, 1],
    ["the start of the next bucket is not late", 300, 330, 1, 0],
    ["two buckets late", 10, 935, 0, 3],
    ["a gateway whose clock is ahead", 310, 295, 1, 0],
    ["hours late", 0, 7200, 0, 23],
  ];
  for (const [name, timeS, receivedS, bucket, delay] of cases) {
    test(name, () => {
      const part = statsKey(gatewayId, midnightMs + timeS * 1000, midnightMs + receivedS * 1000);
      assert.equal(part.bucketMs, midnightMs + bucket * fiveMinutesMs);
      assert.equal(part.delay, delay);
      assert.equal(part.closesMs, part.bucketMs + (delay + 1) * fiveMinutesMs + 30_000);
    });
  }

  const time = fc.integer({ min: midnightMs - hourMs, max: midnightMs + hourMs });

  test("after a sum has closed no message joins it, and before that each of its messages was received", () => {
    fc.assert(
      fc.property(time, time, time, time, (timeA, receivedA, timeB, receivedB) => {
        const a = statsKey(gatewayId, timeA, receivedA);
        const b = statsKey(gatewayId, timeB, receivedB);
        assert.ok(receivedA < a.closesMs);
        if (receivedB >= a.closesMs) assert.notEqual(b.key, a.key);
        // A key is a bucket and a delay of a gateway, and nothing else.
        assert.equal(a.key === b.key, a.bucketMs === b.bucketMs && a.delay === b.delay);
        if (a.key === b.key) assert.equal(a.closesMs, b.closesMs);
        assert.notEqual(statsKey("b0", timeA, receivedA).key, a.key);
      }),
      { numRuns: 2000, seed: 21 },
    );
  });
});

describe("sums", () => {
  test("counters add up, by status too; duty cycles are the highest; the newest message describes", () => {
    const older = stats(midnightMs + 1000, {
      txByStatus: new Map([
        ["OK", 2],
        ["TOO_LATE", 1],
      ]),
      dutyCycle: [band("M", 18_000), band("N", 9000)],
      metadata: new Map([["temperature", "40"]]),
      location: { latitude: 1, longitude: 2, altitude: 3 },
    });
    const newer = stats(midnightMs + 31_000, {
      rxReceived: 10,
      txByStatus: new Map([["TOO_LATE", 4]]),
      dutyCycle: [band("M", 3600), band("N", 10_800)],
      metadata: new Map([["temperature", "41.5"]]),
    });
    const sum = sumOf([older, newer]);
    assert.deepEqual(sum, {
      gatewayId,
      source: "local",
      bucketMs: midnightMs,
      delay: 0,
      closesMs: midnightMs + fiveMinutesMs + 30_000,
      count: 2,
      timesNs: [toNs(midnightMs + 1000), toNs(midnightMs + 31_000)],
      rxReceived: 13,
      rxReceivedOk: 4,
      txReceived: 2,
      txEmitted: 2,
      txByStatus: new Map([
        ["OK", 2],
        ["TOO_LATE", 5],
      ]),
      dutyCycle: new Map([
        ["M", 0.5],
        ["N", 0.3],
      ]),
      metadata: new Map([["temperature", "41.5"]]),
      location: undefined,
    });
    assert.deepEqual(sumOf([newer, older]), sum);
  });

  test("a counter that did not fit in one message is the sum of the others", () => {
    const unknown = { rxReceived: undefined, rxReceivedOk: undefined, txReceived: undefined };
    const sum = sumOf([stats(midnightMs), stats(midnightMs + 1000, { ...unknown, txEmitted: undefined })]);
    const { count, rxReceived, rxReceivedOk, txReceived, txEmitted } = sum;
    assert.deepEqual([count, rxReceived, rxReceivedOk, txReceived, txEmitted], [2, 3, 2, 1, 1]);
  });

  test("a copy is not added, and the sum is not changed in place", () => {
    const first = sumOf([stats(midnightMs)]);
    const before = structuredClone(first);
    const part = statsKey(gatewayId, midnightMs, midnightMs + 20_000);
    const copy = addStats(first, part, stats(midnightMs), { timeNs: toNs(midnightMs), source: "other" });
    assert.equal(copy, first);
    addStats(first, part, stats(midnightMs + 1), { timeNs: toNs(midnightMs + 1), source: "local" });
    assert.deepEqual(first, before);
  });

  test("a message of another sum is a bug", () => {
    const part = statsKey(gatewayId, midnightMs + fiveMinutesMs, midnightMs + fiveMinutesMs);
    const origin = { timeNs: toNs(midnightMs), source: "local" };
    assert.throws(() => addStats(sumOf([stats(midnightMs)]), part, stats(midnightMs), origin), /belong/);
  });

  test("a band without a limit is left out, one without a name is called by its frequencies", () => {
    const { dutyCycle } = sumOf([
      stats(midnightMs, {
        dutyCycle: [
          band("free", 5, 0),
          band("", 9000),
          band("", 1),
          band("odd", NaN),
          band("negative", 5, -1),
        ],
      }),
    ]);
    assert.deepEqual(dutyCycle, new Map([["868000000-868600000", 0.25]]));
  });

  test("times, statuses, bands and metadata are bounded, and the same ones are kept in any order", () => {
    const names = Array.from({ length: 50 }, (_, index) => `name-${100 + index}`);
    const messages = names.map((name, index) =>
      stats(midnightMs + index, {
        txByStatus: new Map([[name, 1]]),
        dutyCycle: [band(name, 3600)],
        metadata: new Map(names.map((key) => [key, "1"])),
      }),
    );
    const sum = sumOf(messages);
    assert.deepEqual(sum.txByStatus, new Map([["OTHER", 50]]), "names that ChirpStack does not have");
    for (const map of [sum.dutyCycle, sum.metadata]) assert.deepEqual([...map.keys()], names.slice(0, 32));
    assert.deepEqual(sumOf(messages.toReversed()), sum);
    const many = sumOf(Array.from({ length: 1100 }, (_, index) => stats(midnightMs + index)));
    assert.equal(many.count, 1100);
    assert.equal(many.timesNs.length, 1024);
    assert.equal(many.timesNs.at(-1), toNs(midnightMs + 1099));
  });
});

describe("rows", () => {
  const anyMessage = fc
    .record({
      gateway: fc.constantFrom("0016c001f153a14c", "b827ebfffe000001"),
      timeMs: fc.integer({ min: midnightMs, max: midnightMs + 20 * minuteMs }),
      // Most come at once, some after an outage.
      lateMs: fc.oneof(
        fc.integer({ min: -1000, max: 2000 }),
        fc.integer({ min: 0, max: 2 * fiveMinutesMs }),
        fc.integer({ min: 0, max: 3 * hourMs }),
      ),
      rxReceived: fc.option(fc.nat(1000), { nil: undefined }),
      txByStatus: fc.dictionary(fc.constantFrom("OK", "TOO_LATE", "GPS_UNLOCKED"), fc.nat(9)),
      load: fc.nat(36_000),
      temperature: fc.integer({ min: -40, max: 90 }),
    })
    .map(({ gateway, timeMs, lateMs, rxReceived, txByStatus, load, temperature }): Received => {
      const message = stats(timeMs, {
        gatewayId: gateway,
        rxReceived,
        txByStatus: new Map(Object.entries(txByStatus)),
        dutyCycle: [band("M", load)],
        metadata: new Map([["temperature", String(temperature)]]),
      });
      return { stats: message, receivedMs: timeMs + lateMs };
    });
  /** Of a gateway at an instant there is one message. In the order of receipt, as in the journal. */
  const journal = fc
    .uniqueArray(anyMessage, {
      selector: ({ stats: message }) => `${message.gatewayId} ${message.timeNs}`,
      maxLength: 80,
    })
    .map((messages) => messages.toSorted((a, b) => a.receivedMs - b.receivedMs));

  const order = (points: readonly Point[]): Point[] =>
    points.toSorted((a, b) => {
      const [keyA, keyB] = [a, b].map(({ tags, timeNs }) => `${tags[0]?.value} ${timeNs}`);
      return (keyA ?? "") < (keyB ?? "") ? -1 : 1;
    });

  /**
   * Reads the journal in steps: at each of the moments what was received until then, after which the sums
   * that are complete become rows and are forgotten. What is open when the daemon is restarted (at each of
   * the moments) goes on from its stored copy.
   */
  function rowsOf(messages: readonly Received[], momentsMs: readonly number[]): Point[] {
    let open = new Map<string, StatsSum>();
    const rows: Point[] = [];
    const waiting = [...messages];
    for (const momentMs of [...momentsMs.toSorted((a, b) => a - b), Number.POSITIVE_INFINITY]) {
      while (waiting[0] !== undefined && waiting[0].receivedMs <= momentMs) {
        const next = waiting.shift();
        if (next !== undefined) fold(open, next);
      }
      open = structuredClone(open);
      for (const [key, sum] of open) {
        if (sum.closesMs > momentMs) continue;
        rows.push(gatewayStatsRow(sum, noTags));
        open.delete(key);
      }
    }
    return rows;
  }

  const moments = fc.array(fc.integer({ min: midnightMs, max: midnightMs + 4 * hourMs }), { maxLength: 60 });

  test("are the same set however the messages are spread over moments of processing", () => {
    fc.assert(
      fc.property(journal, moments, (messages, momentsMs) => {
        const inOneGo = order(rowsOf(messages, []));
        assert.deepEqual(order(rowsOf(messages, momentsMs)), inOneGo);
      }),
      { numRuns: 300, seed: 22 },
    );
  });

  test("never meet: one for each gateway and time", () => {
    fc.assert(
      fc.property(journal, moments, (messages, momentsMs) => {
        const keys = rowsOf(messages, momentsMs).map(({ tags, timeNs }) => `${tags[0]?.value} ${timeNs}`);
        assert.equal(new Set(keys).size, keys.length);
      }),
      { numRuns: 300, seed: 23 },
    );
  });

  test("add up to the messages, copies counted once", () => {
    const total = (rows: readonly Point[], name: string): number =>
      rows.reduce((sum, row) => sum + Number(fieldsOf(row)[name] ?? 0), 0);
    fc.assert(
      fc.property(journal, moments, (messages, momentsMs) => {
        const rows = rowsOf(
          messages.flatMap((message) => [message, message]),
          momentsMs,
        );
        const said = (of: (message: GatewayStats) => number): number =>
          messages.reduce((sum, message) => sum + of(message.stats), 0);
        assert.equal(total(rows, "stats_count"), messages.length);
        assert.equal(
          total(rows, "rx_received"),
          said(({ rxReceived }) => rxReceived ?? 0),
        );
        assert.equal(
          total(rows, "tx_ok"),
          said(({ txByStatus }) => txByStatus.get("OK") ?? 0),
        );
        assert.equal(
          total(rows, "tx_too_late"),
          said(({ txByStatus }) => txByStatus.get("TOO_LATE") ?? 0),
        );
      }),
      { numRuns: 300, seed: 24 },
    );
  });

  test("what comes late makes a second row, microseconds after the first", () => {
    const onTime = { stats: stats(midnightMs, { rxReceived: 5 }), receivedMs: midnightMs + 100 };
    const late = { stats: stats(midnightMs + 30_000, { rxReceived: 7 }), receivedMs: midnightMs + hourMs };
    const rows = rowsOf([onTime, late], []);
    assert.deepEqual(
      rows.map((row) => [row.timeNs, fieldsOf(row)["rx_received"]]),
      [
        [toNs(midnightMs), 5],
        [toNs(midnightMs) + 11_000n, 7],
      ],
    );
  });
});
