/** The columns of arrow-samples.ts whose types are made of other types. */
import * as arrow from "apache-arrow";
import type { DataType } from "apache-arrow";
import { bytesData, dictionaryData, fixedData, listData, parentData, unionData } from "./arrow-data.ts";
import { nameOf, sample, type ArrowSample } from "./arrow-sample.ts";

const field = (name: string, type: DataType): arrow.Field => new arrow.Field(name, type, true);
const int32s = fixedData(new arrow.Int32(), [1, 2, null, 4, 5, 6]);
const strings = bytesData(new arrow.Utf8(), ["b", null, "ccc", "d", "é", ""]);
const instants = fixedData(new arrow.TimestampNanosecond(), [0n, null, 1n, 2n, -1n, 3n]);
const pairFields = [field("key", new arrow.Utf8()), field("value", new arrow.Int32())];
const pairs = parentData(
  new arrow.Struct(pairFields),
  [true, true, true, true, true, true],
  [bytesData(new arrow.Utf8(), ["a", "b", "a", "", "x", "y"]), int32s],
);
const lists = [[1, 2], null, [], [null], [4, 5, 6]];
const structFields = [field("n", new arrow.Int32()), field("at", new arrow.TimestampNanosecond())];
const unionFields = [field("n", new arrow.Int32()), field("s", new arrow.Utf8())];

const nested: ArrowSample[] = [
  sample(
    "List",
    listData(new arrow.List(field("item", new arrow.Int32())), int32s, [2, null, 0, 1, 3]),
    lists,
  ),
  sample(
    "LargeList",
    listData(new arrow.LargeList(field("item", new arrow.Int32())), int32s, [2, null, 0, 1, 3]),
    lists,
  ),
  sample(
    "FixedSizeList",
    parentData(new arrow.FixedSizeList(2, field("item", new arrow.Int32())), [true, null, true], [int32s]),
    [[1, 2], null, [5, 6]],
  ),
  sample(
    "Struct",
    parentData(new arrow.Struct(structFields), [true, true, true, null, true, true], [int32s, instants]),
    [{ n: 1, at: 0n }, { n: 2, at: null }, { n: null, at: 1n }, null, { n: 5, at: -1n }, { n: 6, at: 3n }],
    [
      { n: 1, at: "1970-01-01T00:00:00.000000000Z" },
      { n: 2, at: null },
      { n: null, at: "1970-01-01T00:00:00.000000001Z" },
      null,
      { n: 5, at: "1969-12-31T23:59:59.999999999Z" },
      { n: 6, at: "1970-01-01T00:00:00.000000003Z" },
    ],
  ),
  sample(
    "Map",
    listData(new arrow.Map_(field("entries", new arrow.Struct(pairFields)) as never), pairs, [3, null, 0, 3]),
    [
      [
        ["a", 1],
        ["b", 2],
        ["a", null],
      ],
      null,
      [],
      [
        ["", 4],
        ["x", 5],
        ["y", 6],
      ],
    ],
  ),
  sample(
    "DenseUnion",
    unionData(new arrow.DenseUnion([5, 0], unionFields), [5, 0, 0, 5, 5], [int32s, strings], [0, 0, 1, 1, 2]),
    [1, "b", null, 2, null],
  ),
  sample(
    "SparseUnion",
    unionData(new arrow.SparseUnion([5, 0], unionFields), [5, 0, 5, 0, 5, 0], [int32s, strings]),
    [1, null, null, "d", 5, ""],
  ),
];

function dictionary(
  index: arrow.Dictionary["indices"],
  values: readonly (number | bigint | null)[],
  id: number,
) {
  const type = new arrow.Dictionary(new arrow.Utf8(), index, id);
  const data = dictionaryData(type, values, [strings]);
  return sample(nameOf(type), data, ["ccc", null, "ccc", null, "é"]);
}

const dictionaries: ArrowSample[] = [
  dictionary(new arrow.Int8(), [2, 1, 2, null, 4], 101),
  dictionary(new arrow.Uint16(), [2, 1, 2, null, 4], 102),
  dictionary(new arrow.Int32(), [2, 1, 2, null, 4], 103),
];

export const nestedSamples: readonly ArrowSample[] = [...nested, ...dictionaries];
