import assert from "node:assert/strict";
import { test } from "node:test";
import { type Frame, frameOf, FrameReader, maxFrameBytes } from "../../../src/streams/frames.ts";

const messages = [
  { time: 2n ** 63n - 1n, bytes: new Uint8Array([0, 255]), text: "µ\u0000", none: null },
  { list: [1.5, -0, Number.NaN, true, undefined] },
  { long: "x".repeat(100_000) },
];

const bytes = Buffer.concat(messages.map((message) => frameOf(message) ?? Buffer.alloc(0)));

function values(frames: Iterable<Frame>): unknown[] {
  return [...frames].map((frame) => (frame.kind === "message" ? frame.value : frame.kind));
}

test("messages come out as they went in, however the bytes are cut", () => {
  for (const size of [1, 2, 3, 5, 7, 1000, 65_536, bytes.length]) {
    const reader = new FrameReader();
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length; at += size)
      frames.push(...reader.read(bytes.subarray(at, at + size)));
    assert.deepEqual(values(frames), messages, `in chunks of ${size}`);
  }
});

test("what is no value of V8 is one broken frame, and those after it are read", () => {
  const broken = Buffer.from([0, 0, 0, 3, 1, 2, 3]);
  const good = frameOf({ a: 1 }) ?? Buffer.alloc(0);
  const read = new FrameReader().read(Buffer.concat([broken, good, broken, good]));
  assert.deepEqual(values(read), ["broken", { a: 1 }, "broken", { a: 1 }]);
});

test("a length that no frame has, none or one beyond the limit, loses the channel, and nothing after it is kept", () => {
  for (const none of [0, maxFrameBytes + 1]) {
    const reader = new FrameReader();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(none);
    assert.deepEqual(values(reader.read(Buffer.concat([length, length, bytes]))), ["lost"], `${none}`);
    assert.deepEqual(values(reader.read(bytes)), []);
  }
});

test("a frame says how long it is, and one that nobody asks for is not decoded", () => {
  const good = frameOf({ a: 1 }) ?? Buffer.alloc(0);
  const [first] = new FrameReader().read(Buffer.concat([good, bytes]));
  assert.deepEqual(first, { kind: "message", value: { a: 1 }, bytes: good.length });
});

test("what would be longer than the limit is not made", () => {
  assert.equal(frameOf({ text: "x".repeat(maxFrameBytes) }), undefined);
});
