import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aborted, sleep } from "../../../src/lib/abort.ts";
import { BugError, Fault } from "../../../src/lib/fault.ts";
import type { Child } from "../../../src/supervision/child.ts";
import { ByHand, child, critical, failsAfter, scene, silent } from "./fixture.ts";

const nothingWrong = { failure: undefined, stragglers: [] };
const bug = new Error("bug");

/** Tells its start, its drain and its end, which takes a second. */
function told(story: string[], what: string): Child["run"] {
  return async ({ drain, abort }) => {
    story.push(`${what} starts`);
    await aborted(drain);
    await sleep(1000, abort);
    story.push(`${what} ended`);
  };
}

describe("adding", () => {
  test("a part that is added while the others run is started, and stopped in its stage", async (t) => {
    const story: string[] = [];
    const { time, supervisor, end } = scene(t, [
      [child("source")],
      [child("journal", { run: told(story, "journal") })],
    ]);
    await time.advance(1000);
    supervisor.add(child("late", { run: told(story, "late") }), 0);
    assert.deepEqual(story, ["journal starts", "late starts"]);
    assert.deepEqual(await end(), nothingWrong);
    assert.deepEqual(story.slice(2), ["late ended", "journal ended"]);
  });

  test("a second part of the same name is a bug", async (t) => {
    const { supervisor, end } = scene(t, [[child("a")]]);
    assert.throws(() => supervisor.add(child("a"), 0), BugError);
    await assert.rejects(supervisor.remove("b"), BugError);
    await end();
  });

  test("after the stop has begun nothing is started any more", async (t) => {
    const late = new ByHand();
    const { stop, supervisor, end } = scene(t, [[child("a")]]);
    stop.abort();
    supervisor.add(child("late", { run: late.run }), 0);
    assert.deepEqual(await end(), nothingWrong);
    assert.equal(late.starts, 0);
  });
});

describe("removing", () => {
  test("drains, tells when it is done, and takes the part out of the tree", async (t) => {
    const story: string[] = [];
    const { time, supervisor, status, end } = scene(t, [[child("a", { run: told(story, "a") }), child("b")]]);
    await time.settle();
    const removed = supervisor.remove("a");
    assert.equal(status("a").state, "stopping");
    await time.advance(1000);
    assert.equal(await removed, true);
    assert.deepEqual(story, ["a starts", "a ended"]);
    assert.deepEqual(
      supervisor.status().map(({ name }) => name),
      ["b"],
    );
    await end();
  });

  test("a part that waits for its restart is gone at once, with its timer", async (t) => {
    const { time, supervisor, status, end } = scene(t, [[child("bad", { run: failsAfter(0, bug) })]]);
    await time.advance(10);
    assert.equal(status("bad").state, "waiting");
    const timers = time.timersSet;
    assert.equal(await supervisor.remove("bad"), true);
    assert.equal(time.timersSet, timers - 1);
    assert.deepEqual(supervisor.status(), []);
    assert.deepEqual(await end(), nothingWrong);
  });

  test("a part that fails while it is being removed is told, critical or not, and does not come back", async (t) => {
    const stages = [
      [critical("second", failsAfter(1e9, bug)), child("third", { run: failsAfter(1e9, bug) }), child("b")],
    ];
    const { time, supervisor, log, end } = scene(t, stages);
    await time.settle();
    assert.deepEqual(await Promise.all([supervisor.remove("second"), supervisor.remove("third")]), [
      true,
      true,
    ]);
    await time.advance(100_000);
    assert.deepEqual(log.codes, ["part_failed", "part_failed"]);
    assert.deepEqual(
      supervisor.status().map(({ name }) => name),
      ["b"],
    );
    assert.deepEqual(await end(), nothingWrong);
  });

  test("a part that does not end is left behind as stuck, and gone when it ends at last", async (t) => {
    const byHand = new ByHand();
    const { time, supervisor, status, log, end } = scene(t, [[child("a", { run: byHand.run }), child("b")]]);
    await time.settle();
    const removed = supervisor.remove("a");
    await time.advance(10_000);
    assert.equal(await removed, false);
    assert.equal(status("a").state, "stuck");
    assert.deepEqual(log.codes, ["part_stuck"]);
    byHand.end();
    await time.settle();
    assert.deepEqual(
      supervisor.status().map(({ name }) => name),
      ["b"],
    );
    assert.deepEqual(await end(), nothingWrong);
  });

  test("a name whose part has not ended can be added again: the new one starts when the old one has", async (t) => {
    const old = new ByHand();
    const next = new ByHand();
    const { time, supervisor, status, end } = scene(t, [[child("a", { run: old.run })]]);
    await time.settle();
    const removed = supervisor.remove("a");
    supervisor.add(child("a", { run: next.run }), 0);
    await time.advance(10_000);
    await removed;
    assert.equal(status("a").state, "stuck");
    assert.equal(next.starts, 0);
    old.end();
    await time.settle();
    assert.equal(next.starts, 1);
    assert.equal(status("a").state, "running");
    next.end();
    await end();
  });
});

