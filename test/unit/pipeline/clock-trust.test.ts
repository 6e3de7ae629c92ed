import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { JournalConfig } from "../../../src/journal/config.ts";
import { Journal } from "../../../src/journal/journal.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { type ClockObservation, ClockWatch, judgeClock } from "../../../src/pipeline/clock-trust.ts";
import { newCounters } from "../../../src/pipeline/counters.ts";
import { DecodeMarker } from "../../../src/pipeline/decode-marker.ts";
import { DecodedEvents } from "../../../src/pipeline/decoded.ts";
import { Deduplicator } from "../../../src/pipeline/deduplicator.ts";
import { LeftOutReport } from "../../../src/pipeline/left-out.ts";
import { prepare } from "../../../src/pipeline/prepare.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { MemorySchema } from "../../support/fakes/schema.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";
import { uplink } from "../../support/uplinks.ts";
import { textOf } from "../../support/ready.ts";
import { temporaryFolder } from "../../support/wait.ts";

const patienceMs = 900_000;
const require = { ntp: "require", patienceMs } as const;
const ignore = { ntp: "ignore", patienceMs } as const;

const calm: ClockObservation = {
  nowMs: 1_000_000_000,
  uptimeMs: 100_000,
  synchronised: true,
  lastTrustedMs: undefined,
  watchingSinceMs: 90_000,
};

describe("judgeClock", () => {
  const trusted = { trusted: true } as const;
  const waits = (why: "behind" | "not_synchronised", patienceOver = false) => ({
    trusted: false,
    why,
    patienceOver,
  });
  const lastTrustedMs = calm.nowMs + 60_000;
  const table: readonly (readonly [
    string,
    Partial<ClockObservation>,
    typeof require | typeof ignore,
    object,
  ])[] = [
    ["synchronised", {}, require, trusted],
    ["not synchronised", { synchronised: false }, require, waits("not_synchronised")],
    ["not synchronised, and nobody asks", { synchronised: false }, ignore, trusted],
    ["the kernel cannot be asked", { synchronised: undefined }, require, trusted],
    [
      "not synchronised, up for as long as the patience",
      { synchronised: false, uptimeMs: patienceMs, watchingSinceMs: patienceMs },
      require,
      waits("not_synchronised", true),
    ],
    [
      "not synchronised, just below",
      { synchronised: false, uptimeMs: patienceMs - 1 },
      require,
      waits("not_synchronised"),
    ],
    ["a minute behind the journal", { lastTrustedMs }, require, trusted],
    ["more than a minute behind", { lastTrustedMs: lastTrustedMs + 1 }, require, waits("behind")],
    ["behind, without NTP", { lastTrustedMs: lastTrustedMs + 1 }, ignore, waits("behind")],
    [
      "behind and not synchronised",
      { lastTrustedMs: lastTrustedMs + 1, synchronised: false },
      require,
      waits("behind"),
    ],
    [
      "behind: an old machine has not waited, this process has",
      { lastTrustedMs: lastTrustedMs + 1, uptimeMs: 10 * patienceMs, watchingSinceMs: 10 * patienceMs - 5 },
      require,
      waits("behind"),
    ],
    [
      "behind, watched for as long as the patience",
      { lastTrustedMs: lastTrustedMs + 1, uptimeMs: 90_000 + patienceMs },
      require,
      waits("behind", true),
    ],
    ["ahead of the journal by years", { lastTrustedMs: 1 }, require, trusted],
  ];
  for (const [name, change, settings, expected] of table) {
    test(name, () => assert.deepEqual(judgeClock({ ...calm, ...change }, settings), expected));
  }
});

function watch(time: VirtualTime, patience = patienceMs) {
  const state = { synchronised: false as boolean | undefined, canStore: true };
  const offsets: (number | undefined)[] = [];
  const decide = (offsetMs: number | undefined): boolean => {
    if (state.canStore) offsets.push(offsetMs);
    return state.canStore;
  };
  const log = new RecordingLog();
  const released = new Wakeup();
  const clockWatch = new ClockWatch({
    clock: time,
    settings: { ntp: "require", patienceMs: patience },
    lastTrustedMs: undefined,
    log,
    released,
    isSynchronised: () => state.synchronised,
    learnOffset: decide,
    decideNoOffset: () => decide(undefined),
  });
  return { clockWatch, state, offsets, log, released };
}

