import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchSizer } from "../../../src/pipeline/batch-sizer.ts";
import { readyMessage } from "../../../src/pipeline/ready.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";

const limits = { maxLines: 100, maxBytes: 1000, maxAgeMs: 50 };

function messageOf(lineCount: number) {
  const line = { table: "m", text: "x".repeat(99), unconfirmed: [], hasClaimed: true };
  const lines = Array.from({ length: lineCount }, (_, row) => ({ ...line, row }));
  const message = new MemoryLog().append({ topic: "t", payload: Buffer.from("p") });
  return readyMessage(message, lines, { droppedCount: 0, isOwn: false, device: undefined });
}

function setUp() {
  const clock = { nowMs: () => 0, uptimeMs: () => 1000 };
  const sizer = new BatchSizer(limits, clock);
  const batchOf = (lineCount: number) => {
    const batch = sizer.newBatch();
    batch.add(messageOf(lineCount), 0, 0);
    return batch;
  };
  return { sizer, batchOf };
}

test("after a batch that was too large the next ones are half of it; a single line changes nothing", () => {
  const { sizer, batchOf } = setUp();
  assert.equal(sizer.tooLarge(batchOf(1)), false);
  assert.equal(batchOf(9).dueInMs(0) > 0, true, "nine lines fill no batch");
  assert.equal(sizer.tooLarge(batchOf(8)), true);
  assert.equal(batchOf(4).dueInMs(0), 0, "four do now");
});

test("a probe that fails is the batch's doing until probes are the smallest, and never when nobody listens", () => {
  const { sizer, batchOf } = setUp();
  assert.equal(sizer.failed(batchOf(1), "connection_refused", true), "server");
  for (let count = 0; sizer.failed(batchOf(1), "write_timeout", true) === "batch"; count += 1)
    assert.ok(count < 13);
  const one = sizer.newBatch(true);
  one.add(messageOf(1), 0, 0);
  assert.equal(one.dueInMs(0), 0, "one line fills a probe");
  assert.ok(batchOf(1).dueInMs(0) > 0, "but no batch");
  sizer.succeeded(one);
  assert.equal(sizer.failed(batchOf(1), "write_timeout", true), "batch");
});
