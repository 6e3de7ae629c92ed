import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { JournalMessage } from "../../../src/journal/message.ts";
import { Tail } from "../../../src/journal/tail.ts";
import { message } from "./fixture.ts";

const maxBytes = 8 * 1024 * 1024;

function entry(seq: number, payload = Buffer.from("x")): JournalMessage {
  return { ...message(""), payload, seq, bootKey: 1 };
}

function run(first: number, count: number): JournalMessage[] {
  return Array.from({ length: count }, (_, index) => entry(first + index));
}

/** The oldest seq that the tail can still give. */
function oldest(tail: Tail, newest: number): number {
  let low = 1;
  while (tail.read(low, newest, 1) === undefined) low += 1;
  return low;
}

test("an empty tail knows nothing", () => {
  assert.equal(new Tail().read(1, 10, 10), undefined);
});

test("what it gives is right; what it does not reach is left to the file", () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.nat(6), { maxLength: 6 }),
      range,
      fc.nat(10),
      (start, groups, [lo, hi], maxCount) => {
        const tail = new Tail();
        let next = start;
        for (const count of groups) {
          tail.push(run(next, count));
          next += count;
        }
        const given = tail.read(lo, hi, maxCount)?.map(({ seq }) => seq);
        if (next === start || lo < start) {
          assert.equal(given, undefined);
          return;
        }
        const expected = run(start, next - start).filter(({ seq }) => seq >= lo && seq <= hi);
        assert.deepEqual(
          given,
          expected.slice(0, maxCount).map(({ seq }) => seq),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("it holds at most 4096 messages, a run that ends at the newest", () => {
  const tail = new Tail();
  let newest = 0;
  for (const count of [4000, 96, 1, 3000, 5000, 1]) {
    tail.push(run(newest + 1, count));
    newest += count;
    const first = oldest(tail, newest);
    const held = tail.read(first, newest, 10_000) ?? [];
    assert.ok(held.length <= 4096 && held.length >= Math.min(newest, 2048), `${held.length}`);
    assert.equal(held.at(-1)?.seq, newest);
    assert.ok(held.every(({ seq }, index) => seq === first + index));
  }
});

test("it holds at most 8 MiB", () => {
  const tail = new Tail();
  const payload = Buffer.alloc(100_000);
  for (let seq = 1; seq <= 300; seq += 1) {
    tail.push([entry(seq, payload)]);
    const held = tail.read(oldest(tail, seq), seq, 10_000) ?? [];
    assert.ok(held.length * payload.length <= maxBytes);
    assert.equal(held.at(-1)?.seq, seq);
  }
});

test("topics count as well", () => {
  const tail = new Tail();
  const topic = "ü".repeat(30_000);
  for (let seq = 1; seq <= 300; seq += 1) tail.push([{ ...entry(seq), topic }]);
  const held = tail.read(oldest(tail, 300), 300, 10_000) ?? [];
  assert.ok(held.length > 0 && held.length * 60_000 <= maxBytes, `${held.length}`);
});

test("a message larger than the tail leaves it empty, and it goes on after that", () => {
  const tail = new Tail();
  tail.push(run(1, 10));
  tail.push([entry(11, Buffer.alloc(maxBytes + 1))]);
  assert.equal(tail.read(11, 11, 1), undefined);
  tail.push(run(12, 2));
  assert.deepEqual(
    tail.read(12, 99, 9)?.map(({ seq }) => seq),
    [12, 13],
  );
  assert.equal(tail.read(11, 13, 9), undefined);
});
