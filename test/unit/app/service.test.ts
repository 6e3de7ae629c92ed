import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { type Neighbour, NeighbourWatch } from "../../../src/app/neighbours.ts";
import { Rates } from "../../../src/app/rates.ts";
import { runService, type ServiceDeps, unhealthyText } from "../../../src/app/service.ts";
import type { Unhealthy } from "../../../src/supervision/heartbeat.ts";
import type { Notifier } from "../../../src/systemd/notify.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const main = (isUp: boolean | undefined): Neighbour => ({ name: "main", layer: "broker", isUp });
const lorawan = (isUp: boolean | undefined): Neighbour => ({ name: "lorawan", layer: "write", isUp });
const watchdogMs = 60_000;

/** The daemon around the service, as a test wants it. */
interface World {
  neighbours: readonly Neighbour[];
  hasNothingToWrite: boolean;
  unhealthy: Unhealthy | undefined;
  text: string;
  received: number;
}

function serve(t: TestContext, initial: Partial<World> = {}, more: Partial<ServiceDeps> = {}) {
  const time = VirtualTime.install(t);
  const beginMs = time.uptimeMs();
  const world: World = {
    neighbours: [main(true), lorawan(true)],
    hasNothingToWrite: true,
    unhealthy: undefined,
    text: "1 of 1 brokers",
    received: 0,
    ...initial,
  };
  /** What the service manager was told, and after how many ms. */
  const told: (readonly [atMs: number, text: string])[] = [];
  const notifier: Notifier = {
    way: "libsystemd",
    send: (assignments) => {
      const text = Object.entries(assignments).map(([key, value]) => `${key}=${value}`);
      told.push([time.uptimeMs() - beginMs, text.join(" ")]);
    },
    lastFault: undefined,
    watchdogMs,
    close: async () => {
      await Promise.resolve();
    },
  };
  const log = new RecordingLog();
  const rates = new Rates();
  let beats = 0;
  const stop = new AbortController();
  const deps: ServiceDeps = {
    notifier,
    clock: time,
    log,
    startedMs: beginMs,
    rates,
    watch: new NeighbourWatch(log),
    counters: () => ({ received: world.received, written: 0 }),
    neighbours: () => world.neighbours,
    hasNothingToWrite: () => world.hasNothingToWrite,
    health: () => world.unhealthy,
    statusText: () => world.text,
    ...more,
  };
  const ended = runService(deps, stop.signal, () => {
    beats += 1;
  });
  const timesOf = (text: string): number[] => told.flatMap(([atMs, one]) => (one === text ? [atMs] : []));
  return { time, world, told, timesOf, log, rates, stop, ended, beats: () => beats };
}

describe("READY", () => {
  test("is said once, at once when every neighbour is known, be it up or away", async (t) => {
    const { time, timesOf } = serve(t, { neighbours: [main(false), lorawan(true)] });
    await time.advance(60_000);
    assert.deepEqual(timesOf("READY=1"), [0]);
  });

  test("waits for a neighbour that is not known, and no longer", async (t) => {
    const { time, world, timesOf } = serve(t, { neighbours: [main(undefined), lorawan(true)] });
    await time.advance(2050);
    assert.deepEqual(timesOf("READY=1"), []);
    world.neighbours = [main(true), lorawan(true)];
    await time.advance(60_000);
    assert.deepEqual(timesOf("READY=1"), [2100]);
  });

  test("is said after five seconds, whatever is known then", async (t) => {
    const { time, timesOf } = serve(t, { neighbours: [main(undefined), lorawan(undefined)] });
    await time.advance(4999);
    assert.deepEqual(timesOf("READY=1"), []);
    await time.advance(60_000);
    assert.deepEqual(timesOf("READY=1"), [5000]);
  });

  test("does not wait for a database that nothing waits for", async (t) => {
    const { time, world, timesOf } = serve(t, {
      neighbours: [main(true), lorawan(undefined)],
      hasNothingToWrite: false,
    });
    await time.advance(1050);
    assert.deepEqual(timesOf("READY=1"), []);
    world.hasNothingToWrite = true;
    await time.advance(1000);
    assert.deepEqual(timesOf("READY=1"), [1100]);
  });
});

