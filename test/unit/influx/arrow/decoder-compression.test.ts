/** Compressed bodies: what comes out is what went in, no more memory is taken than allowed, and damage is noticed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { makeBuilder, Table, Utf8 } from "apache-arrow";
import * as fc from "fast-check";
import { ArrowDecoder, type IpcMessage } from "../../../../src/influx/arrow/decoder.ts";
import { decodeLz4Frame } from "../../../../src/influx/arrow/lz4.ts";
import { xxHash32 } from "../../../../src/influx/arrow/xxhash32.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import {
  forgeBatch,
  forgeDictionary,
  encodedBy,
  forgeSchema,
  int32,
  utf8,
} from "../../../support/arrow-forge.ts";
import { messagesOf } from "../../../support/arrow-messages.ts";
import { lz4Frames, lz4Text } from "../../../support/lz4-frames.ts";

const lz4Codec = [{ u8: 0 }];
const zstdCodec = [{ u8: 1 }];

/** A compressed buffer: its size, then what the codec made. */
function buffer(size: number | bigint, compressed: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(8 + compressed.length);
  bytes.writeBigInt64LE(BigInt(size));
  bytes.set(compressed, 8);
  return bytes;
}

function intBatch(length: number, values: Uint8Array, codec = zstdCodec): IpcMessage {
  return forgeBatch({
    length,
    nodes: [[length, 0]],
    buffers: [new Uint8Array(0), values],
    compression: codec,
  });
}

function decodeInts(message: IpcMessage, maxDecodedBytes?: number): unknown {
  const decoder = new ArrowDecoder(maxDecodedBytes === undefined ? {} : { maxDecodedBytes });
  decoder.decode(forgeSchema({ type: int32 }));
  const decoded = decoder.decode(message);
  assert.equal(decoded.kind, "batch");
  return decoded.kind === "batch" && [...(decoded.batch.getChildAt(0) ?? [])];
}

function refuses(code: string, what: RegExp, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof Fault && error.code === code && what.test(error.message));
}

describe("what comes out is what went in", () => {
  test("of LZ4 frames that others made: plain, linked blocks, stored, with checksums", () => {
    const { plain, linkedBlocks, stored, checksums } = lz4Frames;
    assert.deepEqual(Buffer.from(decodeLz4Frame(plain, lz4Text.length)), lz4Text);
    assert.deepEqual(Buffer.from(decodeLz4Frame(checksums, lz4Text.length)), lz4Text);
    const long = Buffer.concat(Array.from({ length: 150 }, () => lz4Text));
    assert.ok(Buffer.from(decodeLz4Frame(linkedBlocks, long.length)).equals(long));
    assert.deepEqual(
      decodeLz4Frame(stored, 40),
      Uint8Array.from({ length: 40 }, (_, i) => i),
    );
  });

  test("of zstd, text and nulls", () => {
    const builder = makeBuilder({ type: new Utf8(), nullValues: [null] });
    for (let i = 0; i < 3000; i += 1) builder.append(i % 7 === 0 ? null : `room ${i % 10}`);
    const column = builder.finish().toVector();
    const messages = messagesOf(new Table({ column }), { compression: "zstd" });
    assert.ok((messages[1]?.body.length ?? 0) < column.byteLength / 2);
    const decoder = new ArrowDecoder();
    const [, decoded] = messages.map((message) => decoder.decode(message));
    assert.equal(decoded?.kind, "batch");
    assert.deepEqual(decoded?.kind === "batch" && decoded.batch.getChildAt(0)?.toArray(), column.toArray());
  });

  test("of LZ4 in a batch, beside a buffer that is as it is", () => {
    const decoder = new ArrowDecoder();
    decoder.decode(forgeSchema({ type: utf8 }));
    const offsets = Int32Array.of(0, lz4Text.length);
    const buffers = [
      new Uint8Array(0),
      buffer(-1, new Uint8Array(offsets.buffer)),
      buffer(lz4Text.length, lz4Frames.plain),
    ];
    const decoded = decoder.decode(
      forgeBatch({ length: 1, nodes: [[1, 0]], buffers, compression: lz4Codec }),
    );
    assert.equal(decoded.kind === "batch" && decoded.batch.getChildAt(0)?.get(0), lz4Text.toString());
  });

  test("of a buffer of no bytes and of one whose size is 0", () => {
    assert.deepEqual(decodeInts(intBatch(0, new Uint8Array(0))), []);
    assert.deepEqual(decodeInts(intBatch(0, buffer(0, zstdCompressSync(Buffer.alloc(0))))), []);
    // Without a frame, as Arrow's Java writes it.
    for (const codec of [zstdCodec, lz4Codec])
      assert.deepEqual(decodeInts(intBatch(0, buffer(0, Buffer.alloc(0)), codec)), []);
    assert.deepEqual(
      decodeInts(intBatch(2, buffer(8, zstdCompressSync(new Uint8Array(Int32Array.of(1, 2).buffer))))),
      [1, 2],
    );
  });
});

