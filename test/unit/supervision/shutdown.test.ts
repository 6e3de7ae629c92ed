import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aborted, sleep } from "../../../src/lib/abort.ts";
import { BugError } from "../../../src/lib/fault.ts";
import type { Child } from "../../../src/supervision/child.ts";
import { ByHand, child, critical, deadlineMs, deaf, failsAfter, scene } from "./fixture.ts";

/** A part that tells what happens to it. */
function part(
  story: string[],
  name: string,
  more: { drainMs?: number; hears?: "abort" | "nothing"; child?: Partial<Child> } = {},
): Child {
  const run: Child["run"] = async ({ drain, abort }) => {
    story.push(`${name} starts`);
    if (more.hears === "nothing") await deaf();
    await aborted(more.hears === "abort" ? abort : drain);
    story.push(`${name} drains`);
    if (more.drainMs !== undefined) await sleep(more.drainMs, abort);
    story.push(`${name} ended`);
  };
  return child(name, { run, progressDeadlineMs: 1e9, ...more.child });
}

const nothingWrong = { failure: undefined, stragglers: [] };

describe("when all is stopped", () => {
  test("it is in the order given, each stage only when the one before it has ended", async (t) => {
    const story: string[] = [];
    const names = ["source", "forward", "journal"];
    const stages = names.map((name) => [part(story, name, { drainMs: 100 })]);
    const { time, stop, outcome } = scene(t, stages);
    await time.advance(5000);
    assert.deepEqual(story, ["source starts", "forward starts", "journal starts"]);
    stop.abort();
    await time.advance(1000);
    assert.deepEqual(await outcome, nothingWrong);
    assert.deepEqual(
      story.slice(3),
      names.flatMap((name) => [`${name} drains`, `${name} ended`]),
    );
    assert.equal(time.timersSet, 0);
  });

  test("the parts of one stage are drained at the same time, the next stage when all of them have ended", async (t) => {
    const story: string[] = [];
    const sources = ["a", "b", "c"].map((name, index) => part(story, name, { drainMs: 4000 - index * 100 }));
    const { time, stop, outcome } = scene(t, [sources, [part(story, "journal", { drainMs: 1000 })]]);
    await time.settle();
    story.length = 0;
    stop.abort();
    await time.settle();
    assert.deepEqual(story, ["a drains", "b drains", "c drains"]);
    await time.advance(3999);
    assert.deepEqual(story.slice(3), ["c ended", "b ended"]);
    await time.advance(1);
    assert.deepEqual(story.slice(5), ["a ended", "journal drains"]);
    await time.advance(999);
    assert.equal(story.at(-1), "journal drains");
    await time.advance(1);
    assert.equal(story.at(-1), "journal ended");
    assert.deepEqual(await outcome, nothingWrong);
    assert.equal(time.timersSet, 0);
  });

  test("of a stage only those are named that did not end, and they are shown as stuck", async (t) => {
    const story: string[] = [];
    const hears = "nothing" as const;
    const stage = [part(story, "a", { hears }), part(story, "b"), part(story, "c", { hears })];
    const { time, stop, outcome, supervisor } = scene(t, [stage]);
    stop.abort();
    await time.advance(deadlineMs);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: ["a", "c"] });
    assert.deepEqual(
      supervisor.status().map(({ state }) => state),
      ["stuck", "ended", "stuck"],
    );
    assert.equal(time.timersSet, 0);
  });

  test("a stop that came before the start stops all the same", async (t) => {
    const story: string[] = [];
    const stop = new AbortController();
    stop.abort();
    const { outcome } = scene(t, [[part(story, "a")]], { stop });
    assert.deepEqual(await outcome, nothingWrong);
    assert.deepEqual(story, ["a starts", "a drains", "a ended"]);
  });

  test("who does not drain is aborted before the deadline, and that is in time", async (t) => {
    const story: string[] = [];
    const { time, stop, outcome } = scene(t, [[part(story, "slow", { hears: "abort" })], [part(story, "b")]]);
    stop.abort();
    await time.advance(6900);
    assert.deepEqual(story.slice(2), []);
    await time.advance(200);
    assert.deepEqual(await outcome, nothingWrong);
    assert.deepEqual(story.slice(2), ["slow drains", "slow ended", "b drains", "b ended"]);
  });

  test("a part with a shorter deadline of its own does not use up the time of the others", async (t) => {
    const story: string[] = [];
    const slow = part(story, "slow", { hears: "abort", child: { stopDeadlineMs: 1000 } });
    const gone = part(story, "gone", { hears: "nothing", child: { stopDeadlineMs: 2000 } });
    const { time, stop, outcome } = scene(t, [[slow, gone], [part(story, "b", { drainMs: 4000 })]]);
    stop.abort();
    await time.advance(701);
    assert.equal(story.at(-1), "slow ended");
    await time.advance(1300);
    assert.equal(story.at(-1), "b drains");
    await time.advance(4000);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: ["gone"] });
    assert.equal(story.at(-1), "b ended");
  });

  test("who does not end at all is named, and those after it still get their turn to save what they have", async (t) => {
    const story: string[] = [];
    const saves: Child["run"] = async ({ drain }) => {
      await aborted(drain);
      await sleep(50, new AbortController().signal);
      story.push("saved");
    };
    const stages = [[part(story, "deaf", { hears: "nothing" })], [critical("journal", saves)]];
    const { time, stop, outcome } = scene(t, stages);
    stop.abort();
    await time.advance(deadlineMs + 100);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: ["deaf"] });
    assert.deepEqual(story, ["deaf starts", "saved"]);
  });

  test("the abort signal is given to whoever still listens when its part has ended", async (t) => {
    let abortSignal: AbortSignal | undefined;
    const listening = child("a", {
      run: async ({ drain, abort }) => {
        abortSignal = abort;
        await aborted(drain);
      },
    });
    const { stop, outcome } = scene(t, [[listening]]);
    stop.abort();
    await outcome;
    assert.equal(abortSignal?.aborted, true);
  });

  test("an urgent stop aborts at once, in the same order", async (t) => {
    const story: string[] = [];
    const names = ["source", "forward", "journal"];
    const { time, stop, urgent, outcome } = scene(
      t,
      names.map((name) => [part(story, name, { drainMs: 2000 })]),
    );
    stop.abort();
    await time.advance(1000);
    assert.deepEqual(story.slice(3), ["source drains"]);
    urgent.abort();
    await time.settle();
    assert.deepEqual(await outcome, nothingWrong);
    assert.deepEqual(
      story.slice(3),
      names.flatMap((name) => [`${name} drains`, `${name} ended`]),
    );
    assert.equal(time.timersSet, 0);
  });

  test("an urgent stop needs no stop before it", async (t) => {
    const story: string[] = [];
    const { time, urgent, outcome } = scene(t, [[part(story, "a", { drainMs: 5000 })]]);
    urgent.abort();
    await time.settle();
    assert.deepEqual(await outcome, nothingWrong);
    assert.equal(story.at(-1), "a ended");
  });
});