describe("clock watch", () => {
  test("nothing is trusted before the first look", (t) => {
    const { clockWatch } = watch(VirtualTime.install(t));
    assert.equal(clockWatch.isTrusted || clockWatch.mayRelease, false);
  });

  test("sees NTP arrive within seconds, learns the offset once, and wakes who waits", async (t) => {
    const time = VirtualTime.install(t);
    const { clockWatch, state, offsets, log, released } = watch(time);
    clockWatch.look();
    const stop = new AbortController();
    const running = clockWatch.run(stop.signal);
    await time.advance(12_000);
    assert.equal(clockWatch.mayRelease, false);
    assert.deepEqual(
      log.lines.map(({ level, details }) => [level, details["why"]]),
      [["warn", "not_synchronised"]],
    );
    const version = released.version;
    state.synchronised = true;
    await time.advance(5000);
    assert.ok(clockWatch.isTrusted && clockWatch.mayRelease);
    assert.deepEqual(offsets, [time.nowMs() - time.uptimeMs()]);
    assert.equal(released.version, version + 1);
    state.synchronised = false;
    await time.advance(60_000);
    assert.ok(clockWatch.isTrusted, "a synchronised clock stays trusted");
    assert.equal(offsets.length, 1);
    stop.abort();
    await running;
    assert.equal(time.timersSet, 0);
  });

  test("out of patience: released, said once, and still not trusted", async (t) => {
    const time = VirtualTime.install(t);
    const { clockWatch, state, offsets, log, released } = watch(time, 60_000);
    clockWatch.look();
    const stop = new AbortController();
    const running = clockWatch.run(stop.signal);
    await time.advance(120_000);
    assert.deepEqual([clockWatch.isTrusted, clockWatch.mayRelease], [false, true]);
    assert.deepEqual(log.codes, ["clock_untrusted"]);
    assert.equal(released.version, 1);
    assert.deepEqual(offsets, [undefined], "decided before anything was released");
    state.synchronised = true;
    await time.advance(5000);
    assert.ok(clockWatch.isTrusted, "it is not too late for new messages");
    assert.equal(offsets.length, 1);
    stop.abort();
    await running;
  });

  for (const synchronised of [true, false]) {
    const why = synchronised ? "trusted" : "out of patience";
    test(`${why}: nothing is released before the decision is stored`, async (t) => {
      const time = VirtualTime.install(t);
      const { clockWatch, state, offsets, log, released } = watch(time, 60_000);
      Object.assign(state, { synchronised, canStore: false });
      clockWatch.look();
      const stop = new AbortController();
      const running = clockWatch.run(stop.signal);
      await time.advance(120_000);
      assert.deepEqual([clockWatch.isTrusted, clockWatch.mayRelease], [synchronised, false]);
      assert.equal(released.version, 0);
      state.canStore = true;
      await time.advance(5000);
      assert.equal(clockWatch.mayRelease, true);
      assert.equal(released.version, 1);
      assert.equal(offsets.length, 1);
      assert.deepEqual(log.codes, synchronised ? [] : ["clock_untrusted"]);
      stop.abort();
      await running;
    });
  }
});

test("a message that was written out of patience has the same time when NTP has come and it is sent again", async (t) => {
  await using folder = await temporaryFolder("clock");
  const time = VirtualTime.install(t);
  const config: JournalConfig = {
    dir: folder.path,
    commitIntervalMs: 1,
    maxSizeBytes: 2 ** 20,
    keepSettledMs: 0,
    whenFull: "drop_oldest",
  };
  const marker = new DecodeMarker(folder.path, "j");
  marker.arm();
  t.after(() => {
    marker.close();
  });
  const synchronised = { now: false };
  /** The daemon from start to end in one boot: it looks at the clock and prepares what is in the journal. */
  const run = (work: (journal: Journal, look: () => void) => void): string[] => {
    const journal = Journal.open(config, time, "boot");
    try {
      const clock = new ClockWatch({
        clock: time,
        settings: { ntp: "require", patienceMs: 0 },
        lastTrustedMs: journal.lastTrustedMs,
        log: new RecordingLog(),
        released: new Wakeup(),
        isSynchronised: () => synchronised.now,
        learnOffset: (offsetMs) => journal.boots.learnOffset(offsetMs),
        decideNoOffset: () => journal.boots.decideNoOffset(),
      });
      work(journal, () => {
        clock.look();
      });
      const { ready } = prepare(journal.read(1, 10, 10), {
        decoded: new DecodedEvents(decode, marker),
        deduplicator: new Deduplicator(10),
        clock,
        offsetMs: (key) => journal.boots.offsetMs(key),
        settings: { tags: [], deviceTags: [], profiles: [] },
        schema: new MemorySchema(),
        mayClaim: () => true,
        finishedRows: () => undefined,
        isAgain: () => false,
        destination: { name: "main", isMine: undefined, isDefault: true },
        leftOut: new LeftOutReport(() => {}),
        counters: newCounters(),
      });
      return ready.map(textOf);
    } finally {
      journal.close();
    }
  };
  /** It states no time of its own: its receipt decides. */
  const timeless = uplink(1, { time: undefined, rxInfo: [{ gatewayId: "e4e124dadef64eee", rssi: -68 }] });
  const written = run((journal, look) => {
    look();
    const message = {
      source: "mqtt",
      topic: timeless.topic,
      payload: timeless.payload,
      receivedMs: time.nowMs(),
      uptimeMs: time.uptimeMs(),
      clockTrusted: false,
      duplicate: false,
      retained: false,
      qos: 1,
    } as const;
    journal.commit([message]);
  });
  assert.equal(written.length, 1);
  // The clock is set, years from where it was.
  synchronised.now = true;
  t.mock.method(time, "nowMs", () => time.uptimeMs() + Date.UTC(2030, 0, 1));
  const again = run((_journal, look) => {
    look();
  });
  assert.deepEqual(again, written);
});