describe("the watchdog", () => {
  test("is pinged four times within its time", async (t) => {
    const { time, timesOf } = serve(t);
    await time.advance(2 * watchdogMs);
    assert.deepEqual(
      timesOf("WATCHDOG=1"),
      Array.from({ length: 9 }, (_, index) => (index * watchdogMs) / 4),
    );
  });

  test("hears nothing while a critical part is silent, and is told again when it moves; both are said once", async (t) => {
    const { time, world, timesOf, log } = serve(t);
    await time.advance(1000);
    world.unhealthy = { silent: [{ name: "journal", silentMs: 65_000 }], loopLateMs: undefined };
    await time.advance(50_000);
    assert.deepEqual(timesOf("WATCHDOG=1"), [0]);
    world.unhealthy = undefined;
    await time.advance(20_000);
    assert.deepEqual(timesOf("WATCHDOG=1"), [0, 52_000, 67_000], "at the next look, and then as ever");
    assert.deepEqual(
      log.lines.map(({ level, message }) => [level, message]),
      [
        ["error", "the watchdog hears nothing until all critical parts move again"],
        ["info", "all critical parts move again"],
      ],
    );
    assert.deepEqual(log.lines[0]?.details, { why: "journal silent for 65 s", watchdog_ms: watchdogMs });
  });

  test("that nobody has set is not pinged", async (t) => {
    const told: string[] = [];
    const notifier: Notifier = {
      way: "libsystemd",
      send: (assignments) => told.push(...Object.keys(assignments)),
      lastFault: undefined,
      watchdogMs: undefined,
      close: async () => {
        await Promise.resolve();
      },
    };
    const { time } = serve(t, {}, { notifier });
    await time.advance(300_000);
    assert.deepEqual(told.toSorted(), ["READY", "STATUS"]);
  });
});

test("STATUS is told when it has changed, and only then", async (t) => {
  const { time, world, told } = serve(t);
  await time.advance(10_000);
  world.text = "0 of 1 brokers";
  await time.advance(10_000);
  world.text = "1 of 1 brokers";
  await time.advance(10_000);
  assert.deepEqual(
    told.filter(([, text]) => text.startsWith("STATUS=")),
    [
      [0, "STATUS=1 of 1 brokers"],
      [15_000, "STATUS=0 of 1 brokers"],
      [25_000, "STATUS=1 of 1 brokers"],
    ],
  );
});

test("a broker that keeps coming and going is told once", async (t) => {
  const { time, world, log } = serve(t);
  for (let index = 0; index < 20; index += 1) {
    await time.advance(5000);
    world.neighbours = [main(index % 2 === 1), lorawan(true)];
  }
  assert.deepEqual(log.codes, ["broker_flapping"]);
});

test("rates are those of the counters, over the last minute", async (t) => {
  const { time, world, rates } = serve(t);
  for (let second = 1; second <= 30; second += 1) {
    await time.advance(1000);
    world.received += 10;
  }
  await time.advance(1000);
  assert.ok(Math.abs(rates.perSecond.received - 10) < 0.5, String(rates.perSecond.received));
});

test("it beats once a second, and leaves no timer when it is told to end", async (t) => {
  const { time, beats, stop, ended } = serve(t);
  await time.advance(60_000);
  assert.ok(beats() >= 60);
  stop.abort();
  await ended;
  assert.equal(time.timersSet, 0);
});

test("who is silent and how late the event loop is, in words", () => {
  assert.equal(unhealthyText(undefined), "");
  const silent = [
    { name: "journal", silentMs: 65_400 },
    { name: "forward", silentMs: 90_000 },
  ];
  assert.equal(
    unhealthyText({ silent, loopLateMs: 12_100 }),
    "journal silent for 65 s, forward silent for 90 s, event loop 12 s late",
  );
});
