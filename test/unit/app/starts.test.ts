import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { child, criticalChild } from "../../../src/app/children.ts";
import {
  inSafeMode,
  isEssential,
  type Placed,
  recordCalm,
  resume,
  stillWaiting,
  type Waiting,
} from "../../../src/app/starts.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const minute = 60_000;

async function nothing(): Promise<void> {
  await Promise.resolve();
}

function placed(...names: readonly string[]): Placed[] {
  return names.map((name) => [child(name, minute, nothing), 3]);
}

function namesOf(waiting: readonly Waiting[]): string[] {
  return waiting.map(({ child: { name } }) => name);
}

test("whatever is critical is there in safe mode, and so is who tells of it", () => {
  assert.ok(isEssential(criticalChild("forward7", minute, nothing)));
  assert.ok(isEssential(child("control", minute, nothing)));
  assert.ok(!isEssential(child("project", minute, nothing)));
});

describe("what waits in safe mode", () => {
  test("is started 15 minutes after the daemon, two minutes apart, the suspect last", () => {
    const waiting = inSafeMode(placed("project", "node", "report"), "project", 5000);
    assert.deepEqual(namesOf(waiting), ["node", "report", "project"]);
    assert.deepEqual(
      waiting.map(({ startsAtMs }) => startsAtMs),
      [15, 17, 19].map((at) => 5000 + at * minute),
    );
  });

  test("a suspect that does not wait changes nothing", () => {
    assert.deepEqual(namesOf(inSafeMode(placed("project", "node"), "forward", 0)), ["project", "node"]);
    assert.deepEqual(namesOf(inSafeMode(placed("project", "node"), undefined, 0)), ["project", "node"]);
  });
});

describe("what waits after a reload", () => {
  const waiting = inSafeMode(placed("report", "project", "node"), undefined, 0);
  const former = new Set(["forward", "project", "node"]);

  test("has its place and its time, and is the new part", () => {
    const rest = placed("node", "project");
    const after = stillWaiting(waiting, former, rest);
    assert.deepEqual(namesOf(after), ["report", "project", "node"]);
    assert.deepEqual(
      after.map(({ startsAtMs }) => startsAtMs),
      waiting.map(({ startsAtMs }) => startsAtMs),
    );
    assert.equal(after[0], waiting[0], "no part of what is replaced");
    assert.deepEqual([after[1]?.child, after[2]?.child], [rest[1]?.[0], rest[0]?.[0]]);
  });

  test("is not what nobody wants any more; what is new comes after the last", () => {
    const fewer = stillWaiting(waiting, former, placed("project"));
    assert.deepEqual(namesOf(fewer), ["report", "project"]);
    const more = stillWaiting(fewer, new Set(["forward", "project"]), placed("project", "node"));
    assert.deepEqual(namesOf(more), ["report", "project", "node"]);
    assert.equal(more[2]?.startsAtMs, (fewer[1]?.startsAtMs ?? 0) + 2 * minute);
  });
});

describe("resuming", () => {
  /** Resumes; `started` says when, in minutes. */
  function resuming(t: TestContext, waiting: Waiting[]) {
    const time = VirtualTime.install(t);
    const beginMs = time.uptimeMs();
    for (const [index, one] of waiting.entries()) {
      waiting[index] = { ...one, startsAtMs: one.startsAtMs + beginMs };
    }
    const started: (readonly [name: string, atMinutes: number])[] = [];
    const stop = new AbortController();
    let longestMs = 0;
    let beatMs = beginMs;
    const beat = (): void => {
      longestMs = Math.max(longestMs, time.uptimeMs() - beatMs);
      beatMs = time.uptimeMs();
    };
    const start = async (next: Waiting): Promise<void> => {
      await Promise.resolve();
      waiting.splice(waiting.indexOf(next), 1);
      started.push([next.child.name, (time.uptimeMs() - beginMs) / minute]);
    };
    const ended = resume(waiting, start, time, stop.signal, beat);
    return { time, started, stop, ended, longestMs: () => longestMs };
  }

  test("starts one after the other when it is time, beats meanwhile, and ends", async (t) => {
    const { time, started, ended, longestMs } = resuming(
      t,
      inSafeMode(placed("project", "node", "report"), "project", 0),
    );
    await time.advance(30 * minute);
    await ended;
    assert.deepEqual(started, [
      ["node", 15],
      ["report", 17],
      ["project", 19],
    ]);
    assert.ok(longestMs() <= 10_000, `silent for ${longestMs()} ms`);
    assert.equal(time.timersSet, 0);
  });

  test("with nothing that waits it ends at once", async (t) => {
    const { ended, started } = resuming(t, []);
    await ended;
    assert.deepEqual(started, []);
  });

  test("told to stop it ends, and starts nothing more", async (t) => {
    const { time, started, stop, ended } = resuming(t, inSafeMode(placed("project", "node"), undefined, 0));
    await time.advance(16 * minute);
    stop.abort();
    await ended;
    assert.deepEqual(started, [["project", 15]]);
    assert.equal(time.timersSet, 0);
  });
});

describe("a run that has become calm", () => {
  const full = new Fault({
    code: "start_unrecorded",
    layer: "journal",
    disposition: "retry",
    message: "no room",
    hint: "make some",
  });

  /** Records calm where the first `refusals` are not possible. */
  function calming(t: TestContext, refusals: number) {
    const time = VirtualTime.install(t);
    const marks: number[] = [];
    const beginMs = time.uptimeMs();
    const markCalm = (): Fault | undefined => {
      marks.push((time.uptimeMs() - beginMs) / minute);
      return marks.length <= refusals ? full : undefined;
    };
    const stop = new AbortController();
    const ended = recordCalm({ markCalm }, stop.signal);
    return { time, marks, stop, ended };
  }

  test("is recorded after ten minutes, once", async (t) => {
    const { time, marks, ended } = calming(t, 0);
    await time.advance(11 * minute);
    await ended;
    assert.deepEqual(marks, [10]);
  });

  test("where the disk is full, it is tried each minute until there is room", async (t) => {
    const { time, marks, ended } = calming(t, 2);
    await time.advance(13 * minute);
    await ended;
    assert.deepEqual(marks, [10, 11, 12]);
  });

  test("that is stopped before is not calm", async (t) => {
    const { time, marks, stop, ended } = calming(t, 0);
    await time.advance(9 * minute);
    stop.abort();
    await ended;
    assert.deepEqual([marks, time.timersSet], [[], 0]);
  });
});
