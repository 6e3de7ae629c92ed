import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Data,
  DenseUnion,
  Dictionary,
  Field,
  FixedSizeList,
  Int32,
  List,
  Map_,
  SparseUnion,
  Struct,
  Utf8,
  type DataType,
  type RecordBatch,
} from "apache-arrow";
import { ArrowDecoder, type IpcMessage } from "../../../../src/influx/arrow/decoder.ts";
import { rowsOf, type RowOptions, type Value } from "../../../../src/influx/arrow/rows.ts";
import {
  batchOf,
  bytesData,
  dictionaryData,
  fixedData,
  listData,
  parentData,
  unionData,
} from "../../../support/arrow-data.ts";
import { messagesOf } from "../../../support/arrow-messages.ts";
import { arrowSamples } from "../../../support/arrow-samples.ts";

function columnOf(batch: RecordBatch, options?: RowOptions): Value[] {
  return rowsOf(batch.schema, options)(batch).map((row) => row["x"] ?? null);
}

function wrapped(data: Data): Value[] {
  return columnOf(batchOf([["x", data]]));
}

function decoded(messages: readonly IpcMessage[]): RecordBatch[] {
  const decoder = new ArrowDecoder();
  const all = messages.map((message) => decoder.decode(message));
  return all.flatMap((one) => (one.kind === "batch" ? [one.batch] : []));
}

const field = (name: string, type: DataType): Field => new Field(name, type, true);
const whole = (length: number): true[] => Array.from({ length }, () => true);

for (const { name, type, data, expected, expectedIso } of arrowSamples) {
  const length = expected.length;
  const indices = expected.map((_, index) => index);
  describe(`a column of ${name}`, () => {
    test("has its values and nulls", () => {
      assert.deepEqual(columnOf(batchOf([["x", data]]), { times: "ns" }), expected);
      assert.deepEqual(columnOf(batchOf([["x", data]]), { times: "iso" }), expectedIso);
    });

    test("has the same values after a journey as IPC messages", () => {
      const batches = decoded(messagesOf([batchOf([["x", data]])], { misalignedBy: 3 }));
      assert.deepEqual(
        batches.flatMap((batch) => columnOf(batch, { times: "iso" })),
        expectedIso,
      );
    });

    test("has in each slice of a batch the values of that slice", () => {
      const batch = batchOf([["x", data]]);
      const read = rowsOf(batch.schema);
      for (let begin = 0; begin < length; begin += 1) {
        for (let end = begin; end <= length; end += 1) {
          const slice = batch.slice(begin, end);
          assert.deepEqual(
            read(slice).map((row) => row["x"]),
            expected.slice(begin, end),
            `${begin} to ${end}`,
          );
        }
      }
    });

    test("is read in lists, with a slice of them", () => {
      const list = listData(new List(field("item", type)), data, [1, null, length - 2, 1]);
      const lists = [expected.slice(0, 1), null, expected.slice(1, -1), expected.slice(-1)];
      assert.deepEqual(wrapped(list), lists);
      assert.deepEqual(columnOf(batchOf([["x", list]]).slice(2, 4)), lists.slice(2));
      const fixedList = parentData(new FixedSizeList(1, field("item", type)), whole(length), [data]);
      assert.deepEqual(
        columnOf(batchOf([["x", fixedList]]).slice(1)),
        expected.slice(1).map((value) => [value]),
      );
    });

    test("is read in structs and maps", () => {
      const struct = parentData(new Struct([field("y", type)]), whole(length), [data]);
      assert.deepEqual(
        columnOf(batchOf([["x", struct]]).slice(1)),
        expected.slice(1).map((value) => ({ y: value })),
      );
      const entries = new Struct([field("key", new Int32()), field("value", type)]);
      const keys = fixedData(new Int32(), indices);
      const pairs = parentData(entries, whole(length), [keys, data]);
      const map = listData(new Map_(field("entries", entries) as never), pairs, [length]);
      assert.deepEqual(wrapped(map), [expected.map((value, index) => [index, value])]);
    });

    test("is read in both kinds of union", () => {
      const fields = [field("n", new Int32()), field("y", type)];
      const children = [fixedData(new Int32(), indices), data];
      const ids = indices.map((index) => (index % 2 === 0 ? 1 : 0));
      const values = expected.map((value, index) => (index % 2 === 0 ? value : index));
      assert.deepEqual(wrapped(unionData(new SparseUnion([0, 1], fields), ids, children)), values);
      const backwards = unionData(
        new DenseUnion([0, 1], fields),
        indices.map(() => 1),
        children,
        indices.toReversed(),
      );
      assert.deepEqual(wrapped(backwards), expected.toReversed());
      assert.deepEqual(columnOf(batchOf([["x", backwards]]).slice(1)), expected.toReversed().slice(1));
    });

    test("is read through a dictionary of several pieces", () => {
      const dictionary = new Dictionary(type, new Int32(), 7);
      const pieces = [data, data.slice(0, 0), data, data, data.slice(0, 1)];
      const entries = [...expected, ...expected, ...expected, ...expected.slice(0, 1)];
      const places = [...entries.keys()];
      const values = [...entries, null, ...entries.toReversed()];
      const indices = [...places, null, ...places.toReversed()];
      assert.deepEqual(wrapped(dictionaryData(dictionary, indices, pieces)), values);
    });

    test("without rows has none", () => {
      assert.deepEqual(columnOf(batchOf([["x", data.slice(0, 0)]])), []);
      assert.deepEqual(columnOf(batchOf([["x", new Data(type, 0, 0, 0, undefined)]])), []);
    });
  });
}

describe("the rows of a stream", () => {
  test("follow each other batch by batch, through one reader", () => {
    const all = arrowSamples.map((sample): readonly [string, Data] => [sample.name, sample.data.slice(0, 2)]);
    const batch = batchOf(all);
    const read = rowsOf(batch.schema);
    const row = (index: number) =>
      Object.fromEntries(arrowSamples.map((one) => [one.name, one.expected[index]]));
    assert.deepEqual([batch, batch.slice(1), batch].flatMap(read), [0, 1, 1, 0, 1].map(row));
  });

  test("take a dictionary that is replaced or grows between two batches", () => {
    const type = new Dictionary(new Utf8(), new Int32(), 7);
    const texts = (...values: string[]) => bytesData(new Utf8(), values);
    const first = texts("a", "b");
    const streams: [dictionary: Data[], values: string[]][] = [
      [[first], ["b", "a"]],
      [
        [first, texts("c")],
        ["b", "a"],
      ],
      [[texts("x", "y", "z")], ["y", "x"]],
    ];
    const read = rowsOf(batchOf([["x", dictionaryData(type, [1, 0], [first])]]).schema);
    for (const [dictionary, values] of streams) {
      const batch = batchOf([["x", dictionaryData(type, [1, 0], dictionary)]]);
      assert.deepEqual(
        read(batch),
        values.map((x) => ({ x })),
      );
    }
  });

  test("without columns are as many empty objects", () => {
    assert.deepEqual(rowsOf(batchOf([]).schema)(batchOf([], 3)), [{}, {}, {}]);
  });

  test("keep nothing of the batch alive or writable", () => {
    const data = bytesData(arrowSamples.find(({ name }) => name === "Binary")?.type as DataType, [
      Uint8Array.of(1, 2),
    ]);
    const [value] = wrapped(data);
    assert.ok(value instanceof Uint8Array);
    assert.equal(value.buffer.byteLength, 2);
    value[0] = 9;
    assert.deepEqual(wrapped(data), [Uint8Array.of(1, 2)]);
  });
});
