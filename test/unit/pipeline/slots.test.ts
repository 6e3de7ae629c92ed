import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { type Lane, Slots } from "../../../src/pipeline/slots.ts";

const never = new AbortController().signal;

/** Starts to wait; says how it ended, once it has. */
function acquire(slots: Slots, lane: Lane, signal = never): { result: boolean | undefined } {
  const waiting: { result: boolean | undefined } = { result: undefined };
  void wait();
  return waiting;
  async function wait(): Promise<void> {
    waiting.result = await slots.acquire(lane, signal);
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("slots", () => {
  test("fresh before backlog, whoever came first", async () => {
    const slots = new Slots(1);
    assert.equal(await slots.acquire("fresh", never), true);
    const backlog = acquire(slots, "backlog");
    const fresh = acquire(slots, "fresh");
    await turn();
    slots.release("fresh");
    // Nobody slips in between the release and the one who waits.
    const late = acquire(slots, "fresh");
    await turn();
    assert.deepEqual([fresh.result, backlog.result, late.result], [true, undefined, undefined]);
    slots.release("fresh");
    slots.release("fresh");
    await turn();
    assert.deepEqual([late.result, backlog.result], [true, true]);
  });

  test("the backlog never takes the last slot, unless there is only one", async () => {
    const four = new Slots(4);
    const waiting = Array.from({ length: 5 }, () => acquire(four, "backlog"));
    await turn();
    assert.equal(waiting.filter(({ result }) => result === true).length, 3);
    assert.equal(await four.acquire("fresh", never), true);
    four.release("fresh");
    await turn();
    assert.equal(waiting.filter(({ result }) => result === true).length, 3);
    assert.equal(await new Slots(1).acquire("backlog", never), true);
  });

  test("who gives up leaves no place in the queue behind", async () => {
    const slots = new Slots(1);
    await slots.acquire("backlog", never);
    const abort = new AbortController();
    const fresh = acquire(slots, "fresh", abort.signal);
    const backlog = acquire(slots, "backlog");
    abort.abort();
    await turn();
    assert.equal(fresh.result, false);
    slots.release("backlog");
    await turn();
    assert.equal(backlog.result, true);
  });

  test("an aborted caller gets no slot, though one is free", async () => {
    const slots = new Slots(1);
    assert.equal(await slots.acquire("fresh", AbortSignal.abort()), false);
    assert.equal(await slots.acquire("fresh", never), true);
  });

  test("any order of asking, giving back and giving up: as many as there are, and nobody waits in vain", async () => {
    const step = fc.record({
      do: fc.constantFrom("acquire", "acquire", "release", "abort"),
      lane: fc.constantFrom<Lane>("fresh", "backlog"),
      pick: fc.nat(100),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 40, size: "max" }),
        async (capacity, steps) => {
          const slots = new Slots(capacity);
          let waiting: { lane: Lane; abort: AbortController; state: { result: boolean | undefined } }[] = [];
          const held: Lane[] = [];
          for (const { do: what, lane, pick } of steps) {
            if (what === "acquire") {
              const abort = new AbortController();
              waiting.push({ lane, abort, state: acquire(slots, lane, abort.signal) });
            } else if (what === "abort") {
              waiting[pick % Math.max(1, waiting.length)]?.abort.abort();
            } else {
              const [lane] = held.splice(pick % Math.max(1, held.length), 1);
              if (lane !== undefined) slots.release(lane);
            }
            await Promise.resolve();
            await Promise.resolve();
            await turn();
            held.push(...waiting.filter(({ state }) => state.result === true).map((one) => one.lane));
            waiting = waiting.filter(({ state }) => state.result === undefined);
            const backlogHeld = held.filter((lane) => lane === "backlog").length;
            const free = capacity - held.length;
            assert.ok(free >= 0 && backlogHeld <= Math.max(1, capacity - 1));
            const waits = new Set(waiting.map((one) => one.lane));
            assert.ok(!(free > 0 && waits.has("fresh")), "fresh waits beside a free slot");
            assert.ok(!(free > 0 && waits.has("backlog") && backlogHeld < Math.max(1, capacity - 1)));
          }
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });
});
