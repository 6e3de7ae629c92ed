import assert from "node:assert/strict";
import { getEventListeners, once as events } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { aborted, afterDelay, once, settledWithin, sleep, timerMs } from "../../../src/lib/abort.ts";

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

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("after a standstill, what has arrived meanwhile comes before the end of a delay", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await events(server, "listening");
  const order: string[] = [];
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const over = new Promise<void>((resolve) => {
    afterDelay(50, () => {
      order.push("late");
      resolve();
    });
  });
  const single = settledWithin(events(socket, "connect"), 50);
  socket.once("connect", () => order.push("connected"));
  await Promise.resolve();
  standStill(120);
  assert.equal(await single, true);
  await over;
  assert.deepEqual(order, ["connected", "late"]);
  socket.destroy();
  server.close();
});

test("a delay lasts as long as it says, a standstill counts for a part of it, and it can be taken back", async () => {
  const startedMs = performance.now();
  const called: string[] = [];
  afterDelay(20, () => called.push("taken back"))();
  await new Promise<void>((resolve) => {
    afterDelay(160, resolve);
    standStill(200);
  });
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 200 + 130, `it took ${tookMs} ms`);
  assert.deepEqual(called, []);
  assert.equal(process.getActiveResourcesInfo().includes("Immediate"), false);
});

test("settledWithin says whether it settled in time, and passes a rejection on", async (t) => {
  assert.equal(await settledWithin(Promise.resolve(), 60_000), true);
  await assert.rejects(settledWithin(Promise.reject(new Error("broken")), 60_000), /broken/);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const late = settledWithin(new Promise(() => {}), 100);
  t.mock.timers.tick(100);
  assert.equal(await late, false);
});
