import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { reportNode, type NodeReportDeps } from "../../../src/pipeline/node-report.ts";
import { ownSource } from "../../../src/pipeline/own-message.ts";
import { OwnRows } from "../../../src/pipeline/project-rows.ts";
import { noFacts } from "../../../src/pipeline/route.ts";
import type { NodeFigures } from "../../../src/registry/rows.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";
import { minuteMs, ownMessage, settings, startMs } from "./project-events.ts";

const dayMs = 86_400_000;

const zero: NodeFigures = {
  version: "0.1.0",
  uptimeS: 1,
  backlog: 0,
  oldestUnsentS: undefined,
  evicted: 0,
  quarantined: 0,
  received: 0,
  committed: 0,
  written: 0,
  ownWritten: 0,
  projected: 0,
  duplicates: 0,
  retainedUntimed: 0,
  statsLeftOut: 0,
  retries: 0,
  held: 0,
  waitingForClock: 0,
  qos0Received: 0,
  clockTrusted: true,
  diskFreeBytes: undefined,
  journalBytes: undefined,
  memoryRssBytes: 1,
  influxdb: "up",
  brokersConnected: 1,
  brokers: 1,
};

interface SetUp {
  readonly deps?: Partial<NodeReportDeps>;
  readonly clockWatch?: { mayRelease: boolean; isTrusted: boolean };
}

/** `VirtualTime` starts a second after boot. */
const clockOffsetMs = 1000;

/** The report at work, from 20.5 s after a full minute on: a node's own second is within the first 20. */
function reporting(t: TestContext, { deps, clockWatch = { mayRelease: true, isTrusted: true } }: SetUp = {}) {
  const time = VirtualTime.install(t, startMs - clockOffsetMs + 20_500);
  const wall = { stepMs: 0, isAway: false, asked: 0 };
  const clock = { nowMs: () => time.nowMs() + wall.stepMs, uptimeMs: () => time.uptimeMs() };
  const messages: IncomingMessage[] = [];
  const committer = {
    isUnderPressure: false,
    relieved: new Wakeup(),
    submit(message: IncomingMessage, committed: () => void): void {
      messages.push(message);
      committed();
    },
  };
  const stopping = new AbortController();
  const done = reportNode(
    {
      node: "gw-7",
      intervalMs: minuteMs,
      figures: () => {
        wall.asked += 1;
        return { ...zero, backlog: wall.asked, clockTrusted: clockWatch.isTrusted };
      },
      isAway: () => wall.isAway,
      rows: new OwnRows({ committer, clock, clockWatch }),
      clock,
      clockWatch,
      trustedUntilMs: undefined,
      settings,
      ...deps,
    },
    stopping.signal,
  );
  const stop = async (): Promise<void> => {
    stopping.abort();
    await done;
  };
  t.after(stop);
  const points = () => messages.flatMap((message) => ownMessage(message).points);
  const minutes = () =>
    points().map(({ timeNs }) => Number(timeNs / 1_000_000n - BigInt(startMs)) / minuteMs);
  const column = (wanted: string) =>
    points().map(({ fields }) => fields.find(({ name }) => name === wanted)?.value);
  return { time, wall, messages, committer, clockWatch, stop, points, minutes, column };
}

describe("a row of ourselves", () => {
  test("one in each full minute, with the time of that minute and the figures of the moment", async (t) => {
    const { time, minutes, points, column, messages } = reporting(t);
    await time.advance(39_000);
    assert.deepEqual(minutes(), [], "not for the minute in which it started");
    await time.advance(201_000);
    assert.deepEqual(minutes(), [1, 2, 3, 4]);
    const [point] = points();
    assert.equal(point?.table, "flightline_node");
    assert.deepEqual(point.tags, [
      { name: "node", value: "gw-7" },
      { name: "site", value: "barn" },
    ]);
    assert.deepEqual(column("backlog"), [1, 2, 3, 4]);
    const [message] = messages;
    assert.ok(message !== undefined);
    assert.deepEqual([message.source, message.clockTrusted], [ownSource, true]);
    assert.deepEqual(ownMessage(message).facts, noFacts);
  });

  test("a fleet sends them over the first twenty seconds of the minute, each node at its own moment", async (t) => {
    const moments = new Set<number>();
    for (let n = 0; n < 20; n += 1) {
      const { time, messages, minutes, stop } = reporting(t, { deps: { node: `barn-${n}` } });
      await time.advance(3 * minuteMs);
      await stop();
      assert.deepEqual(minutes(), [1, 2, 3]);
      const sentMs = messages.map(({ receivedMs }) => (receivedMs - startMs) % minuteMs);
      assert.equal(new Set(sentMs).size, 1, "the same in each minute");
      assert.ok(sentMs.every((ms) => ms < 20_000));
      moments.add(sentMs[0] ?? 0);
      t.mock.restoreAll();
    }
    assert.ok(moments.size > 15, `${moments.size} moments of 20 nodes`);
    assert.ok(Math.max(...moments) - Math.min(...moments) > 10_000);
  });

  test("another interval, and none at all", async (t) => {
    const slow = reporting(t, { deps: { intervalMs: 10 * minuteMs } });
    await slow.time.advance(30 * minuteMs);
    assert.deepEqual(slow.minutes(), [10, 20, 30]);
    await slow.stop();
    t.mock.restoreAll();
    const off = reporting(t, { deps: { intervalMs: 0 } });
    await off.time.advance(30 * minuteMs);
    assert.deepEqual(off.minutes(), []);
    assert.equal(off.time.timersFired, 0);
    await off.stop();
  });

  test("while the database is away one in a quarter of an hour, and as before when it is back", async (t) => {
    const { time, wall, minutes } = reporting(t);
    await time.advance(2 * minuteMs);
    wall.isAway = true;
    await time.advance(40 * minuteMs);
    assert.deepEqual(minutes(), [1, 2, 15, 30]);
    wall.isAway = false;
    await time.advance(2 * minuteMs);
    assert.deepEqual(minutes().slice(4), [43, 44]);
  });

  test("it ends when it is told to, also under pressure, and leaves no timer", async (t) => {
    const { time, committer, stop, messages } = reporting(t);
    committer.isUnderPressure = true;
    await time.advance(90_000);
    await stop();
    assert.equal(messages.length, 0);
    assert.equal(time.timersSet, 0);
  });
});

