/** Parts of a running daemon that fail, and safe mode: real mosquitto, real journal, a sink that takes writes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { installCrashRecord } from "../../src/app/crash-handlers.ts";
import { makeDataDirectory } from "../../src/journal/directory.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Beat } from "../../src/lib/pulse.ts";
import { Forward } from "../../src/pipeline/forward.ts";
import { Projector } from "../../src/pipeline/project.ts";
import { State } from "../../src/state/state.ts";
import type { Start } from "../../src/state/starts.ts";
import { type AppLife, AppScene, assertOnce, cleanEnd, range } from "../support/app.ts";

const bootId = "3f0c0f3a-0000-4000-8000-000000000001";

/** Of this process, which is recorded. */
function thisStart(): Start {
  return { bootId, uptimeMs: systemClock.uptimeMs(), startedAtMs: systemClock.nowMs(), version: "1.2.3" };
}

/** Runs of the same boot that left no word, or their crash in `part`. */
function recordUncleanStarts(dir: string, count: number, part: string | undefined): void {
  makeDataDirectory(dir);
  const { uptimeMs, ...start } = thisStart();
  for (let back = count; back > 0; back -= 1) {
    const state = State.open(dir, systemClock.nowMs());
    const run = { ...start, uptimeMs: uptimeMs - back * 10_000 };
    const crash = { ...run, part, faultCode: "part_crashed", message: "planted", wasCalm: false };
    assert.equal(part === undefined ? state.starts.begin(run) : state.starts.endCrash(crash), undefined);
    state.close();
  }
}

type Run<T> = (this: T, drain: AbortSignal, abort: AbortSignal, beat?: Beat) => Promise<void>;

/** A part beats in each turn of its loop: there it throws `bug`, as often as `fails` says so. */
function plant<T extends object>(
  t: TestContext,
  prototype: T & { run: Run<T> },
  bug: Error,
  fails: () => boolean,
): { readonly failures: () => number } {
  const run = Reflect.get(prototype, "run") as Run<T>;
  let failures = 0;
  const planted: Run<T> = async function (this: T, drain, abort, beat) {
    await run.call(this, drain, abort, () => {
      if (fails()) {
        failures += 1;
        throw bug;
      }
      beat?.();
    });
  };
  Reflect.set(prototype, "run", planted);
  t.after(() => Reflect.set(prototype, "run", run));
  return { failures: () => failures };
}

const projectorBug = new TypeError("planted: the projector has a bug");

/** Without it a series of restarts takes half a minute. */
function withoutBackoff(t: TestContext): void {
  t.mock.method(Math, "random", () => 0);
}

async function statusOf(life: AppLife, name: string) {
  const { status } = await life.status();
  return status.parts.find((part) => part.name === name);
}

describe("a projector that fails", () => {
  test("is started again and catches up; nobody else notices", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    withoutBackoff(t);
    let hasSeenSome = (): boolean => false;
    const fails = (): boolean => hasSeenSome() && planted.failures() < 2;
    const planted = plant(t, Projector.prototype, projectorBug, fails);
    const life = await scene.start(await scene.config());
    hasSeenSome = () => life.app.snapshot().registry.devices > 2;
    await scene.publish(range(1, 40));
    await life.settled(40);
    await life.projected();
    assert.equal(planted.failures(), 2);
    assertOnce(40, scene.sink);
    const { state, restarts, lastFault } = (await statusOf(life, "project")) ?? {};
    assert.deepEqual([state, restarts, lastFault?.code], ["running", 2, "part_failed"]);
    const { registry } = life.app.snapshot();
    assert.deepEqual([registry.devices, registry.missed], [10, 0]);
    const { status } = await life.status();
    assert.deepEqual(
      status.troubles.filter(({ where }) => where === "project"),
      [],
      "it is over",
    );
    assert.deepEqual(await life.stop(), cleanEnd);
  });

  test("too often is parked, and shown; events are taken in, acknowledged and written all the while", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    withoutBackoff(t);
    let isBroken = true;
    const planted = plant(t, Projector.prototype, projectorBug, () => isBroken);
    const life = await scene.start(await scene.config());
    const publishing = scene.publish(range(1, 300), 500);
    await life.until(async () => (await statusOf(life, "project"))?.state === "parked", "the parking");
    await publishing;
    await life.settled(300);
    assert.equal(planted.failures(), 6, "five restarts, and no more before the cool-down");
    assertOnce(300, scene.sink);
    const { counters, registry } = life.app.snapshot();
    assert.deepEqual([counters.acknowledged, registry.devices], [300, 0]);
    const { status } = await life.status();
    const part = status.parts.find(({ name }) => name === "project");
    assert.equal(part?.lastFault?.code, "part_failed");
    assert.ok((part.nextTryInMs ?? 0) > 50_000 && (part.nextTryInMs ?? 0) <= 60_000);
    const trouble = status.troubles.find(({ where }) => where === "project");
    assert.deepEqual([trouble?.code, trouble?.layer], ["part_failed", "host"]);
    assert.match(trouble?.message ?? "", /planted: the projector has a bug/);
    assert.equal(status.unhealthy, "", "it is not critical");
    assert.equal(life.log.codes.filter((code) => code === "part_failed").length, 6);
    // A reload that replaces it is a new chance.
    isBroken = false;
    await life.app.reload(await scene.config({ more: '[tags]\nsite = "north"' }));
    await life.projected();
    assert.deepEqual([life.app.snapshot().registry.devices, life.app.snapshot().registry.missed], [10, 0]);
    assert.deepEqual(await life.stop(), cleanEnd);
  });
});

