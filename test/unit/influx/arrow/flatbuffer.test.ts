/** What anybody may send as a flatbuffer is read within its bytes, or refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { rootTable, type FlatTable } from "../../../../src/influx/arrow/flatbuffer.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import { writeFlatbuffer, type TableSlots } from "../../../support/flatbuffer-writer.ts";

function read(slots: TableSlots): FlatTable {
  return rootTable(writeFlatbuffer(slots));
}

/** Bytes with some of them changed. */
function patched(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice();
  change(new DataView(copy.buffer));
  return copy;
}

function refuses(what: RegExp, action: () => unknown): void {
  assert.throws(
    action,
    (error) => error instanceof Fault && error.code === "flight_bad_stream" && what.test(error.message),
  );
}

describe("what is there is read", () => {
  test("scalars of every width, with their sign", () => {
    const table = read([
      { bool: true },
      { u8: 200 },
      { i16: -2 },
      { i32: -3 },
      { i64: -4 },
      { i64: 2 ** 53 - 1 },
    ]);
    assert.deepEqual(
      [table.bool(0), table.uint8(1), table.int16(2), table.int32(3), table.int64(4), table.int64(5)],
      [true, 200, -2, -3, -4, 2 ** 53 - 1],
    );
  });

  test("texts, tables and vectors", () => {
    const table = read([
      { text: "größe" },
      { table: [{ i32: 7 }] },
      { tables: [[{ u8: 1 }], [{ u8: 2 }]] },
      { i32s: [1, -1] },
      { i64s: [1, 2, 3, -4], perElement: 2 },
    ]);
    assert.equal(table.name(0), "größe");
    assert.equal(table.text(0), "größe");
    assert.equal(table.table(1)?.int32(0), 7);
    assert.deepEqual(
      table.tables(2).map((each) => each.uint8(0)),
      [1, 2],
    );
    assert.deepEqual(table.int32s(3), [1, -1]);
    assert.deepEqual(table.int64s(4, 2), [1, 2, 3, -4]);
  });

  test("a slot that is not there has its default", () => {
    const table = read([undefined, { u8: 1 }]);
    assert.deepEqual([table.bool(0), table.int16(0, 5), table.int32(9, 6), table.int64(0)], [false, 5, 6, 0]);
    assert.deepEqual(
      [table.has(0), table.has(1), table.table(0), table.text(0), table.name(0)],
      [false, true, undefined, undefined, ""],
    );
    assert.deepEqual([table.tables(0), table.int32s(0), table.int64s(0)], [[], [], []]);
  });
});

describe("what lies is refused", () => {
  const one = writeFlatbuffer([{ i32: 7 }]);

  test("bytes that end too early", () => {
    for (let length = 0; length < one.length; length += 1) {
      refuses(/outside of itself/, () => rootTable(one.subarray(0, length)).int32(0));
    }
  });

  test("a root, a table's size and a field outside", () => {
    refuses(/outside of itself/, () =>
      rootTable(patched(one, (view) => view.setUint32(0, 0xffff_fff0, true))),
    );
    refuses(/points to itself/, () => rootTable(patched(one, (view) => view.setUint32(0, 0, true))));
    // The vtable lies at 4: its own size, the table's size, and where the field is.
    refuses(/outside of itself/, () => rootTable(patched(one, (view) => view.setUint16(4, 999, true))));
    refuses(/outside of itself/, () => rootTable(patched(one, (view) => view.setUint16(6, 999, true))));
    refuses(/without a size/, () => rootTable(patched(one, (view) => view.setUint16(6, 0, true))));
    refuses(/outside of its table/, () =>
      rootTable(patched(one, (view) => view.setUint16(8, 5, true))).int32(0),
    );
    refuses(/outside of its table/, () =>
      rootTable(patched(one, (view) => view.setUint16(8, 2, true))).int32(0),
    );
  });

  test("a vector longer than the bytes that are there, before memory is taken for it", () => {
    const bytes = writeFlatbuffer([{ i64s: [1] }]);
    const long = patched(bytes, (view) => view.setUint32(bytes.length - 12, 0x1fff_ffff, true));
    refuses(/outside of itself/, () => rootTable(long).int64s(0));
  });

  test("a number beyond 2⁵³", () => {
    refuses(/beyond all measure/, () => read([{ i64: 2n ** 53n }]).int64(0));
    refuses(/beyond all measure/, () => read([{ i64s: [-(2n ** 63n)] }]).int64s(0));
  });

  test("a name that is not UTF-8; in metadata it is read all the same", () => {
    const table = read([{ text: Uint8Array.of(0x61, 0xff) }]);
    refuses(/not UTF-8/, () => table.name(0));
    assert.equal(table.text(0), "a\u{fffd}");
  });

  test("a few bytes that unfold into many", () => {
    // Eight vectors of eight offsets, each of them to the next vector's table: 8⁸ tables out of 500 bytes.
    const bytes = writeFlatbuffer(nested(8));
    const shared = patched(bytes, (view) => shareElements(bytes, view));
    const walk = (table: FlatTable): number => table.tables(0).reduce((sum, each) => sum + walk(each), 1);
    assert.equal(walk(rootTable(bytes)), 9 * 8 - 7);
    refuses(/again and again/, () => walk(rootTable(shared)));
  });
});

/** A table whose vector's first element is such a table again, with 7 empty ones beside it. */
function nested(depth: number): TableSlots {
  return depth === 0 ? [] : [{ tables: [nested(depth - 1), ...Array.from({ length: 7 }, () => [])] }];
}

/** Makes all elements of each vector of 8 the first one. */
function shareElements(bytes: Uint8Array, view: DataView): void {
  for (let at = 0; at + 36 <= bytes.length; at += 1) {
    if (view.getUint32(at, true) !== 8) continue;
    const offsets = Array.from({ length: 8 }, (_, i) => view.getUint32(at + 4 + 4 * i, true));
    if (!offsets.every((offset, i) => offset > 0 && at + 4 + 4 * i + offset < bytes.length)) continue;
    for (let i = 1; i < 8; i += 1) view.setUint32(at + 4 + 4 * i, (offsets[0] ?? 0) - 4 * i, true);
  }
}

test("whatever the bytes are, reading them ends with a value or a fault", () => {
  const valid = writeFlatbuffer([
    { text: "name" },
    { table: [{ i64: 5 }] },
    { tables: [[{ text: "a" }]] },
    { i64s: [1, 2] },
  ]);
  const change = fc.record({ at: fc.nat(valid.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.nat(valid.length), (changes, length) => {
      const bytes = valid.slice(0, length);
      for (const { at, byte } of changes) if (at < length) bytes[at] = byte;
      try {
        const table = rootTable(bytes);
        table.name(0);
        table.table(1)?.int64(0);
        for (const each of table.tables(2)) each.text(0);
        table.int64s(3);
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
