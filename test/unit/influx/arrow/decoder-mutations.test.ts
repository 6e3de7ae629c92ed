/**
 * Whatever is done to a good message, decoding it ends soon with a fault or with a batch that can be walked from end to
 * end: every column as long as the batch, every value there to be read.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type RecordBatch, tableFromArrays, Table, Utf8View, vectorFromArray } from "apache-arrow";
import * as fc from "fast-check";
import { ArrowDecoder, type IpcMessage } from "../../../../src/influx/arrow/decoder.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import {
  encodedBy,
  forgeBatch,
  forgeDictionary,
  forgeSchema,
  int32,
  utf8,
} from "../../../support/arrow-forge.ts";
import { messagesOf } from "../../../support/arrow-messages.ts";

const none = new Uint8Array(0);

const streams: Readonly<Record<string, readonly IpcMessage[]>> = {
  "plain columns": messagesOf(
    tableFromArrays({
      time: BigInt64Array.of(1n, 2n, 3n),
      value: Float64Array.of(1, 2, 3),
      room: ["a", "größe", null],
    }),
  ),
  "compressed columns": messagesOf(
    tableFromArrays({ value: new Int32Array(100), room: Array.from({ length: 100 }, () => "a") }),
    { compression: "zstd" },
  ),
  views: messagesOf(
    new Table({ x: vectorFromArray(["short", "a text of more than twelve bytes", null], new Utf8View()) }),
  ),
  "lists of dictionaries": [
    forgeSchema({ type: [12], children: [{ type: utf8, dictionary: encodedBy(1) }] }),
    forgeDictionary(1, {
      length: 2,
      nodes: [[2, 0]],
      buffers: [none, Int32Array.of(0, 1, 3), Buffer.from("aö")],
    }),
    forgeBatch({
      length: 2,
      nodes: [
        [2, 1],
        [3, 0],
      ],
      buffers: [Uint8Array.of(2), Int32Array.of(0, 0, 3), none, Int8Array.of(0, 1, 0)],
    }),
  ],
  "unions and structs": [
    forgeSchema(
      { name: "u", type: [14, [{ i16: 1 }, { i32s: [0, 1] }]], children: [{ type: int32 }, { type: utf8 }] },
      {
        name: "s",
        type: [13],
        children: [
          { name: "a", type: [6] },
          { name: "n", type: [1] },
        ],
      },
    ),
    forgeBatch({
      length: 2,
      nodes: [
        [2, 0],
        [1, 0],
        [1, 0],
        [2, 0],
        [2, 0],
        [2, 2],
      ],
      buffers: [
        Int8Array.of(0, 1),
        Int32Array.of(0, 0),
        none,
        Int32Array.of(7),
        none,
        Int32Array.of(0, 1),
        Buffer.from("x"),
        none,
        none,
        Uint8Array.of(1),
      ],
    }),
  ],
};

/** Reads every value as arrow-js does, with everything inside of it. */
function walk(batch: RecordBatch): void {
  for (const [index, { length }] of batch.data.children.entries()) {
    assert.equal(length, batch.numRows);
    const vector = batch.getChildAt(index);
    for (let row = 0; row < length; row += 1) String(vector?.get(row));
  }
}

/** Decodes a stream to its end or its first fault; anything else that is thrown comes out. */
function outcome(messages: readonly IpcMessage[]): Fault | undefined {
  const decoder = new ArrowDecoder({ maxDecodedBytes: 1_000_000 });
  try {
    for (const message of messages) {
      const decoded = decoder.decode(message);
      if (decoded.kind === "batch") walk(decoded.batch);
    }
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  return undefined;
}

/** A byte, or a whole word with a number that is likely to matter, at a place given as a fraction. */
const changes = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
    value: fc.oneof(
      fc.record({ bytes: fc.constant(1), number: fc.nat(255) }),
      fc.record({
        bytes: fc.constant(4),
        number: fc.constantFrom(0, 1, 8, 16, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0100_0000),
      }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

function changed(
  bytes: Uint8Array,
  what: typeof changes extends fc.Arbitrary<infer T> ? T : never,
): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  for (const { at, value } of what) {
    const room = copy.length - value.bytes;
    if (room < 0) continue;
    const place = Math.floor(at * (room + 1));
    if (value.bytes === 1) view.setUint8(place, value.number);
    else view.setUint32(value.number % 2 === 0 ? place - (place % 4) : place, value.number, true);
  }
  return copy;
}

describe("a changed stream ends with a fault or with batches that can be walked", () => {
  for (const [name, messages] of Object.entries(streams)) {
    test(`of ${name}`, () => {
      assert.equal(outcome(messages), undefined);
      const codes = new Set<string>();
      const runs = 1500;
      let slowestMs = 0;
      const which = fc.nat(messages.length - 1);
      fc.assert(
        fc.property(which, fc.constantFrom("header", "header", "body"), changes, (index, part, what) => {
          const attacked = messages.map((message, i) =>
            i === index ? { ...message, [part]: changed(message[part], what) } : message,
          );
          const before = performance.now();
          codes.add(outcome(attacked)?.code ?? "none");
          slowestMs = Math.max(slowestMs, performance.now() - before);
        }),
        { numRuns: runs },
      );
      assert.ok(codes.has("flight_bad_stream") && codes.has("none"), [...codes].join());
      assert.ok(slowestMs < 2000, `${slowestMs} ms`);
    });
  }

  test("of messages that are cut short", () => {
    for (const messages of Object.values(streams)) {
      for (const [index, { header, body }] of messages.entries()) {
        for (let length = 0; length < header.length; length += 1) {
          outcome(
            messages.map((each, i) => (i === index ? { header: header.subarray(0, length), body } : each)),
          );
        }
        for (let length = 0; length < body.length; length += 1) {
          const cut = messages.map((each, i) =>
            i === index ? { header, body: body.subarray(0, length) } : each,
          );
          assert.equal(outcome(cut)?.code, "flight_bad_stream");
        }
      }
    }
  });
});
