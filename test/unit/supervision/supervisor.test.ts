import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sleep } from "../../../src/lib/abort.ts";
import { Fault } from "../../../src/lib/fault.ts";
import type { Child } from "../../../src/supervision/child.ts";
import { Supervisor } from "../../../src/supervision/supervisor.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { ByHand, child, critical, failsAfter, scene, silent } from "./fixture.ts";

const away = new Fault({
  code: "port_taken",
  layer: "host",
  disposition: "retry",
  message: "the port is taken",
  hint: "free it",
});

/** Fails as often as said, then goes on. */
function failing(times: number, error: unknown = away): { run: Child["run"]; starts: () => number } {
  let starts = 0;
  return {
    starts: () => starts,
    run: async (life) => {
      starts += 1;
      if (starts <= times) throw error;
      await silent(life);
    },
  };
}

describe("a part that fails", () => {
  test("is started again alone, later each time, and its fault is told and shown", async (t) => {
    const bad = failing(2);
    let otherStarts = 0;
    const other: Child["run"] = async (life) => {
      otherStarts += 1;
      await silent(life);
    };
    const stages = [[child("rules", { run: bad.run }), child("journal", { run: other, isCritical: true })]];
    const { time, status, log, end } = scene(t, stages);
    const beginMs = time.uptimeMs();
    await time.settle();
    assert.deepEqual(status("rules"), {
      name: "rules",
      isCritical: false,
      state: "waiting",
      restarts: 0,
      lastFault: { code: "port_taken", layer: "host", message: "the port is taken", hint: "free it" },
      sinceMs: beginMs,
      nextTryMs: beginMs + 500,
      lastBeatAgoMs: undefined,
    });
    await time.advance(499);
    assert.equal(bad.starts(), 1);
    await time.advance(1);
    assert.equal(bad.starts(), 2);
    assert.equal(status("rules").nextTryMs, beginMs + 500 + 1000);
    await time.advance(1000);
    assert.equal(bad.starts(), 3);
    const { state, restarts, nextTryMs, lastFault, sinceMs } = status("rules");
    assert.deepEqual(
      { state, restarts, nextTryMs, sinceMs },
      { state: "running", restarts: 2, nextTryMs: undefined, sinceMs: beginMs + 1500 },
    );
    assert.equal(lastFault?.code, "port_taken", "the last fault stays to be seen");
    assert.deepEqual(log.codes, ["port_taken", "port_taken"]);
    assert.deepEqual(log.lines[0]?.details, { part: "rules", state: "waiting", next_try_s: 1 });
    assert.equal(otherStarts, 1);
    assert.deepEqual(await end(), { failure: undefined, stragglers: [] });
  });

  test("by a synchronous throw of something that is no error is started again as well", async (t) => {
    let starts = 0;
    const run = (): Promise<void> => {
      starts += 1;
      // oxlint-disable-next-line typescript/only-throw-error -- what a library might do
      throw "a string";
    };
    const { time, status, log, end } = scene(t, [[child("odd", { run })]]);
    await time.advance(600);
    assert.equal(starts, 2);
    assert.match(status("odd").lastFault?.message ?? "", /a string/);
    assert.equal(log.lines[0]?.details["stack"], undefined);
    await end();
  });

  test("through a bug is told as part_failed with the stack, and lives on by the same policy", async (t) => {
    const bug = new TypeError("x is not a function");
    const bad = failing(1, bug);
    const { time, status, log, end } = scene(t, [[child("rules", { run: bad.run })]]);
    await time.advance(500);
    assert.equal(bad.starts(), 2);
    assert.equal(status("rules").lastFault?.code, "part_failed");
    assert.equal(log.lines[0]?.details["stack"], bug.stack);
    assert.deepEqual((await end()).failure, undefined);
  });

  test("too often is parked with its last fault, tried after a cool-down, and parked for twice as long", async (t) => {
    const bad = failing(5);
    const { time, status, end } = scene(t, [[child("rules", { run: bad.run })]]);
    await time.advance(500 + 1000 + 2000);
    assert.equal(bad.starts(), 4);
    const parked = status("rules");
    assert.equal(parked.state, "parked");
    assert.equal(parked.lastFault?.code, "port_taken");
    assert.equal(parked.nextTryMs, time.uptimeMs() + 100_000);
    await time.advance(99_999);
    assert.equal(bad.starts(), 4);
    await time.advance(1);
    assert.equal(bad.starts(), 5);
    assert.equal(status("rules").state, "parked");
    assert.equal(status("rules").nextTryMs, time.uptimeMs() + 200_000);
    await time.advance(200_000);
    assert.equal(status("rules").state, "running");
    assert.equal(status("rules").restarts, 5);
    await end();
  });

  for (const [isReady, state] of [
    [false, "waiting"],
    [true, "parked"],
  ] as const) {
    test(`after 20 s of opening, its trial ${isReady ? "failed at once" : "lasted"} when it ${isReady ? "said" : "did not say"} that its work began then`, async (t) => {
      let starts = 0;
      const run: Child["run"] = async ({ drain, beat, ready }) => {
        starts += 1;
        if (starts <= 4) throw away;
        await sleep(20_000, drain);
        if (isReady) ready();
        await sleep(100, drain);
        beat();
        throw away;
      };
      const { time, status, end } = scene(t, [[child("a", { run, progressDeadlineMs: 1e6 })]]);
      await time.advance(3500 + 100_000 + 20_100);
      assert.equal(starts, 5);
      assert.equal(status("a").state, state);
      await end();
    });
  }
});

