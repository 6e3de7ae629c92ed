import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BatchSize,
  fullSize,
  isSmallest,
  sizeFailed,
  sizeSucceeded,
} from "../../../src/pipeline/batch-size-policy.ts";

/** Shares after a story of successes (+) and failures (-), a second apart. */
function shares(story: string, size: BatchSize = fullSize, startMs = 1_000_000): number[] {
  const seen: number[] = [];
  let now = startMs;
  for (const event of story) {
    size = event === "+" ? sizeSucceeded(size, now) : sizeFailed(size, now);
    seen.push(size.share);
    now += 1000;
  }
  return seen;
}

test("without a success before them, failures halve the size and successes double it", () => {
  assert.deepEqual(shares("---+++"), [1 / 2, 1 / 4, 1 / 8, 1 / 4, 1 / 2, 1]);
});

test("a failure soon after a success keeps the size below what failed", () => {
  assert.deepEqual(shares("+-+++"), [1, 1 / 2, 1 / 2, 1 / 2, 1 / 2]);
  assert.deepEqual(shares("+--+++"), [1, 1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 4]);
});

test("after ten minutes the full size is tried again", () => {
  const failed = sizeFailed(sizeSucceeded(fullSize, 0), 1000);
  assert.equal(sizeSucceeded(failed, 600_999).share, 1 / 2);
  assert.equal(sizeSucceeded(failed, 601_000).share, 1);
});

test("an outage that began after a success costs half the size afterwards, not all of it", () => {
  let size = sizeSucceeded(fullSize, 0);
  let now = 30_000;
  size = sizeFailed(size, now);
  for (let failures = 0; failures < 50; failures += 1) size = sizeFailed(size, (now += 61_000));
  assert.ok(isSmallest(size));
  for (let writes = 0; writes < 13; writes += 1) size = sizeSucceeded(size, now);
  assert.ok(size.share >= 1 / 2, `${size.share}`);
});

test("the size never leaves its bounds", () => {
  let size = fullSize;
  for (let failures = 0; failures < 100; failures += 1) size = sizeFailed(size, 0);
  assert.ok(size.share > 0 && isSmallest(size));
  for (let writes = 0; writes < 100; writes += 1) size = sizeSucceeded(size, 1e9);
  assert.equal(size.share, 1);
});
