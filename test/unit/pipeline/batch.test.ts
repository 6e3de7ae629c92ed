import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Batch } from "../../../src/pipeline/batch.ts";
import { LatencyWindow } from "../../../src/pipeline/latency.ts";
import type { ReadyMessage } from "../../../src/pipeline/prepare.ts";

const limits = { maxLines: 10, maxBytes: 100, maxAgeMs: 50 };

function ready(seq: number, text: string): ReadyMessage {
  return {
    seq,
    topic: "t",
    uptimeMs: 0,
    text,
    lineCount: text.split("\n").length,
    unconfirmed: [],
    droppedCount: 0,
    isOwn: false,
  };
}

describe("batch", () => {
  test("is due when its oldest message has waited long enough", () => {
    const batch = new Batch(limits);
    batch.add(ready(1, "a"), 1000, 0);
    batch.add(ready(2, "b"), 1040, 0);
    assert.equal(batch.dueInMs(1040), 10);
    assert.equal(batch.dueInMs(1050), 0);
    assert.equal(batch.dueInMs(9999), 0);
  });

  test("is due at once when it is full, by lines or by bytes", () => {
    const byLines = new Batch(limits);
    byLines.add(ready(1, "a\n".repeat(9) + "a"), 0, 0);
    assert.equal(byLines.dueInMs(0), 0);
    const byBytes = new Batch(limits);
    byBytes.add(ready(1, "ä".repeat(50)), 0, 0);
    assert.equal(byBytes.dueInMs(0), 0);
  });

  test("keeps the version of its oldest lines, and so do its halves", () => {
    const batch = new Batch(limits);
    batch.add(ready(1, "a"), 0, 3);
    batch.add(ready(2, "b"), 0, 4);
    assert.equal(batch.schemaVersion, 3);
    assert.deepEqual(
      batch.halves().map(({ schemaVersion, seqs }) => [schemaVersion, seqs.intervals]),
      [
        [3, [{ lo: 1, hi: 1 }]],
        [3, [{ lo: 2, hi: 2 }]],
      ],
    );
  });

  test("never above its limits, unless one message alone is; nothing is left out or changed", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(
            fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }).map((s) => s.replaceAll(/\s/g, "_")),
            { minLength: 1, maxLength: 4 },
          ),
          { maxLength: 40 },
        ),
        (messages) => {
          const sent: Batch[] = [];
          let batch = new Batch(limits);
          for (const [index, lines] of messages.entries()) {
            const message = ready(index + 1, lines.join("\n"));
            if (batch.wouldOverflow(message)) {
              sent.push(batch);
              batch = new Batch(limits);
            }
            batch.add(message, 0, 0);
          }
          if (!batch.isEmpty) sent.push(batch);
          for (const one of sent) {
            assert.equal(one.lineCount, one.text.split("\n").length);
            assert.deepEqual(
              [...one.messages].map(({ seq }) => one.seqs.has(seq)),
              one.messages.map(() => true),
            );
            if (one.messages.length === 1) continue;
            assert.ok(one.lineCount <= limits.maxLines);
            assert.ok(Buffer.byteLength(one.text) <= limits.maxBytes);
          }
          assert.equal(
            sent.map(({ text }) => text).join("\n"),
            messages.map((lines) => lines.join("\n")).join("\n"),
          );
        },
      ),
    );
  });
});

describe("latency window", () => {
  test("percentiles of what is there; nothing before the first sample", () => {
    const window = new LatencyWindow();
    assert.equal(window.percentileMs(0.5), undefined);
    for (let ms = 100; ms >= 1; ms -= 1) window.add(ms);
    assert.deepEqual(
      [0.01, 0.5, 0.99, 1].map((share) => window.percentileMs(share)),
      [1, 50, 99, 100],
    );
  });

  test("the oldest samples are forgotten", () => {
    const window = new LatencyWindow();
    window.add(1_000_000);
    for (let i = 0; i < 2048; i += 1) window.add(5);
    assert.equal(window.percentileMs(1), 5);
  });
});