describe("a part that ends by itself", () => {
  for (const [restart, state, starts] of [
    ["permanent", "waiting", 1],
    ["transient", "ended", 1],
    ["temporary", "ended", 1],
  ] as const) {
    test(`is ${state} when it is ${restart}`, async (t) => {
      const byHand = new ByHand();
      const { time, status, log, end } = scene(t, [[child("a", { restart, run: byHand.run })]]);
      await time.settle();
      byHand.end();
      await time.settle();
      assert.equal(status("a").state, state);
      assert.equal(byHand.starts, starts);
      assert.deepEqual(log.codes, restart === "permanent" ? ["part_failed"] : []);
      await time.advance(10_000);
      assert.equal(byHand.starts, restart === "permanent" ? 2 : 1);
      byHand.end();
      await end();
    });
  }
});

test("a temporary part that fails is told and left, a transient one is started again", async (t) => {
  const once = failing(1);
  const again = failing(1);
  const { time, status, log, end } = scene(t, [
    [
      child("once", { restart: "temporary", run: once.run }),
      child("again", { restart: "transient", run: again.run }),
    ],
  ]);
  await time.advance(10_000);
  assert.deepEqual([once.starts(), again.starts()], [1, 2]);
  assert.equal(status("once").state, "ended");
  assert.equal(status("once").lastFault?.code, "port_taken");
  assert.deepEqual(log.codes, ["port_taken", "port_taken"]);
  await end();
});

for (const [state, afterMs, starts] of [
  ["waiting", 100, 1],
  ["parked", 4000, 4],
] as const) {
  test(`a stop while a part is ${state} leaves no timer and starts nothing`, async (t) => {
    const bad = failing(99);
    const { time, status, end } = scene(t, [[child("bad", { run: bad.run })], [critical("journal")]]);
    await time.advance(afterMs);
    assert.equal(status("bad").state, state);
    assert.deepEqual(await end(), { failure: undefined, stragglers: [] });
    assert.equal(status("bad").state, "ended");
    assert.equal(time.timersSet, 0);
    assert.equal(bad.starts(), starts);
  });
}

test("with real timers nothing is left after a stop during a backoff", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const stop = new AbortController();
  const clock = { nowMs: () => 0, uptimeMs: () => performance.now() };
  const options = { clock, log: new RecordingLog(), random: () => 0.9, stopDeadlineMs: 1000 };
  const supervisor = new Supervisor([[child("bad", { run: failsAfter(0, away) })], [child("b")]], options);
  const outcome = supervisor.run(stop.signal, new AbortController().signal);
  const untilMs = performance.now() + 5000;
  while (supervisor.status()[0]?.state !== "waiting" && performance.now() < untilMs)
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal(supervisor.status()[0]?.state, "waiting");
  assert.ok(timers() > before);
  stop.abort();
  assert.deepEqual(await outcome, { failure: undefined, stragglers: [] });
  assert.equal(timers(), before);
});

test("the tree shows its parts stage by stage, and nothing runs before the supervisor does", async () => {
  const clock = { nowMs: () => 0, uptimeMs: () => 7 };
  const options = { clock, log: new RecordingLog(), random: () => 0, stopDeadlineMs: 1000 };
  const supervisor = new Supervisor([[child("source")], [child("journal")]], options);
  supervisor.add(child("second-source"), 0);
  const journal = new ByHand();
  assert.equal(await supervisor.replace(child("journal", { run: journal.run })), true);
  assert.equal(journal.starts, 0);
  assert.deepEqual(
    supervisor.status().map(({ name, state, sinceMs }) => [name, state, sinceMs]),
    [
      ["source", "ended", 7],
      ["second-source", "ended", 7],
      ["journal", "ended", 7],
    ],
  );
  assert.equal(supervisor.health(), undefined);
  assert.equal(supervisor.worstLoopDelayMs(), 0);
});
