import assert from "node:assert/strict";
import { test } from "node:test";
import { Watch } from "../../../src/streams/watch.ts";

const settings = { maxRssBytes: 1e12, memoryEveryMs: 500, pingEveryMs: 2000, pingTimeoutMs: 10_000 };

function watched(overrides: Partial<typeof settings> = {}): { watch: Watch; pings: number[] } {
  const pings: number[] = [];
  const watch = new Watch({ ...settings, ...overrides }, 0, ({ id }) => pings.push(id));
  return { watch, pings };
}

test("a process that answers is asked every two seconds, and not before it is ready", () => {
  const { watch, pings } = watched();
  for (let nowMs = 500; nowMs <= 3000; nowMs += 500) watch.look(process.pid, nowMs, false);
  assert.deepEqual(pings, []);
  for (let nowMs = 3500; nowMs <= 11_000; nowMs += 250) {
    assert.equal(watch.look(process.pid, nowMs, true), undefined);
    const last = pings.at(-1);
    if (last !== undefined) watch.pong(last);
  }
  assert.deepEqual(pings, [1, 2, 3, 4]);
});

test("silence of ten seconds is a stuck process; a late pong, and not an old one, ends it", () => {
  const { watch, pings } = watched();
  watch.look(process.pid, 500, true);
  let nowMs = 500;
  const passes = (untilMs: number): string | undefined => {
    while (nowMs < untilMs) {
      nowMs += 500;
      const failure = watch.look(process.pid, nowMs, true);
      if (failure !== undefined) return failure.code;
    }
    return undefined;
  };
  assert.equal(passes(10_000), undefined);
  watch.pong(1);
  assert.equal(passes(10_500), undefined);
  assert.deepEqual(pings, [1, 2]);
  watch.pong(1);
  assert.equal(passes(20_000), undefined);
  assert.equal(passes(21_500), "streams_stuck");
  assert.equal(nowMs, 21_000);
});

test("time in which the daemon itself stood still is no silence of the process", () => {
  const { watch } = watched();
  watch.look(process.pid, 500, true);
  assert.equal(watch.look(process.pid, 3_600_000, true), undefined);
});

test("memory is what the kernel says of the process, and a process that is gone has none", () => {
  const { watch } = watched({ maxRssBytes: 1024 * 1024 });
  assert.equal(watch.look(process.pid, 100, true), undefined);
  const failure = watch.look(process.pid, 500, true);
  assert.equal(failure?.code, "streams_memory");
  assert.match(failure.what, /^took \d+\.\d MiB of memory, more than its 1\.0 MiB, and was killed$/);
  assert.equal(watch.look(2 ** 30, 1000, true), undefined);
});
