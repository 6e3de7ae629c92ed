import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aborted } from "../../../src/lib/abort.ts";
import { Fault } from "../../../src/lib/fault.ts";
import type { Child } from "../../../src/supervision/child.ts";
import { ByHand, child, critical, deaf, scene, silent } from "./fixture.ts";

const progressDeadlineMs = 10_000;
/** The supervisor looks once a second, and the start of a run counts as a beat. */
const noticedMs = progressDeadlineMs + 2000;

describe("a part that is silent", () => {
  test("and not critical is aborted, told as part_stuck, and started again", async (t) => {
    let starts = 0;
    const hangs: Child["run"] = async ({ abort }) => {
      starts += 1;
      await aborted(abort);
    };
    const { time, status, log, supervisor, end } = scene(t, [
      [child("rules", { run: hangs, progressDeadlineMs })],
    ]);
    await time.advance(progressDeadlineMs);
    assert.equal(starts, 1);
    assert.equal(supervisor.health(), undefined);
    await time.advance(noticedMs - progressDeadlineMs);
    assert.equal(status("rules").state, "waiting");
    assert.equal(status("rules").lastFault?.code, "part_stuck");
    assert.deepEqual(log.codes, ["part_stuck"]);
    await time.advance(500);
    assert.equal(starts, 2);
    await end();
  });

  test("and beats even when it is idle is left alone, and shows when it last did", async (t) => {
    const { time, status, supervisor, end } = scene(t, [
      [child("idle", { progressDeadlineMs }), critical("journal"), child("quiet", { run: silent })],
    ]);
    await time.advance(25_500);
    assert.equal(status("idle").state, "running");
    assert.ok((status("idle").lastBeatAgoMs ?? Infinity) <= 1000);
    assert.equal(status("quiet").lastBeatAgoMs, 24_000);
    assert.equal(supervisor.health(), undefined);
    await end();
  });

  test("and ignores the abort is left behind as stuck, and never started beside itself", async (t) => {
    const byHand = new ByHand();
    const stuck = child("rules", { run: byHand.run, progressDeadlineMs, stopDeadlineMs: 5000 });
    const { time, status, log, supervisor, end } = scene(t, [[stuck, critical("journal")]]);
    await time.advance(noticedMs);
    assert.equal(status("rules").state, "stopping");
    await time.advance(5000);
    assert.equal(status("rules").state, "stuck");
    await time.advance(3_600_000);
    assert.equal(byHand.starts, 1);
    assert.deepEqual(log.codes, ["part_stuck", "part_stuck"]);
    assert.equal(supervisor.health(), undefined, "the others go on");
    byHand.fail(new Error("at last"));
    await time.settle();
    assert.equal(status("rules").state, "waiting");
    assert.deepEqual(log.codes, ["part_stuck", "part_stuck", "part_failed"]);
    await time.advance(500);
    assert.equal(byHand.starts, 2);
    byHand.end();
    await end();
  });

  test("and was left behind does not hold up the stop, and is named", async (t) => {
    const stuck = child("rules", { run: deaf, progressDeadlineMs, stopDeadlineMs: 5000 });
    const { time, status, stop, outcome } = scene(t, [[stuck], [critical("journal")]]);
    await time.advance(noticedMs + 5000);
    assert.equal(status("rules").state, "stuck");
    stop.abort();
    await time.settle();
    assert.deepEqual(await outcome, { failure: undefined, stragglers: ["rules"] });
    assert.equal(time.timersSet, 0);
  });

  test("and hangs in every attempt after a cool-down has not run well: it is parked again, for longer", async (t) => {
    const hangs: Child["run"] = async ({ abort }) => await aborted(abort);
    const { time, status, end } = scene(t, [[child("rules", { run: hangs, progressDeadlineMs })]]);
    await time.until(() => status("rules").state === "parked", 120_000, "parked");
    const sinceMs = status("rules").sinceMs;
    await time.until(() => status("rules").state === "running", 200_000, "tried again");
    await time.until(() => status("rules").state === "parked", 200_000, "parked again");
    const { nextTryMs } = status("rules");
    assert.ok(status("rules").sinceMs > sinceMs);
    assert.equal(nextTryMs, status("rules").sinceMs + 200_000);
    await end();
  });
});

describe("a critical part that is silent", () => {
  const journal = { ...critical("journal", silent), progressDeadlineMs };

  test("shows in the health, and ends everything when it stays so for as long again", async (t) => {
    const { time, status, supervisor, outcome } = scene(t, [[child("source")], [journal]]);
    await time.advance(noticedMs);
    assert.deepEqual(supervisor.health(), {
      silent: [{ name: "journal", silentMs: 11_000 }],
      loopLateMs: undefined,
    });
    assert.equal(status("journal").state, "running");
    await time.advance(progressDeadlineMs - 1001);
    assert.equal(status("journal").state, "running");
    await time.advance(1001);
    const { failure, stragglers } = await outcome;
    assert.equal(failure?.part, "journal");
    assert.ok(failure?.error instanceof Fault && failure.error.code === "part_stuck");
    assert.deepEqual(stragglers, []);
    assert.equal(status("journal").lastFault?.code, "part_stuck");
  });

  test("and beats again in between is well again", async (t) => {
    let beat = (): void => {};
    const { time, supervisor, end } = scene(t, [
      [
        {
          ...journal,
          run: async (life) => {
            beat = life.beat;
            await silent(life);
          },
        },
      ],
    ]);
    await time.advance(noticedMs);
    assert.notEqual(supervisor.health(), undefined);
    beat();
    assert.equal(supervisor.health(), undefined);
    await time.advance(noticedMs);
    assert.equal(supervisor.health()?.silent[0]?.name, "journal");
    assert.deepEqual(await end(), { failure: undefined, stragglers: [] });
  });
});

test("time in which the whole process stood still is nobody's silence, and shows as the loop's delay", async (t) => {
  let stoodStillMs = 0;
  const stages = [
    [
      child("rules", { run: silent, progressDeadlineMs }),
      { ...critical("journal", silent), progressDeadlineMs },
    ],
  ];
  const { time, status, supervisor, end } = scene(t, stages, { stoodStillMs: () => stoodStillMs });
  await time.advance(5500);
  stoodStillMs = 120_000;
  assert.equal(supervisor.health()?.loopLateMs, 119_500, "asked before the tick that is late");
  await time.advance(500);
  assert.deepEqual(supervisor.health(), { silent: [], loopLateMs: 120_000 });
  await time.advance(1000);
  assert.equal(supervisor.health(), undefined, "a tick in time and all is well");
  assert.equal(supervisor.worstLoopDelayMs(), 120_000);
  assert.equal(status("rules").state, "running");
  assert.deepEqual(await end(), { failure: undefined, stragglers: [] });
});
