/** What a batch can lie about in its values: each is a fault that says what, and nothing else is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ArrowDecoder, type Decoded, type IpcMessage } from "../../../../src/influx/arrow/decoder.ts";
import {
  forgeBatch,
  type ForgedBatch,
  type ForgedField,
  forgeSchema,
  int32,
  int64,
  utf8,
} from "../../../support/arrow-forge.ts";
import { assertHeld, decodeStream } from "../../../support/arrow-refusals.ts";

const none = new Uint8Array(0);

function int32s(...values: readonly number[]): Int32Array {
  return Int32Array.from(values);
}

describe("the values of a batch", () => {
  const textBatch = (offsets: ArrayBufferView, data: string | Uint8Array, bitmap = none): ForgedBatch => {
    const nulls = bitmap.length === 0 ? 0 : 1;
    return { length: 2, nodes: [[2, nulls]], buffers: [bitmap, offsets, Buffer.from(data)] };
  };

  test("are texts whose offsets never fall and stay inside", () => {
    assertHeld({ type: utf8 }, textBatch(int32s(1, 1, 3), "abc"), [
      [/negative or fall/, textBatch(int32s(-1, 1, 3), "abc")],
      [/negative or fall/, textBatch(int32s(0, 2, 1), "abc")],
      [/negative or fall/, textBatch(int32s(2 ** 31 - 1, -(2 ** 31), 0), "abc")],
      [/behind the end/, textBatch(int32s(0, 1, 4), "abc")],
      [/8 bytes where it takes 12/, textBatch(int32s(0, 1), "abc")],
      [/0 bytes where it takes 12/, textBatch(int32s(), "abc")],
    ]);
    assertHeld({ type: [20] }, textBatch(BigInt64Array.of(0n, 1n, 3n), "abc"), [
      [/negative or fall/, textBatch(BigInt64Array.of(0n, 2n, 1n), "abc")],
      [/negative or fall/, textBatch(BigInt64Array.of(-1n, 2n, 3n), "abc")],
      [/negative or fall/, textBatch(BigInt64Array.of(0n, 1n, 2n ** 32n + 2n), "abc")],
      [/behind the end/, textBatch(BigInt64Array.of(0n, 1n, 4n), "abc")],
      [/16 bytes where it takes 24/, textBatch(BigInt64Array.of(0n, 1n), "abc")],
    ]);
    assert.equal(
      decodeStream(
        forgeSchema({ type: utf8 }),
        forgeBatch({ length: 0, nodes: [[0, 0]], buffers: [none, none, none] }),
      )?.kind,
      "batch",
    );
  });

  test("are texts in UTF-8, each by itself, unless they are null", () => {
    const invalid = Uint8Array.of(0x61, 0xff, 0x62);
    assertHeld({ type: utf8 }, textBatch(int32s(0, 2, 4), "öä"), [
      [/value 0 is not UTF-8/, textBatch(int32s(0, 1, 4), "öä")],
      [/value 0 is not UTF-8/, textBatch(int32s(0, 2, 3), invalid)],
      [/value 1 is not UTF-8/, textBatch(int32s(0, 1, 3), invalid)],
      [/value 1 is not UTF-8/, textBatch(int32s(0, 1, 3), invalid, Uint8Array.of(0b10))],
      [/value 0 is not UTF-8/, textBatch(int32s(0, 3, 3), Uint8Array.of(0xed, 0xa0, 0x80))],
    ]);
    assertHeld({ type: utf8 }, textBatch(int32s(0, 1, 3), invalid, Uint8Array.of(0b01)), []);
    assertHeld({ type: utf8 }, textBatch(int32s(1, 1, 1), Uint8Array.of(0xff)), []);
    assertHeld({ type: [4] }, textBatch(int32s(0, 1, 3), invalid), []);
  });

  test("are views that lie in their buffers and begin as they say", () => {
    const long = Buffer.from("a text of more than 12 bytes ö");
    const size = long.length;
    const first = long.readInt32LE(0);
    const views = (...words: readonly number[]): ForgedBatch => ({
      length: 1,
      nodes: [[1, 0]],
      buffers: [none, int32s(...words), long],
      variadicBufferCounts: [1],
    });
    assertHeld({ type: [24] }, views(size, first, 0, 0), [
      [/negative length/, views(-1, 0, 0, 0)],
      [/outside of its values/, views(size + 1, first, 0, 0)],
      [/outside of its values/, views(size, first, 0, 1)],
      [/outside of its values/, views(size, first, 0, -1)],
      [/outside of its values/, views(size, first, 1, 0)],
      [/outside of its values/, views(size, first, -1, 0)],
      [/begin differently/, views(size, first + 1, 0, 0)],
      [/not UTF-8/, views(size - 1, first, 0, 0)],
      [/not UTF-8/, views(1, 0xff, 0, 0)],
      [/8 bytes where it takes 16/, { buffers: [none, int32s(1, 2), long] }],
      [/does not say how many/, { variadicBufferCounts: [] }],
      [/views with 2 buffers/, { variadicBufferCounts: [2] }],
      [/views with -1 buffers/, { variadicBufferCounts: [-1] }],
    ]);
    assertHeld({ type: [23] }, views(size - 1, first, 0, 0), []);
    assertHeld({ type: [23] }, views(12, -1, -1, -1), []);
    assertHeld(
      { type: [24] },
      { ...views(-1, 9, 9, 9), nodes: [[1, 1]], buffers: [Uint8Array.of(0), int32s(-1, 9, 9, 9), long] },
      [],
    );
  });

  test("behind views may share bytes, but take no more than may be decoded", () => {
    const long = Buffer.alloc(1000, "x");
    const rows = 100;
    const view = [long.length, long.readInt32LE(0), 0, 0];
    const batch = forgeBatch({
      length: rows,
      nodes: [[rows, 0]],
      buffers: [none, int32s(...Array.from({ length: rows }, () => view).flat()), long],
      variadicBufferCounts: [1],
    });
    const decode = (maxDecodedBytes: number): Decoded => {
      const decoder = new ArrowDecoder({ maxDecodedBytes });
      decoder.decode(forgeSchema({ type: [24] }));
      return decoder.decode(batch);
    };
    assert.equal(decode(100_000).kind, "batch");
    assert.throws(() => decode(99_999), { name: "Fault", code: "flight_result_too_big" });
  });

  test("are lists that lie in their values", () => {
    const lists = (offsets: ArrayBufferView): ForgedBatch => ({
      length: 2,
      nodes: [
        [2, 0],
        [3, 0],
      ],
      buffers: [none, offsets, none, int32s(1, 2, 3)],
    });
    assertHeld({ type: [12], children: [{ type: int32 }] }, lists(int32s(0, 1, 3)), [
      [/behind the end/, lists(int32s(0, 1, 4))],
      [/negative or fall/, lists(int32s(0, 2, 1))],
    ]);
    assertHeld({ type: [21], children: [{ type: int32 }] }, lists(BigInt64Array.of(0n, 1n, 3n)), [
      [/behind the end/, lists(BigInt64Array.of(0n, 1n, 4n))],
    ]);
    const fixed = {
      length: 1,
      nodes: [
        [1, 0],
        [3, 0],
      ],
      buffers: [none, none, int32s(1, 2, 3)],
    } as const;
    assertHeld({ type: [16, [{ i32: 3 }]], children: [{ type: int32 }] }, fixed, [
      [
        /lists are longer/,
        {
          length: 2,
          nodes: [
            [2, 0],
            [3, 0],
          ],
        },
      ],
    ]);
  });

  test("are structs whose parts are of their length", () => {
    const struct = {
      length: 2,
      nodes: [
        [2, 0],
        [2, 0],
      ],
      buffers: [none, none, int32s(1, 2)],
    } as const;
    assertHeld({ type: [13], children: [{ type: int32 }] }, struct, [
      [
        /differ in length/,
        {
          nodes: [
            [2, 0],
            [1, 0],
          ],
        },
      ],
    ]);
  });

  test("are unions of known types that point inside", () => {
    const children = [{ type: int32 }, { type: int64 }];
    const ids = { i32s: [3, 5] };
    const dense = (typeIds: readonly number[], offsets: readonly number[]): ForgedBatch => ({
      length: 2,
      nodes: [
        [2, 0],
        [1, 0],
        [1, 0],
      ],
      buffers: [Int8Array.from(typeIds), int32s(...offsets), none, int32s(1), none, BigInt64Array.of(2n)],
    });
    assertHeld({ type: [14, [{ i16: 1 }, ids]], children }, dense([3, 5], [0, 0]), [
      [/type id 4/, dense([3, 4], [0, 0])],
      [/type id -1/, dense([3, -1], [0, 0])],
      [/outside of its values/, dense([3, 5], [0, 1])],
      [/outside of its values/, dense([3, 5], [-1, 0])],
      [/1 bytes where it takes 2/, dense([3], [0, 0])],
      [/4 bytes where it takes 8/, dense([3, 5], [0])],
    ]);
    const sparse: ForgedBatch = {
      length: 1,
      nodes: [
        [1, 0],
        [1, 0],
        [1, 0],
      ],
      buffers: [Int8Array.of(5), none, int32s(1), none, BigInt64Array.of(2n)],
    };
    assertHeld({ type: [14, [{ i16: 0 }, ids]], children }, sparse, [
      [/type id 0/, { buffers: [Int8Array.of(0), none, int32s(1), none, BigInt64Array.of(2n)] }],
      [
        /differ in length/,
        {
          nodes: [
            [1, 0],
            [0, 0],
            [1, 0],
          ],
        },
      ],
    ]);
  });

  test("are maps whose entries are all there", () => {
    const pair: ForgedField = {
      type: [13],
      children: [
        { name: "key", type: utf8 },
        { name: "value", type: int32 },
      ],
    };
    const entries = (nulls: number, bitmap: Uint8Array): Pick<ForgedBatch, "nodes" | "buffers"> => ({
      nodes: [
        [1, 0],
        [2, nulls],
        [2, 0],
        [2, 0],
      ],
      buffers: [none, int32s(0, 2), bitmap, none, int32s(0, 1, 2), Buffer.from("ab"), none, int32s(1, 2)],
    });
    assertHeld({ type: [17], children: [pair] }, { length: 1, ...entries(0, Uint8Array.of(0b11)) }, [
      [/entries that are null/, entries(1, Uint8Array.of(0b01))],
    ]);
  });

  test("are unions of before Arrow 1.0: read without nulls of their own, refused with them", () => {
    const schema = forgeSchema({ type: [14, [{ i16: 0 }]], children: [{ type: int32 }] });
    const old = (nulls: number, bitmap: Uint8Array): IpcMessage =>
      forgeBatch({
        length: 1,
        nodes: [
          [1, nulls],
          [1, 0],
        ],
        buffers: [bitmap, Int8Array.of(0), none, int32s(7)],
        version: 3,
      });
    const decoded = decodeStream(schema, old(0, none));
    assert.equal(decoded?.kind === "batch" && decoded.batch.getChildAt(0)?.get(0), 7);
    assert.throws(() => decodeStream(schema, old(1, Uint8Array.of(0))), { code: "flight_unsupported_type" });
  });
});