describe("a critical part", () => {
  test("that fails stops all others in order, and is named with its error", async (t) => {
    const story: string[] = [];
    const error = new Error("disk");
    const stages = [[part(story, "a")], [critical("bad", failsAfter(500, error))], [part(story, "c")]];
    const { time, outcome, log } = scene(t, stages);
    await time.advance(500);
    const told = log.lines.map(({ code, details }) => [code, details["part"]]);
    assert.deepEqual(told, [["part_failed", "bad"]], "before anything is drained, which may take its time");
    await time.advance(1);
    assert.deepEqual(await outcome, { failure: { part: "bad", error }, stragglers: [] });
    assert.deepEqual(story.slice(2), ["a drains", "a ended", "c drains", "c ended"]);
    assert.equal(log.lines.length, 1);
    assert.equal(time.timersSet, 0);
  });

  test("that throws before it has begun is one that fails", async (t) => {
    const story: string[] = [];
    const error = new Error("at once");
    const bad = critical("bad", () => {
      throw error;
    });
    const { outcome, status } = scene(t, [[bad], [part(story, "b")]]);
    assert.deepEqual(await outcome, { failure: { part: "bad", error }, stragglers: [] });
    assert.deepEqual(story, ["b starts", "b drains", "b ended"]);
    assert.equal(status("bad").lastFault?.code, "part_failed");
  });

  test("that ends without being asked is a bug, stops all and is named", async (t) => {
    const story: string[] = [];
    const { outcome } = scene(t, [[part(story, "a")], [critical("short", async () => {})]]);
    const { failure } = await outcome;
    assert.equal(failure?.part, "short");
    assert.ok(failure?.error instanceof BugError);
    assert.deepEqual(story, ["a starts", "a drains", "a ended"]);
  });

  test("that may end by itself does not stop the others", async (t) => {
    const once: Child = { ...critical("once", async () => {}), restart: "transient" };
    const { time, status, end } = scene(t, [[once], [child("b")]]);
    await time.advance(5000);
    assert.equal(status("once").state, "ended");
    assert.equal(status("b").state, "running");
    assert.deepEqual(await end(), nothingWrong);
  });

  test("that fails while all is stopped makes that no clean stop", async (t) => {
    const late = new Error("last commit");
    const { stop, time, outcome } = scene(t, [[critical("journal", failsAfter(1e9, late))]]);
    stop.abort();
    await time.settle();
    assert.deepEqual((await outcome).failure, { part: "journal", error: late });
  });
});

test("of two critical parts that fail at the same time the first is the outcome, and both are told", async (t) => {
  const first = new Error("first");
  const x = new ByHand();
  const y = new ByHand();
  const { time, outcome, log } = scene(t, [[critical("x", x.run), critical("y", y.run)], [child("z")]]);
  await time.settle();
  x.fail(first);
  y.fail(new Error("second"));
  await time.settle();
  assert.deepEqual(await outcome, { failure: { part: "x", error: first }, stragglers: [] });
  assert.deepEqual(
    log.lines.map(({ code, details }) => [code, details["part"]]),
    [
      ["part_failed", "x"],
      ["part_failed", "y"],
    ],
  );
  assert.equal(time.timersSet, 0);
});

test("a part that is not critical and fails while all is stopped is told, and is no failure of the whole", async (t) => {
  const { stop, time, outcome, log } = scene(t, [
    [child("rules", { run: failsAfter(1e9, new Error("oops")) })],
  ]);
  stop.abort();
  await time.settle();
  assert.deepEqual(await outcome, nothingWrong);
  assert.deepEqual(log.codes, ["part_failed"]);
});
