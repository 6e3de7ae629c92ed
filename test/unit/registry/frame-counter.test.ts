import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import type { DeviceEvent, Uplink } from "../../../src/chirpstack/event.ts";
import type { DeviceRecord } from "../../../src/registry/records.ts";
import {
  dayMs,
  hourMs,
  join,
  learn,
  log,
  midnightMs,
  minuteMs,
  observe,
  randomFrom,
  reception,
  seenAt,
  status,
  uplink,
} from "./samples.ts";

/** `count` uplinks, `everyMs` apart. */
function regular(count: number, everyMs: number, startMs = midnightMs, firstFCnt = 0): Uplink[] {
  return Array.from({ length: count }, (_, index) => uplink(startMs + index * everyMs, firstFCnt + index));
}

describe("interval", () => {
  test("is learned from three pairs of uplinks", () => {
    assert.equal(learn(regular(3, 10 * minuteMs)).intervalMs, undefined);
    assert.equal(learn(regular(4, 10 * minuteMs)).intervalMs, 10 * minuteMs);
  });

  test("is right within 1 % when 30 % of the uplinks are lost and devices are not punctual", () => {
    for (const everyMs of [10_000, 600_000, 3_600_000, 86_400_000]) {
      for (let seed = 1; seed <= 50; seed += 1) {
        const random = randomFrom(seed);
        const sent = Array.from({ length: 60 }, (_, fCnt) => {
          const jitterMs = Math.round((random() - 0.5) * 0.02 * everyMs);
          return uplink(midnightMs + fCnt * everyMs + jitterMs, fCnt);
        });
        const heard = sent.filter(() => random() >= 0.3);
        assert.ok(heard.length < 55, "the test has lost some");
        const { intervalMs } = learn(heard);
        assert.ok(intervalMs !== undefined && Math.abs(intervalMs / everyMs - 1) < 0.01, `${intervalMs}`);
      }
    }
  });

  test("a gap of days, in which we were away, does not stretch it", () => {
    const before = regular(10, hourMs);
    const after = regular(10, hourMs, midnightMs + 200 * hourMs, 200);
    assert.equal(learn([...before, ...after]).intervalMs, hourMs);
  });

  test("uplinks out of turn do not move it", () => {
    const events = regular(20, hourMs);
    const alarms = [uplink(midnightMs + 19 * hourMs + 5000, 20), uplink(midnightMs + 19 * hourMs + 9000, 21)];
    assert.equal(learn([...events, ...alarms]).intervalMs, hourMs);
  });

  test("follows a new setting, and keeps no more than 24 samples", () => {
    const slow = regular(50, hourMs);
    const fast = regular(24, 10 * minuteMs, midnightMs + 50 * hourMs, 50);
    const faster = learn([...slow, ...fast]);
    assert.equal(faster.intervalSamplesMs.length, 24);
    assert.equal(faster.intervalMs, 10 * minuteMs);
    const slower = learn(regular(14, dayMs, midnightMs + 60 * hourMs, 74), faster);
    assert.equal(slower.intervalMs, dayMs);
  });

  test("one pause of a day, in which the counter stands still, does not stretch it", () => {
    for (const count of [7, 12, 30]) {
      const before = regular(count, 10 * minuteMs);
      const after = regular(count, 10 * minuteMs, midnightMs + count * 10 * minuteMs + dayMs, count);
      assert.equal(learn([...before, ...after]).intervalMs, 10 * minuteMs);
    }
  });

  for (const burstCount of [2, 3, 4, 6]) {
    test(`of bursts of ${burstCount} is steady, and never as short as the time within one`, () => {
      const everyMs = 10 * minuteMs;
      const sent = Array.from({ length: 60 * burstCount }, (_, fCnt) => {
        const place = fCnt % burstCount;
        return uplink(midnightMs + Math.floor(fCnt / burstCount) * everyMs + place * 5000, fCnt);
      });
      for (let first = 0; first < burstCount; first += 1) {
        const learned: number[] = [];
        let record: DeviceRecord | undefined;
        for (const event of sent.slice(first)) {
          record = learn([event], record);
          if (record.intervalMs !== undefined) learned.push(record.intervalMs);
        }
        if (burstCount <= 3) for (const ms of learned) assert.ok(ms >= everyMs / 5, `${ms} at first`);
        const steady = new Set(learned.slice(24));
        assert.deepEqual([...steady], [everyMs / burstCount], `from place ${first}`);
      }
    });
  }

  test("of an even number of samples is the middle of two", () => {
    const times = [0, 10, 30, 60, 100].map((minutes) => midnightMs + minutes * minuteMs);
    const record = learn(times.map((atMs, fCnt) => uplink(atMs, fCnt)));
    assert.deepEqual(
      record.intervalSamplesMs,
      [10, 20, 30, 40].map((minutes) => minutes * minuteMs),
    );
    assert.equal(record.intervalMs, 25 * minuteMs);
  });

  test("impossible samples are dropped", () => {
    const impossible: readonly (readonly [string, Uplink, Uplink])[] = [
      ["no time between", uplink(midnightMs, 1), uplink(midnightMs, 2)],
      ["backwards", uplink(midnightMs + 1, 1), uplink(midnightMs, 2)],
      ["more than 30 days", uplink(midnightMs, 1), uplink(midnightMs + 30 * dayMs + 1, 2)],
      ["less than a ms each", uplink(midnightMs, 1), uplink(midnightMs + 10, 1000)],
    ];
    for (const [name, first, second] of impossible)
      assert.deepEqual(learn([first, second]).intervalSamplesMs, [], name);
    const longest = learn([uplink(midnightMs, 1), uplink(midnightMs + 30 * dayMs, 2)]);
    assert.deepEqual(longest.intervalSamplesMs, [30 * dayMs]);
  });

  test("what a broker had queued and hands out at once is not taken for a fast device", () => {
    let record: DeviceRecord | undefined;
    const receive = (atMs: number, fCnt: number): void => {
      record = observe(record, uplink(atMs, fCnt, { timeNs: undefined }), seenAt(atMs)).record;
    };
    for (let fCnt = 0; fCnt < 7; fCnt += 1) receive(midnightMs + fCnt * hourMs, fCnt);
    for (let fCnt = 7; fCnt < 50; fCnt += 1) receive(midnightMs + 50 * hourMs + fCnt * 7, fCnt);
    assert.equal(record?.intervalMs, hourMs);
    assert.equal(record?.session?.lastFCnt, 49);
  });
});