describe("the minute of a row", () => {
  test("while the journal is under pressure it waits; then the figures of now get the minute of now", async (t) => {
    const { time, committer, wall, minutes, column } = reporting(t);
    committer.isUnderPressure = true;
    await time.advance(150_000);
    assert.deepEqual([minutes(), wall.asked], [[], 0]);
    committer.isUnderPressure = false;
    committer.relieved.notify();
    await time.advance(70_000);
    assert.deepEqual(minutes(), [2, 3]);
    assert.deepEqual(column("backlog"), [1, 2]);
  });

  test("before the clock may be used there is none; then there is, and it says that the clock is wrong", async (t) => {
    const clockWatch = { mayRelease: false, isTrusted: false };
    const { time, messages, minutes, column } = reporting(t, { clockWatch });
    await time.advance(200_000);
    assert.deepEqual(minutes(), []);
    clockWatch.mayRelease = true;
    await time.advance(60_000);
    clockWatch.isTrusted = true;
    await time.advance(60_000);
    assert.deepEqual(minutes(), [4, 5]);
    assert.deepEqual(column("clock_trusted"), [false, true]);
    assert.deepEqual(
      messages.map(({ clockTrusted }) => clockTrusted),
      [false, true],
      "and the time of its receipt, which sums are closed by, is not believed more than it",
    );
  });

  test("a clock that is put back reports no minute again, and goes on where it was", async (t) => {
    const { time, wall, minutes } = reporting(t);
    await time.advance(5 * minuteMs);
    wall.stepMs = -3 * minuteMs;
    await time.advance(5 * minuteMs);
    assert.deepEqual(minutes(), [1, 2, 3, 4, 5, 6, 7]);
  });

  test("a clock that is put back while the journal is under pressure reports no minute again", async (t) => {
    const { time, wall, committer, minutes } = reporting(t);
    await time.advance(3 * minuteMs);
    committer.isUnderPressure = true;
    await time.advance(minuteMs);
    wall.stepMs = -3 * minuteMs;
    committer.isUnderPressure = false;
    committer.relieved.notify();
    await time.advance(3 * minuteMs);
    assert.deepEqual(minutes(), [1, 2, 3, 4]);
  });

  test("a clock that was days ahead and is put back is reported by at once", async (t) => {
    const { time, wall, minutes } = reporting(t);
    wall.stepMs = 3 * dayMs;
    await time.advance(2 * minuteMs);
    wall.stepMs = 0;
    await time.advance(2 * minuteMs);
    assert.deepEqual(
      minutes().map((minute) => Math.floor((minute * minuteMs) / dayMs)),
      [3, 3, 0, 0],
    );
  });

  test("what an earlier process has reported, before the clock was put back, is not reported again", async (t) => {
    const { time, minutes } = reporting(t, { deps: { trustedUntilMs: startMs + 4.4 * minuteMs } });
    await time.advance(6 * minuteMs);
    assert.deepEqual(minutes(), [5, 6]);
    t.mock.restoreAll();
    const reset = reporting(t, { deps: { trustedUntilMs: startMs + 50 * 365 * dayMs } });
    await reset.time.advance(2 * minuteMs);
    assert.deepEqual(
      reset.minutes(),
      [1, 2],
      "a clock that begins in 1970 tells no minutes that were reported",
    );
  });
});
