import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { saveMemoryAtRest } from "../../../src/app/memory-at-rest.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const working = 0.5;
const between = 0.1;
const resting = 0.01;

/** A process that is busy for a `share` of the time; what it does about its memory, and after how many ms. */
function live(t: TestContext) {
  const time = VirtualTime.install(t);
  const beginMs = time.uptimeMs();
  const done: (readonly [atMs: number, what: "save" | "spend" | "give back"])[] = [];
  const world = { share: working, beats: 0 };
  let usedMs = 1000;
  let lookedMs = beginMs;
  const cpuMs = (): number => {
    usedMs += world.share * (time.uptimeMs() - lookedMs);
    lookedMs = time.uptimeMs();
    return usedMs;
  };
  const note = (what: (typeof done)[number][1]): void => {
    done.push([time.uptimeMs() - beginMs, what]);
  };
  const stop = new AbortController();
  const means = {
    cpuMs,
    clock: time,
    setSaving: (isSaving: boolean) => {
      note(isSaving ? "save" : "spend");
    },
    giveBack: () => {
      note("give back");
    },
  };
  const ended = saveMemoryAtRest(means, stop.signal, () => {
    world.beats += 1;
  });
  /** A time of it, from here on at this share. */
  const at = async (share: number, forMs: number): Promise<void> => {
    // What was used until now was used at the share that there was.
    cpuMs();
    world.share = share;
    await time.advance(forMs);
  };
  const times = (what: string): number[] => done.flatMap(([atMs, one]) => (one === what ? [atMs] : []));
  return { time, world, at, done, times, stop, ended };
}

describe("memory at rest", () => {
  test("a daemon at work does nothing about its memory", async (t) => {
    const { at, done } = live(t);
    await at(working, 600_000);
    assert.deepEqual(done, []);
  });

  test("one that rests saves, once, and gives back at once and now and then", async (t) => {
    const { at, done, times } = live(t);
    await at(working, 10_000);
    await at(resting, 32_000);
    assert.deepEqual(times("save"), [12_000]);
    assert.deepEqual(times("give back"), [12_000, 22_000, 32_000, 42_000]);
    assert.equal(done.length, 5);
  });

  test("work ends the saving with the next look", async (t) => {
    const { at, times } = live(t);
    await at(resting, 11_000);
    await at(working, 60_000);
    assert.deepEqual(times("save"), [2000]);
    assert.deepEqual(times("spend"), [11_250]);
    assert.ok(Math.max(...times("give back")) < 11_250);
  });

  test("a share between rest and work changes nothing, whichever it was", async (t) => {
    const { at, times } = live(t);
    await at(between, 60_000);
    assert.deepEqual(times("save"), []);
    await at(resting, 2000);
    await at(between, 60_000);
    assert.deepEqual([times("save"), times("spend")], [[62_000], []]);
  });

  test("a loop that stood still is judged by the time that has really passed", async (t) => {
    const { at, time, times } = live(t);
    await at(resting, 10_000);
    // Two minutes in which only this process did not get to run: its timer comes late, and little was used.
    t.mock.method(
      time,
      "uptimeMs",
      (
        (real) => () =>
          real() + 120_000
      )(time.uptimeMs.bind(time)),
    );
    await time.advance(2000);
    assert.deepEqual(times("spend"), []);
  });

  test("at its end it saves no more, and owns no timer", async (t) => {
    const { at, done, time, stop, ended, world } = live(t);
    await at(resting, 10_000);
    stop.abort();
    await ended;
    assert.deepEqual(done.at(-1), [10_000, "spend"]);
    assert.equal(time.timersSet, 0);
    assert.ok(world.beats >= 5);
  });

  test("what never saved has nothing to end", async (t) => {
    const { at, done, stop, ended } = live(t);
    await at(working, 10_000);
    stop.abort();
    await ended;
    assert.deepEqual(done, []);
  });
});