describe("no more memory is taken than allowed", () => {
  const million = Buffer.alloc(4_000_000);

  test("a size beyond the limit is refused before anything is decompressed", () => {
    refuses("flight_result_too_big", /more than 1000 bytes/, () =>
      decodeInts(intBatch(1, buffer(1001, Buffer.from("no zstd"))), 1000),
    );
    refuses("flight_result_too_big", /more than 1000 bytes/, () =>
      decodeInts(intBatch(1, buffer(2n ** 62n, million)), 1000),
    );
    refuses("flight_bad_stream", /zstd/, () =>
      decodeInts(intBatch(1, buffer(1000, Buffer.from("no zstd"))), 1000),
    );
  });

  test("the buffers of a message are added up, those of two messages are not", () => {
    const decoder = new ArrowDecoder({ maxDecodedBytes: 1000 });
    decoder.decode(forgeSchema({ type: int32 }, { type: int32 }));
    const batch = (size: number): IpcMessage => {
      const values = buffer(size, zstdCompressSync(Buffer.alloc(size)));
      const none = new Uint8Array(0);
      return forgeBatch({
        length: 1,
        nodes: [
          [1, 0],
          [1, 0],
        ],
        buffers: [none, values, none, values],
        compression: zstdCodec,
      });
    };
    decoder.decode(batch(500));
    decoder.decode(batch(500));
    refuses("flight_result_too_big", /more than 1000 bytes/, () => decoder.decode(batch(504)));
  });

  test("zstd that unfolds into more than it says is refused", () => {
    refuses("flight_bad_stream", /damaged/, () =>
      decodeInts(intBatch(1, buffer(4, zstdCompressSync(million)))),
    );
    refuses("flight_bad_stream", /another size/, () =>
      decodeInts(intBatch(1, buffer(8, zstdCompressSync(Buffer.alloc(4))))),
    );
    refuses("flight_bad_stream", /another size/, () =>
      decodeInts(intBatch(0, buffer(0, zstdCompressSync(Buffer.alloc(1))))),
    );
    refuses("flight_bad_stream", /damaged/, () => decodeInts(intBatch(0, buffer(0, Buffer.from("no zstd")))));
  });

  test("all dictionaries together are held to the limit too, a replaced one counts once", () => {
    const decoder = new ArrowDecoder({ maxDecodedBytes: 1000 });
    decoder.decode(
      forgeSchema({ type: utf8, dictionary: encodedBy(1) }, { type: utf8, dictionary: encodedBy(2) }),
    );
    const values = {
      length: 1,
      nodes: [[1, 0]],
      buffers: [new Uint8Array(0), Int32Array.of(0, 592), Buffer.alloc(592, "a")],
    } as const;
    decoder.decode(forgeDictionary(1, values));
    decoder.decode(forgeDictionary(1, values));
    refuses("flight_result_too_big", /dictionaries/, () => decoder.decode(forgeDictionary(2, values)));
  });
});

