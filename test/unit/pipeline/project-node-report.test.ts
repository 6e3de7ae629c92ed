import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { reportNode } from "../../../src/pipeline/node-report.ts";
import { ownSource, unpackOwn } from "../../../src/pipeline/own-message.ts";
import { OwnRows } from "../../../src/pipeline/project-rows.ts";
import type { NodeFigures } from "../../../src/registry/rows.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";
import { minuteMs, settings, startMs } from "./project-events.ts";

function figures(backlog: number): NodeFigures {
  return {
    version: "0.1.0",
    uptimeS: 1,
    backlog,
    oldestUnsentS: undefined,
    evicted: 0,
    quarantined: 0,
    received: 0,
    committed: 0,
    written: 0,
    duplicates: 0,
    retries: 0,
    held: 0,
    qos0Received: 0,
    clockTrusted: true,
    diskFreeBytes: undefined,
    journalBytes: undefined,
    memoryRssBytes: 1,
    influxdb: "up",
    brokersConnected: 1,
    brokers: 1,
  };
}

/** The report at work, from 20.5 s after a full minute on. */
function reporting(t: TestContext, { isTrusted = true } = {}) {
  const clock = VirtualTime.install(t, startMs - clockOffsetMs + 20_500);
  const messages: IncomingMessage[] = [];
  const committer = {
    isUnderPressure: false,
    relieved: new Wakeup(),
    submit(message: IncomingMessage, committed: () => void): void {
      messages.push(message);
      committed();
    },
  };
  const clockWatch = { isTrusted };
  const stopping = new AbortController();
  let asked = 0;
  const done = reportNode(
    {
      node: "gw-7",
      figures: () => {
        asked += 1;
        return figures(asked);
      },
      rows: new OwnRows({ committer, clock, clockWatch }),
      clock,
      clockWatch,
      settings,
    },
    stopping.signal,
  );
  const stop = async (): Promise<void> => {
    stopping.abort();
    await done;
  };
  t.after(stop);
  const points = () => messages.flatMap(({ payload }) => unpackOwn(payload).points);
  const minutes = () =>
    points().map(({ timeNs }) => Number(timeNs / 1_000_000n - BigInt(startMs)) / minuteMs);
  return { clock, messages, committer, clockWatch, stop, points, minutes };
}

/** `VirtualTime` starts a second after boot. */
const clockOffsetMs = 1000;

test("one row at each full minute, with the time of that minute", async (t) => {
  const { clock, minutes, points, messages } = reporting(t);
  await clock.advance(39_000);
  assert.deepEqual(minutes(), [], "not for the minute in which it started");
  await clock.advance(181_000);
  assert.deepEqual(minutes(), [1, 2, 3, 4]);
  const [point] = points();
  assert.equal(point?.table, "flightline_node");
  assert.deepEqual(point?.tags, [
    { name: "node", value: "gw-7" },
    { name: "site", value: "barn" },
  ]);
  assert.deepEqual(
    points().map(({ fields }) => fields.find(({ name }) => name === "backlog")?.value),
    [1, 2, 3, 4],
  );
  assert.equal(messages[0]?.source, ownSource);
  assert.equal(messages[0]?.clockTrusted, true);
});

test("none while the clock is not trusted, and then at the next minute", async (t) => {
  const { clock, clockWatch, minutes } = reporting(t, { isTrusted: false });
  await clock.advance(200_000);
  assert.deepEqual(minutes(), []);
  clockWatch.isTrusted = true;
  await clock.advance(60_000);
  assert.deepEqual(minutes(), [4]);
});

test("while the journal is under pressure it waits, and makes no row twice", async (t) => {
  const { clock, committer, minutes } = reporting(t);
  committer.isUnderPressure = true;
  await clock.advance(150_000);
  assert.deepEqual(minutes(), []);
  committer.isUnderPressure = false;
  committer.relieved.notify();
  await clock.advance(60_000);
  assert.deepEqual(minutes(), [1, 3]);
});

test("it ends when it is told to, also under pressure, and leaves no timer", async (t) => {
  const { clock, committer, stop, messages } = reporting(t);
  committer.isUnderPressure = true;
  await clock.advance(70_000);
  await stop();
  assert.equal(messages.length, 0);
  assert.equal(clock.timersSet, 0);
});