describe("replacing", () => {
  test("drains the old part, then starts the new one, and tells when it runs", async (t) => {
    const story: string[] = [];
    const { time, supervisor, status, end } = scene(t, [[child("a", { run: told(story, "old") })]]);
    await time.settle();
    const replaced = supervisor.replace(child("a", { run: told(story, "new") }));
    await time.advance(999);
    assert.deepEqual(story, ["old starts"]);
    await time.advance(1);
    assert.equal(await replaced, true);
    assert.deepEqual(story, ["old starts", "old ended", "new starts"]);
    assert.equal(status("a").state, "running");
    assert.deepEqual(await end(), nothingWrong);
  });

  test("a parked part is replaced at once, with a clean record and without its timer", async (t) => {
    const { time, supervisor, status, end } = scene(t, [[child("a", { run: failsAfter(1, bug) })]]);
    await time.advance(4000);
    assert.equal(status("a").state, "parked");
    const replaced = supervisor.replace(child("a", { run: silent }));
    const { state, restarts, lastFault, nextTryMs } = status("a");
    assert.deepEqual(
      { state, restarts, lastFault, nextTryMs },
      { state: "running", restarts: 0, lastFault: undefined, nextTryMs: undefined },
    );
    assert.equal(await replaced, true);
    assert.deepEqual(await end(), nothingWrong);
    assert.equal(time.timersSet, 0);
  });

  test("the one in the place of a parked part has a clean record: its first failure is a first failure", async (t) => {
    const { time, supervisor, status, end } = scene(t, [[child("a", { run: failsAfter(1, bug) })]]);
    await time.advance(4000);
    assert.equal(status("a").state, "parked");
    await supervisor.replace(child("a", { run: failsAfter(1, bug) }));
    await time.advance(1);
    assert.equal(status("a").state, "waiting");
    await end();
  });

  test("a part that is stuck is not waited for again: the new one starts when it ends at last", async (t) => {
    const old = new ByHand();
    const next = new ByHand();
    const hangs = child("a", { run: old.run, progressDeadlineMs: 10_000, stopDeadlineMs: 5000 });
    const { time, supervisor, status, end } = scene(t, [[hangs]]);
    await time.advance(20_000);
    assert.equal(status("a").state, "stuck");
    const replaced = supervisor.replace(child("a", { run: next.run }));
    assert.equal(status("a").state, "stuck");
    assert.equal(await replaced, false);
    assert.equal(next.starts, 0);
    old.end();
    await time.settle();
    assert.deepEqual([old.starts, next.starts, status("a").state], [1, 1, "running"]);
    next.end();
    await end();
  });

  test("of two replacements in a row only the last one runs", async (t) => {
    const story: string[] = [];
    const { time, supervisor, end } = scene(t, [[child("a", { run: told(story, "first") })]]);
    await time.settle();
    const both = [
      supervisor.replace(child("a", { run: told(story, "second") })),
      supervisor.replace(child("a", { run: told(story, "third") })),
    ];
    await time.advance(1000);
    assert.deepEqual(await Promise.all(both), [true, true]);
    assert.deepEqual(story, ["first starts", "first ended", "third starts"]);
    assert.deepEqual(await end(), nothingWrong);
  });

  test("a part that fails while it makes way is told, and the new one runs", async (t) => {
    const { time, supervisor, status, log, end } = scene(t, [[critical("a", failsAfter(1e9, bug))]]);
    await time.settle();
    assert.equal(await supervisor.replace(critical("a")), true);
    assert.deepEqual(log.codes, ["part_failed"]);
    assert.equal(status("a").state, "running");
    assert.deepEqual(await end(), nothingWrong);
  });

  test("a critical part that does not make way ends everything: the daemon is of no use without it", async (t) => {
    const old = new ByHand();
    const next = new ByHand();
    const { time, supervisor, outcome } = scene(t, [[critical("source", old.run)], [critical("journal")]]);
    await time.settle();
    const replaced = supervisor.replace(critical("source", next.run));
    await time.advance(11_000);
    assert.equal(await replaced, false);
    const { failure, stragglers } = await outcome;
    assert.equal(failure?.part, "source");
    assert.ok(failure?.error instanceof Fault && failure.error.code === "part_stuck");
    assert.deepEqual(stragglers, ["source"]);
    assert.equal(next.starts, 0);
    assert.equal(time.timersSet, 0);
  });

  test("a stop in the middle of it drains the old part and does not start the new one", async (t) => {
    const story: string[] = [];
    const { time, supervisor, stop, outcome } = scene(t, [[child("a", { run: told(story, "old") })]]);
    await time.settle();
    const replaced = supervisor.replace(child("a", { run: told(story, "new") }));
    stop.abort();
    await time.advance(1000);
    assert.deepEqual(await outcome, nothingWrong);
    assert.equal(await replaced, true);
    assert.deepEqual(story, ["old starts", "old ended"]);
    assert.equal(time.timersSet, 0);
  });
});