describe("damage is noticed", () => {
  test("a size that is negative, or missing", () => {
    refuses("flight_bad_stream", /negative size/, () => decodeInts(intBatch(1, buffer(-2, Buffer.alloc(4)))));
    refuses("flight_bad_stream", /no size in front/, () => decodeInts(intBatch(1, Buffer.alloc(7))));
  });

  test("an unknown codec and an unknown method", () => {
    refuses("flight_bad_stream", /unknown codec 2/, () =>
      decodeInts(intBatch(1, buffer(4, Buffer.alloc(4)), [{ u8: 2 }])),
    );
    refuses("flight_bad_stream", /unknown method 1/, () =>
      decodeInts(
        forgeBatch({ length: 1, nodes: [[1, 0]], buffers: [], compression: [{ u8: 1 }, { u8: 1 }] }),
      ),
    );
  });

  test("an LZ4 frame cut anywhere, prolonged, or of another size", () => {
    const { plain, checksums } = lz4Frames;
    for (const frame of [plain, checksums]) {
      for (let length = 0; length < frame.length; length += 1) {
        refuses("flight_bad_stream", /LZ4/, () => decodeLz4Frame(frame.subarray(0, length), lz4Text.length));
      }
      refuses("flight_bad_stream", /follows its end/, () =>
        decodeLz4Frame(Buffer.concat([frame, Buffer.alloc(1)]), lz4Text.length),
      );
      refuses("flight_bad_stream", /longer than it says/, () => decodeLz4Frame(frame, lz4Text.length - 1));
      refuses("flight_bad_stream", /shorter than it says/, () => decodeLz4Frame(frame, lz4Text.length + 1));
    }
    refuses("flight_bad_stream", /too short for its size/, () => decodeLz4Frame(plain, 2 ** 30));
  });

  test("an LZ4 match that reaches before the beginning, or nowhere", () => {
    // One literal, then a match of 4 bytes at a distance, then the last literal.
    const frame = (distance: number): Uint8Array => {
      const block = [0x10, 0x61, distance, 0, 0x10, 0x62];
      const descriptor = Uint8Array.of(0x60, 0x40);
      return Uint8Array.of(
        0x04,
        0x22,
        0x4d,
        0x18,
        ...descriptor,
        (xxHash32(descriptor) >> 8) & 0xff,
        block.length,
        0,
        0,
        0,
        ...block,
        0,
        0,
        0,
        0,
      );
    };
    assert.equal(Buffer.from(decodeLz4Frame(frame(1), 6)).toString(), "aaaaab");
    refuses("flight_bad_stream", /not there/, () => decodeLz4Frame(frame(2), 6));
    refuses("flight_bad_stream", /not there/, () => decodeLz4Frame(frame(0), 6));
  });

  test("with checksums, any changed byte; without, never more than the size and never anything but a fault", () => {
    const { plain, checksums } = lz4Frames;
    fc.assert(
      fc.property(fc.nat(checksums.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = checksums.map((byte, index) => (index === at ? byte ^ flip : byte));
        refuses("flight_bad_stream", /LZ4/, () => decodeLz4Frame(changed, lz4Text.length));
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(plain.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const changed = plain.slice();
        for (const [at, byte] of changes) changed[at] = byte;
        try {
          assert.equal(decodeLz4Frame(changed, lz4Text.length).length, lz4Text.length);
        } catch (error) {
          assert.ok(error instanceof Fault, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test("xxHash32 is that of its specification", () => {
  const known: [string, number][] = [
    ["", 0x02cc5d05],
    ["a", 0x550d7456],
    ["abc", 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0xe2293b2f],
  ];
  for (const [text, hash] of known) assert.equal(xxHash32(Buffer.from(text)), hash, text);
});
