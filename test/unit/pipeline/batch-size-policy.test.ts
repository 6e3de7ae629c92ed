import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BatchSize,
  fullSize,
  isSmallest,
  probeFailed,
  sizeFailed,
  sizeSucceeded,
  sizeTooLarge,
} from "../../../src/pipeline/batch-size-policy.ts";

/** After writes, a second apart: each of a share, which passed (+) or failed (-). */
function after(
  story: readonly (readonly ["+" | "-" | "probe", number])[],
  size: BatchSize = fullSize,
): BatchSize {
  let now = 1_000_000;
  for (const [end, share] of story) {
    if (end === "+") size = sizeSucceeded(size, share, now);
    else size = end === "-" ? sizeFailed(size, share, now) : probeFailed(size, share);
    now += 1000;
  }
  return size;
}

test("a failure lowers nothing, however soon after a success, and neither do probes", () => {
  const probes = Array.from({ length: 50 }, () => ["probe", 0.01] as const);
  const size = after([["+", 0.5], ["-", 0.5], ...probes]);
  assert.equal(size.share, 1);
  assert.ok(isSmallest(size.probeShare), "down to a single uplink");
  assert.equal(sizeSucceeded(size, 0.001, 1_100_000).probeShare, 1);
});

test("when a smaller one passed and a larger one fails again, it was the size", () => {
  const story = [
    ["-", 0.6],
    ["+", 0.01],
    ["-", 0.6],
  ] as const;
  assert.equal(after(story).share, 0.3);
  assert.equal(after([...story, ["+", 0.02], ["+", 0.3], ["+", 0.3]]).share, 0.3, "it stays there");
  assert.equal(after([...story, ["+", 0.2], ["-", 0.3]]).share, 0.2, "and does not fall below what passed");
});

test("it was not the size when one as large has passed since, or only one as small failed again", () => {
  assert.equal(
    after([
      ["-", 0.6],
      ["+", 0.01],
      ["+", 0.6],
      ["-", 0.6],
    ]).share,
    1,
  );
  assert.equal(
    after([
      ["-", 0.6],
      ["+", 0.1],
      ["-", 0.1],
    ]).share,
    1,
  );
});

test("after ten minutes the full size is tried again", () => {
  const size = after([
    ["-", 1],
    ["+", 0.01],
    ["-", 1],
  ]);
  assert.equal(sizeSucceeded(size, 0.5, 1_601_999).share, 1 / 2);
  assert.equal(sizeSucceeded(size, 0.5, 1_602_000).share, 1);
});

test("the size never leaves its bounds", () => {
  let size = fullSize;
  for (let count = 0; count < 100; count += 1) {
    size = sizeFailed(sizeSucceeded(size, 1e-9, 0), 1, 0);
    size = sizeFailed(size, size.share, 0);
  }
  assert.ok(size.share > 0 && isSmallest(size.share));
  for (let writes = 0; writes < 100; writes += 1) size = sizeSucceeded(size, 0, 1e9);
  assert.equal(size.share, 1);
});

test("what is too large halves the size at once and keeps it there, then it grows again", () => {
  const size = sizeTooLarge(fullSize, 0.6, 1000);
  assert.equal(size.share, 0.3);
  assert.equal(sizeSucceeded(size, 0.3, 600_999).share, 0.3);
  assert.equal(sizeSucceeded(size, 0.3, 601_000).share, 0.6);
});

test("a small batch that is too large says nothing against a size that was taken lately", () => {
  const taken = sizeSucceeded(fullSize, 0.4, 1000);
  assert.equal(sizeTooLarge(taken, 0.1, 2000).share, 0.4);
  assert.equal(sizeTooLarge(taken, 0.1, 601_000).share, 0.05, "that was long ago");
});
