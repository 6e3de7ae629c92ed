import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { type ClockObservation, ClockWatch, judgeClock } from "../../../src/pipeline/clock-trust.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

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
  const state = { synchronised: false as boolean | undefined };
  const offsets: number[] = [];
  const log = new RecordingLog();
  const released = new Wakeup();
  const clockWatch = new ClockWatch({
    clock: time,
    settings: { ntp: "require", patienceMs: patience },
    lastTrustedMs: undefined,
    log,
    released,
    isSynchronised: () => state.synchronised,
    learnOffset: (offsetMs) => offsets.push(offsetMs),
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
    assert.deepEqual(offsets, []);
    state.synchronised = true;
    await time.advance(5000);
    assert.ok(clockWatch.isTrusted, "it is not too late");
    stop.abort();
    await running;
  });
});
