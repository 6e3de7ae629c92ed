import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { aborted, once, settledWithin, sleep, timerMs } from "../../../src/lib/abort.ts";

test("sleep lasts its time, ends at once on abort, and leaves no listener", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const stop = new AbortController();
  const ended: string[] = [];
  void sleep(1000, stop.signal).then(() => ended.push("short"));
  void sleep(10_000, stop.signal).then(() => ended.push("long"));
  t.mock.timers.tick(999);
  await turn();
  assert.deepEqual(ended, []);
  t.mock.timers.tick(1);
  await turn();
  assert.deepEqual(ended, ["short"]);
  assert.equal(getEventListeners(stop.signal, "abort").length, 1);
  stop.abort();
  await turn();
  assert.deepEqual(ended, ["short", "long"]);
  assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  await sleep(10_000, stop.signal);
});

test("a delay beyond what a timer can hold is a long one, not none", () => {
  assert.equal(timerMs(-1), 0);
  assert.equal(timerMs(250), 250);
  assert.equal(timerMs(2 ** 31), 2 ** 31 - 1);
  assert.equal(timerMs(Number.POSITIVE_INFINITY), 2 ** 31 - 1);
});

test("once calls its listener once, and not after it was taken back", () => {
  const stop = new AbortController();
  const calls: string[] = [];
  once(stop.signal, () => calls.push("kept"));
  const takeBack = once(stop.signal, () => calls.push("taken back"));
  takeBack();
  stop.abort();
  stop.abort();
  assert.deepEqual(calls, ["kept"]);
});

test("aborted resolves on abort, also when that was before", async () => {
  const stop = new AbortController();
  let resolved = false;
  const watch = async (): Promise<void> => {
    await aborted(stop.signal);
    resolved = true;
  };
  void watch();
  await turn();
  assert.equal(resolved, false);
  stop.abort();
  await turn();
  assert.equal(resolved, true);
  await aborted(stop.signal);
});

test("settledWithin says whether it settled in time, and passes a rejection on", async (t) => {
  assert.equal(await settledWithin(Promise.resolve(), 60_000), true);
  await assert.rejects(settledWithin(Promise.reject(new Error("broken")), 60_000), /broken/);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const late = settledWithin(new Promise(() => {}), 100);
  t.mock.timers.tick(100);
  assert.equal(await late, false);
});