describe("sessions", () => {
  test("another address begins one, and no sample is taken across", () => {
    const record = learn([
      ...regular(5, hourMs),
      uplink(midnightMs + 5 * hourMs, 7, { devAddr: "01ffffff" }),
    ]);
    const sinceMs = midnightMs + 5 * hourMs;
    assert.deepEqual(record.session, { devAddr: "01ffffff", sinceMs, lastFCnt: 7, lastUplinkMs: sinceMs });
    assert.equal(record.intervalSamplesMs.length, 4);
    assert.equal(record.intervalMs, hourMs);
  });

  test("a counter that goes back begins one, and the interval is kept", () => {
    const record = learn([...regular(5, hourMs), ...regular(2, hourMs, midnightMs + 9 * hourMs)]);
    assert.equal(record.session?.sinceMs, midnightMs + 9 * hourMs);
    assert.deepEqual(
      record.intervalSamplesMs,
      Array.from({ length: 5 }, () => hourMs),
    );
  });

  test("an older frame is late and no reset", () => {
    const events = regular(5, hourMs);
    const record = learn(events);
    const late = uplink(midnightMs + hourMs, 1);
    const seen = seenAt(midnightMs + hourMs, { receivedMs: midnightMs + 4 * hourMs });
    assert.deepEqual(observe(record, late, seen).record, record);
    const otherAddress = uplink(midnightMs + hourMs, 900, { devAddr: "01ffffff" });
    assert.deepEqual(observe(record, otherAddress, seen).record.session, record.session);
    const sameInstant = uplink(midnightMs + 4 * hourMs, 3);
    assert.deepEqual(learn([sameInstant], record).session, record.session);
  });

  test("a join ends one; the uplink that came with it begins the next, whichever is told first", () => {
    const before = learn(regular(5, hourMs));
    const at = midnightMs + 5 * hourMs;
    const first = uplink(at, 0, { devAddr: "01ffffff" });
    const joined = join(at, "01ffffff");
    assert.equal(learn([joined], before).session, undefined);
    const session = { devAddr: "01ffffff", sinceMs: at, lastFCnt: 0, lastUplinkMs: at };
    assert.deepEqual(learn([joined, first], before).session, session);
    assert.deepEqual(learn([first, joined], before).session, session);
    const old = join(midnightMs + hourMs, "01eeeeee");
    assert.deepEqual(learn([old, ...regular(1, hourMs, at, 5)], before).session?.sinceMs, midnightMs);
  });

  test("a dialect that does not say the address is followed by the counter alone", () => {
    const silent = regular(5, hourMs).map((event) => ({ ...event, devAddr: "" }));
    const record = learn(silent);
    assert.equal(record.intervalMs, hourMs);
    const said = learn([uplink(midnightMs + 5 * hourMs, 5)], record);
    assert.equal(said.session?.devAddr, "01a44c4c");
    assert.equal(said.session?.sinceMs, midnightMs);
    assert.deepEqual(learn([{ ...uplink(midnightMs + 6 * hourMs, 6), devAddr: "" }], said).session, {
      devAddr: "01a44c4c",
      sinceMs: midnightMs,
      lastFCnt: 6,
      lastUplinkMs: midnightMs + 6 * hourMs,
    });
  });

  test("an uplink without a counter is seen and not followed", () => {
    const record = learn(regular(5, hourMs));
    const unsaid = { fCnt: undefined };
    for (const changes of [unsaid, { ...unsaid, dropped: ["fCnt"] }, { ...unsaid, devAddr: "02" }]) {
      const after = learn([uplink(midnightMs + 5 * hourMs, 0, changes)], record);
      assert.deepEqual([after.session, after.intervalSamplesMs], [record.session, record.intervalSamplesMs]);
      assert.equal(after.lastUplinkMs, midnightMs + 5 * hourMs);
      const next = learn([uplink(midnightMs + 7 * hourMs, 7)], after);
      assert.deepEqual([next.session?.sinceMs, next.session?.lastFCnt], [midnightMs, 7]);
      assert.deepEqual(next.intervalSamplesMs, [...record.intervalSamplesMs, hourMs]);
    }
    const first = learn([uplink(midnightMs, 0, unsaid)]);
    assert.deepEqual([first.session, first.lastUplinkMs], [undefined, midnightMs]);
  });
});

