import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { answerTo, Turns } from "../../../../src/influx/flight/wait.ts";
import { faultOf, isFault, timers } from "./fixture.ts";

describe("waiting for an answer", () => {
  const planted = new Error("planted");
  const never = async (): Promise<never> => await new Promise(() => {});
  const silence = { limitMs: 60_000, fault: () => faultOf("flight_stalled", "retry") };

  async function leavesNothing(signal: AbortSignal, wait: () => Promise<void>): Promise<void> {
    const before = timers();
    await wait();
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.equal(timers(), before);
  }

  test("leaves no timer and no listener behind, however it ends", async () => {
    const stop = new AbortController();
    const { signal } = stop;
    await leavesNothing(signal, async () => {
      assert.equal(await answerTo(async () => 7, signal, silence), 7);
    });
    await leavesNothing(signal, async () => {
      await assert.rejects(
        answerTo(async () => await Promise.reject(planted), signal, silence),
        planted,
      );
    });
    await leavesNothing(signal, async () => {
      await assert.rejects(answerTo(never, signal, { ...silence, limitMs: 4 }), isFault("flight_stalled"));
    });
    await leavesNothing(signal, async () => {
      const waiting = answerTo(never, signal, silence);
      assert.equal(getEventListeners(signal, "abort").length, 1);
      stop.abort(planted);
      await assert.rejects(waiting, (error) => error === planted);
    });
  });

  test("is not begun after an abort", async () => {
    let asks = 0;
    const ask = async (): Promise<void> => {
      asks += 1;
    };
    await assert.rejects(answerTo(ask, AbortSignal.abort(planted)), (error) => error === planted);
    assert.equal(asks, 0);
  });

  test("an answer that fails after it was given up is nobody's unhandled rejection", async () => {
    const stop = new AbortController();
    const late = Promise.withResolvers<never>();
    const waiting = answerTo(async () => await late.promise, stop.signal);
    stop.abort(planted);
    await assert.rejects(waiting, planted);
    late.reject(new Error("late"));
    await new Promise(setImmediate);
  });
});

describe("turns", () => {
  test("are taken in their order, one at a time, whatever becomes of the ones before", async () => {
    const turns = new Turns();
    const log: string[] = [];
    const work =
      (name: string, fails = false) =>
      async (): Promise<string> => {
        log.push(`${name} begins`);
        await new Promise(setImmediate);
        log.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      };
    assert.equal(turns.isFree, true);
    const results = Promise.allSettled([
      turns.take(work("a")),
      turns.take(work("b", true)),
      turns.take(work("c")),
    ]);
    assert.equal(turns.isFree, false);
    assert.deepEqual(
      (await results).map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    assert.deepEqual(log, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
    assert.equal(turns.isFree, true);
  });
});
