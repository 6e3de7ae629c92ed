import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { Wakeup } from "../../../src/lib/wakeup.ts";

const never = new AbortController().signal;

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const watch = async (): Promise<void> => {
    await promise;
    settled = true;
  };
  void watch();
  await turn();
  return settled;
}

test("a notification between reading the version and waiting is not lost", async () => {
  const wakeup = new Wakeup();
  const { version } = wakeup;
  wakeup.notify();
  assert.equal(await isSettled(wakeup.changedSince(version, never)), true);
});

test("without a notification the wait lasts; one notification wakes all who wait", async () => {
  const wakeup = new Wakeup();
  const waits = [1, 2, 3].map(async () => {
    await wakeup.changedSince(wakeup.version, never);
  });
  for (const wait of waits) assert.equal(await isSettled(wait), false);
  wakeup.notify();
  for (const wait of waits) assert.equal(await isSettled(wait), true);
});

test("a consumer that checks, then waits, sees everything, however producers and consumers interleave", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.nat(20), async (scheduler, produced) => {
      const wakeup = new Wakeup();
      let available = 0;
      const produce = async (n: number): Promise<void> => {
        await scheduler.schedule(Promise.resolve(), `produce ${n}`);
        available += 1;
        wakeup.notify();
      };
      for (let n = 0; n < produced; n += 1) void produce(n);
      const consumer = (async () => {
        let consumed = 0;
        while (consumed < produced) {
          const { version } = wakeup;
          if (available > consumed) consumed += 1;
          else await wakeup.changedSince(version, never);
        }
        return consumed;
      })();
      await scheduler.waitAll();
      assert.equal(await consumer, produced);
    }),
    { numRuns: 50 },
  );
});

test("a wait ends at its time, even one of zero or one that a timer cannot hold", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const wakeup = new Wakeup();
  const short = wakeup.changedSince(wakeup.version, never, 50);
  const negative = wakeup.changedSince(wakeup.version, never, -5);
  const huge = wakeup.changedSince(wakeup.version, never, 1e12);
  t.mock.timers.tick(1);
  assert.equal(await isSettled(negative), true);
  assert.equal(await isSettled(short), false);
  t.mock.timers.tick(49);
  assert.equal(await isSettled(short), true);
  t.mock.timers.tick(2 ** 31 - 100);
  assert.equal(await isSettled(huge), false);
  t.mock.timers.tick(100);
  assert.equal(await isSettled(huge), true);
});

test("an abort ends the wait, and no listener stays on the signal", async () => {
  const wakeup = new Wakeup();
  const stop = new AbortController();
  const woken = wakeup.changedSince(wakeup.version, stop.signal, 60_000);
  assert.equal(getEventListeners(stop.signal, "abort").length, 1);
  wakeup.notify();
  assert.equal(await isSettled(woken), true);
  assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  const aborted = wakeup.changedSince(wakeup.version, stop.signal);
  stop.abort();
  assert.equal(await isSettled(aborted), true);
  assert.equal(await isSettled(wakeup.changedSince(wakeup.version, stop.signal)), true);
});