describe("a frame that comes again", () => {
  test("is a copy with the same time, and changes nothing", () => {
    const record = learn(regular(5, hourMs));
    const copy = uplink(midnightMs + 4 * hourMs, 4, { receptions: [reception("b0")] });
    const { record: after, rowDue } = observe(
      record,
      copy,
      seenAt(midnightMs + 4 * hourMs, { receivedMs: midnightMs + 3 * dayMs }),
    );
    assert.equal(after, record);
    assert.equal(rowDue, false);
  });

  test("is a copy without a time, and moves last seen alone", () => {
    const timeless = (atMs: number, fCnt: number): Uplink => uplink(atMs, fCnt, { timeNs: undefined });
    const first = observe(undefined, timeless(midnightMs, 4), seenAt(midnightMs)).record;
    const nextDay = midnightMs + dayMs;
    const copy = observe(first, timeless(nextDay, 4), seenAt(nextDay));
    assert.deepEqual(copy.record, { ...first, lastSeenMs: nextDay });
    assert.equal(copy.rowDue, false);
  });

  test("is sent again with another time: a counter that stands still keeps its names, gateways and rows", () => {
    const record = learn([uplink(midnightMs, 0)]);
    const at = midnightMs + dayMs;
    const again = uplink(at, 0, { receptions: [reception("b0")] });
    const { record: after, rowDue } = observe(record, again, seenAt(at));
    assert.equal(rowDue, true);
    assert.equal(after.lastUplinkMs, at);
    assert.equal(after.gateways.get("b0"), at);
    assert.deepEqual(after.session, record.session);
    assert.deepEqual(after.intervalSamplesMs, []);
  });
});

describe("reading the same events again", () => {
  /** Uplinks of two sessions, a reset in the second, with a status and a log between. */
  const life = fc
    .record({
      gaps: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4, maxLength: 40 }),
      joinAt: fc.nat(40),
      resetAt: fc.nat(40),
      everyMinutes: fc.integer({ min: 1, max: 600 }),
    })
    .map(({ gaps, joinAt, resetAt, everyMinutes }) => {
      let fCnt = 0;
      let atMs = midnightMs;
      let devAddr = "01a44c4c";
      return gaps.flatMap((gap, index): DeviceEvent[] => {
        fCnt += gap;
        atMs += gap * everyMinutes * minuteMs;
        if (index === joinAt) devAddr = "01ffffff";
        if (index === joinAt || index === resetAt) fCnt = 0;
        const up = uplink(atMs, fCnt, { devAddr, receptions: [reception(`gw-${gap}`)] });
        if (index === joinAt) return [join(atMs, devAddr), up];
        return index % 5 === 0 ? [status(atMs - 1), log(atMs - 1), up] : [up];
      });
    });

  test("each twice in a row, as a broker delivers them again, or all from the beginning: the same record", () => {
    fc.assert(
      fc.property(life, (events) => {
        const once = learn(events);
        assert.deepEqual(learn(events.flatMap((event) => [event, event])), once);
        assert.deepEqual(learn(events, structuredClone(once)), once);
      }),
      { seed: 9 },
    );
  });

  test("going on from a stored copy is going on", () => {
    fc.assert(
      fc.property(life, fc.nat(100), (events, cut) => {
        const middle = 1 + (cut % (events.length - 1));
        const stored = structuredClone(learn(events.slice(0, middle)));
        assert.deepEqual(learn(events.slice(middle), stored), learn(events));
      }),
      { seed: 10 },
    );
  });

  test("late frames among the others never spoil the interval", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(29), { maxLength: 15 }), fc.integer(), (lates, seed) => {
        const random = randomFrom(seed);
        const onTime = regular(30, hourMs).filter((_, index) => !lates.includes(index) || index === 0);
        const events = [...onTime];
        for (const late of lates.filter((index) => index > 0)) {
          const place = 1 + Math.floor(random() * events.length);
          events.splice(place, 0, uplink(midnightMs + late * hourMs, late));
        }
        const { intervalMs, session } = learn(events);
        assert.ok(intervalMs === undefined || intervalMs === hourMs);
        assert.equal(session?.sinceMs, midnightMs);
      }),
      { seed: 11 },
    );
  });
});
