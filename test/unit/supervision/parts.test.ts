import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { aborted, sleep } from "../../../src/lib/abort.ts";
import { BugError } from "../../../src/lib/fault.ts";
import { type Part, runParts } from "../../../src/supervision/parts.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const deadlineMs = 10_000;

/** A part that tells what happens to it. */
function part(story: string[], name: string, more: { drainMs?: number; deaf?: "drain" | "both" } = {}): Part {
  return {
    name,
    async run(drain, abort) {
      story.push(`${name} starts`);
      if (more.deaf === "both") await new Promise<never>(() => {});
      await aborted(more.deaf === "drain" ? abort : drain);
      story.push(`${name} drains`);
      if (more.drainMs !== undefined) await sleep(more.drainMs, abort);
      story.push(`${name} ended`);
    },
  };
}

function failing(name: string, afterMs: number, error: unknown): Part {
  return {
    name,
    async run(drain) {
      await sleep(afterMs, drain);
      throw error;
    },
  };
}

/** runParts in virtual time: `performance.now` is the one clock that it reads. */
function run(t: TestContext, stages: readonly (readonly Part[])[], stop = new AbortController()) {
  const time = VirtualTime.install(t);
  t.mock.method(performance, "now", () => time.uptimeMs());
  return { time, stop, outcome: runParts(stages, stop.signal, deadlineMs) };
}

describe("runParts", () => {
  test("stops in the order given, each only when the one before it has ended", async (t) => {
    const story: string[] = [];
    const names = ["source", "forward", "journal"];
    const { time, stop, outcome } = run(
      t,
      names.map((name) => [part(story, name, { drainMs: 100 })]),
    );
    await time.advance(5000);
    assert.deepEqual(story, ["source starts", "forward starts", "journal starts"]);
    stop.abort();
    await time.advance(1000);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: [] });
    assert.deepEqual(
      story.slice(3),
      names.flatMap((name) => [`${name} drains`, `${name} ended`]),
    );
    assert.equal(time.timersSet, 0);
  });

  test("the parts of one stage are drained at the same time, the next stage when all of them have ended", async (t) => {
    const story: string[] = [];
    const names = ["a", "b", "c"];
    const sources = names.map((name, index) => part(story, name, { drainMs: 4000 - index * 100 }));
    const { time, stop, outcome } = run(t, [sources, [part(story, "journal", { drainMs: 1000 })]]);
    await time.settle();
    story.length = 0;
    stop.abort();
    await time.settle();
    assert.deepEqual(story, ["a drains", "b drains", "c drains"]);
    await time.advance(3999);
    assert.deepEqual(story.slice(3), ["c ended", "b ended"]);
    // Three times four seconds, and the journal still has the time that it needs.
    await time.advance(1);
    assert.deepEqual(story.slice(5), ["a ended", "journal drains"]);
    await time.advance(999);
    assert.equal(story.at(-1), "journal drains");
    await time.advance(1);
    assert.equal(story.at(-1), "journal ended");
    assert.deepEqual(await outcome, { failure: undefined, stragglers: [] });
    assert.equal(time.timersSet, 0);
  });

  test("of a stage only those are named that did not end", async (t) => {
    const story: string[] = [];
    const deaf = { deaf: "both" } as const;
    const stage = [part(story, "a", deaf), part(story, "b"), part(story, "c", deaf)];
    const { time, stop, outcome } = run(t, [stage]);
    stop.abort();
    await time.advance(deadlineMs);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: ["a", "c"] });
  });

  test("a stop that came before the start stops all the same", async (t) => {
    const story: string[] = [];
    const stop = new AbortController();
    stop.abort();
    const { outcome } = run(t, [[part(story, "a")]], stop);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: [] });
    assert.deepEqual(story, ["a starts", "a drains", "a ended"]);
  });

  test("a part that fails stops all others in order, and is named with its error", async (t) => {
    const story: string[] = [];
    const error = new Error("disk");
    const { time, outcome } = run(t, [[part(story, "a")], [failing("bad", 500, error)], [part(story, "c")]]);
    await time.advance(501);
    assert.deepEqual(await outcome, { failure: { part: "bad", error }, stragglers: [] });
    assert.deepEqual(story.slice(2), ["a drains", "a ended", "c drains", "c ended"]);
  });

  test("a part that throws before it has begun is one that fails", async (t) => {
    const story: string[] = [];
    const error = new Error("at once");
    const bad: Part = {
      name: "bad",
      run() {
        throw error;
      },
    };
    const { outcome } = run(t, [[bad], [part(story, "b")]]);
    assert.deepEqual(await outcome, { failure: { part: "bad", error }, stragglers: [] });
    assert.deepEqual(story, ["b starts", "b drains", "b ended"]);
  });

  test("a part that ends without being asked is a bug, stops all and is named", async (t) => {
    const story: string[] = [];
    const { outcome } = run(t, [[part(story, "a")], [{ name: "short", run: async () => {} }]]);
    const { failure } = await outcome;
    assert.equal(failure?.part, "short");
    assert.ok(failure?.error instanceof BugError);
    assert.deepEqual(story, ["a starts", "a drains", "a ended"]);
  });

  test("the first failure is the one that is told; one while stopping is told too", async (t) => {
    const first = new Error("first");
    const two = run(t, [[failing("x", 10, first), failing("y", 20, new Error("second"))]]);
    await two.time.advance(30);
    assert.deepEqual((await two.outcome).failure, { part: "x", error: first });
    const late = new Error("last commit");
    const { stop, outcome } = run(t, [[failing("journal", 1e9, late)]]);
    stop.abort();
    assert.deepEqual((await outcome).failure, { part: "journal", error: late });
  });

  test("who does not drain is aborted before the deadline, and that is in time", async (t) => {
    const story: string[] = [];
    const { time, stop, outcome } = run(t, [[part(story, "slow", { deaf: "drain" })], [part(story, "b")]]);
    stop.abort();
    await time.advance(6900);
    assert.deepEqual(story.slice(2), []);
    await time.advance(200);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: [] });
    assert.deepEqual(story.slice(2), ["slow drains", "slow ended", "b drains", "b ended"]);
  });

  test("who does not end at all is named, and those after it still get their turn to save what they have", async (t) => {
    const story: string[] = [];
    const journal: Part = {
      name: "journal",
      async run(drain) {
        await aborted(drain);
        await sleep(50, new AbortController().signal);
        story.push("saved");
      },
    };
    const { time, stop, outcome } = run(t, [[part(story, "deaf", { deaf: "both" })], [journal]]);
    stop.abort();
    await time.advance(deadlineMs + 100);
    assert.deepEqual(await outcome, { failure: undefined, stragglers: ["deaf"] });
    assert.deepEqual(story, ["deaf starts", "saved"]);
  });

  test("the abort signal is given in the end, for whoever still listens", async (t) => {
    let abortSignal: AbortSignal | undefined;
    const listening: Part = {
      name: "a",
      run: async (drain, abort) => {
        abortSignal = abort;
        await aborted(drain);
      },
    };
    const { stop, outcome } = run(t, [[listening]]);
    stop.abort();
    await outcome;
    assert.equal(abortSignal?.aborted, true);
  });
});
