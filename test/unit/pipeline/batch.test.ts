import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Batch } from "../../../src/pipeline/batch.ts";
import { LatencyWindow } from "../../../src/pipeline/latency.ts";
import { type ReadyMessage, readyMessage } from "../../../src/pipeline/ready.ts";
import { MemoryLog } from "../../support/fakes/memory-log.ts";

const limits = { maxLines: 10, maxBytes: 100, maxAgeMs: 50 };

function ready(seq: number, text: string): ReadyMessage {
  const message = { ...new MemoryLog().append({ topic: "t", payload: Buffer.from("p") }), seq };
  const lines = text
    .split("\n")
    .map((line, row) => ({ row, table: "m", text: line, unconfirmed: [], hasClaimed: true }));
  return readyMessage(message, lines, {
    droppedCount: 0,
    isOwn: false,
    device: undefined,
  });
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
      batch
        .halves()
        .map(({ schemaVersion, parts }) => [schemaVersion, parts.map((part) => part.message.seq)]),
      [
        [3, [1]],
        [3, [2]],
      ],
    );
  });

  test("a line has the number that a server gives it", () => {
    const batch = new Batch(limits);
    batch.add(ready(7, "a\nb"), 0, 0);
    batch.add(ready(8, "c"), 0, 0);
    const found = [0, 1, 2, 3, 4].map((number) => batch.lineAt(number));
    assert.deepEqual(
      found.map((each) => [each?.message.seq, each?.line.text]),
      [
        [undefined, undefined],
        [7, "a"],
        [7, "b"],
        [8, "c"],
        [undefined, undefined],
      ],
    );
  });

  test("a message alone is halved between its lines; what is left out takes its bytes along", () => {
    const batch = new Batch(limits);
    batch.add(ready(1, "a\nbb\nccc"), 0, 3);
    const halves = batch.halves();
    assert.deepEqual(
      halves.map((half) => [half.text, half.bytes, half.schemaVersion, half.onlyMessage?.seq]),
      [
        ["a\nbb", 5, 3, 1],
        ["ccc", 4, 3, 1],
      ],
    );
    const rest = batch.without((_part, { text }) => text === "bb");
    assert.deepEqual([rest.text, rest.bytes, rest.lineCount], ["a\nccc", 6, 2]);
    assert.ok(batch.without(() => true).isEmpty);
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
            if (one.onlyMessage !== undefined) continue;
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