test("a forwarder that fails ends the run, and the next one tells of the crash; nothing is lost by it", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const start = thisStart();
  using crash = installCrashRecord({
    dir: scene.dataDir,
    start,
    part: () => undefined,
    redact: (text) => text,
    clock: systemClock,
    isForJournald: false,
    exit: () => assert.fail("nobody ends the test"),
  });
  const bug = new TypeError("planted: the forwarder has a bug");
  let isBroken = false;
  plant(t, Forward.prototype, bug, () => isBroken);
  const first = await scene.start(await scene.config(), { start, recordCrash: crash.record });
  await scene.publish(range(1, 20));
  await first.settled(20);
  scene.sink.status = 503;
  await scene.publish(range(21, 40));
  isBroken = true;
  assert.deepEqual(await first.ended(), { failure: { part: "forward", error: bug }, stragglers: [] });
  isBroken = false;
  scene.sink.status = 204;

  const second = await scene.start(await scene.config(), { start: thisStart() });
  const told = second.log.lines.find(({ code }) => code === "previous_crash");
  assert.match(told?.message ?? "", /in the part "forward".*planted: the forwarder has a bug/);
  const { status } = await second.status();
  const [earlier] = status.starts;
  assert.deepEqual([earlier?.end, earlier?.part, earlier?.fault?.code], ["crash", "forward", "part_crashed"]);
  assert.deepEqual(status.mode, { kind: "normal" });
  await second.settled(0);
  assertOnce(40, scene.sink);
  assert.deepEqual(await second.stop(), cleanEnd);
  const third = await scene.start(await scene.config(), { start: thisStart() });
  assert.ok(!third.log.codes.includes("previous_crash"), "it is told once");
  assert.deepEqual(
    (await third.status()).status.starts.map(({ end }) => end),
    ["clean", "crash"],
  );
});

const left = ["project", "node", "schema", "streams", "salvage", "report", "memory", "check"];

describe("safe mode", () => {
  test("after five unclean starts only what moves events is there, and it moves them", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    recordUncleanStarts(scene.dataDir, 5, undefined);
    const life = await scene.start(await scene.config(), { start: thisStart() });
    assert.deepEqual(life.log.codes, ["safe_mode"]);
    const { status } = await life.status();
    assert.deepEqual(status.parts.map(({ name }) => name).toSorted(), [
      "calm",
      "clock",
      "control",
      "files",
      "forward",
      "journal",
      "resume",
      "service",
      "source main",
      "units",
    ]);
    assert.ok(status.mode.kind === "safe");
    assert.deepEqual([status.mode.uncleanStarts, status.mode.suspect], [5, undefined]);
    const waiting = status.mode.waiting.map(({ part }) => part);
    assert.deepEqual(waiting.toSorted(), left.toSorted());
    assert.deepEqual(
      status.mode.waiting.map(({ startsInMs }) => Math.round(startsInMs / 60_000)),
      [15, 17, 19, 21, 23, 25, 27, 29],
    );
    await scene.publish(range(1, 50));
    await life.settled(50);
    assertOnce(50, scene.sink);
    assert.equal(life.app.snapshot().counters.acknowledged, 50);
    assert.deepEqual(await life.stop(), cleanEnd);
    const next = await scene.start(await scene.config(), { start: thisStart() });
    assert.deepEqual(
      (await next.status()).status.mode.kind,
      "safe",
      "a clean stop does not undo five crashes",
    );
  });

  test("what was left out is started later, the suspect last", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    recordUncleanStarts(scene.dataDir, 5, "project");
    const life = scene.open(await scene.config(), { start: thisStart() });
    // As if it had run in safe mode for an hour.
    const real = { ...systemClock };
    t.mock.method(systemClock, "uptimeMs", () => real.uptimeMs() + 3_600_000);
    life.run();
    await life.connected(1);
    await scene.publish(range(1, 20));
    await life.settled(20);
    await life.projected();
    const started = life.log.lines.filter(({ message }) => message === "started after safe mode");
    const names = started.map(({ details }) => String(details["part"]));
    assert.deepEqual(names.toSorted(), left.toSorted());
    assert.equal(names.at(-1), "project");
    const { status } = await life.status();
    assert.deepEqual(status.mode, { kind: "normal" });
    assert.equal(life.app.snapshot().registry.devices, 10);
    assert.deepEqual(await life.stop(), cleanEnd);
  });

  test("a reload does not end it, and what waits is what the new configuration wants", async (t) => {
    const scene = await AppScene.open(t);
    if (scene === undefined) return;
    recordUncleanStarts(scene.dataDir, 5, undefined);
    const life = await scene.start(await scene.config(), { start: thisStart() });
    const waiting = async (): Promise<string[]> => {
      const { mode } = (await life.status()).status;
      return mode.kind === "safe" ? mode.waiting.map(({ part }) => part) : [];
    };
    const before = await waiting();
    await scene.publish(range(1, 10));
    await life.app.reload(await scene.config({ more: '[telemetry]\nnode_interval = "0s"' }));
    assert.deepEqual(
      await waiting(),
      before.filter((name) => name !== "node"),
    );
    const route = '[[route]]\nmatch = { application = "none of these" }\ndatabase = "other"';
    await life.app.reload(await scene.config({ more: `[tags]\nsite = "north"\n${route}` }));
    assert.deepEqual(await waiting(), [...before.filter((name) => name !== "node"), "node"]);
    const parts = await life.partNames();
    assert.ok(parts.includes("forward") && parts.includes("forward2"), "a forwarder never waits");
    assert.deepEqual(
      parts.filter((name) => left.includes(name)),
      [],
    );
    await scene.publish(range(11, 20));
    await life.settled(20);
    assertOnce(20, scene.sink);
    assert.deepEqual(await life.stop(), cleanEnd);
  });
});
