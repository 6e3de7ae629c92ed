import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../../src/app/turns.ts";

test("one change after the other, in the order of asking, also when one fails", async () => {
  const turns = new Turns();
  const story: string[] = [];
  const change = (name: string, error?: Error) => async (): Promise<void> => {
    story.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    story.push(`${name} ends`);
    if (error !== undefined) throw error;
  };
  const bug = new Error("bug");
  const [a, b, c] = [turns.take(change("a")), turns.take(change("b", bug)), turns.take(change("c"))];
  await assert.rejects(b, bug);
  await Promise.all([a, c]);
  assert.deepEqual(story, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});

test("the end waits for the change that is under way, and nothing is begun after it", async () => {
  const turns = new Turns();
  const story: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = turns.take(async () => {
    await promise;
    story.push("first");
  });
  await new Promise((done) => setImmediate(done));
  const second = turns.take(async () => {
    await Promise.resolve();
    story.push("second");
  });
  const end = turns.end().then(() => story.push("end"));
  await new Promise((done) => setImmediate(done));
  assert.equal(story.length, 0);
  resolve();
  await Promise.all([first, second, end]);
  const late = await turns.take(async () => {
    await Promise.resolve();
    story.push("late");
    return "done";
  });
  assert.equal(late, undefined);
  assert.deepEqual(story, ["first", "end"]);
});
