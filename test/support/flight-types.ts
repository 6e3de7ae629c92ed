/**
 * A column for each Arrow type that PyArrow can send, three rows long (a value, null, another value), and what the
 * rows are to hold. test/interop/flight-server.py has the same columns, made by Arrow's C++.
 */
import * as arrow from "apache-arrow";
import type { Data, DataType } from "apache-arrow";
import type { Value } from "../../src/influx/arrow/rows.ts";
import {
  boolData,
  bytesData,
  dictionaryData,
  fixedData,
  listData,
  parentData,
  unionData,
  viewsData,
} from "./arrow-data.ts";

interface TypeColumn {
  readonly name: string;
  readonly data: Data;
  readonly expected: readonly [Value, Value, Value];
}

type Three<T> = readonly [T, null, T];
type Elements = number | bigint | readonly (number | bigint)[];

const column = (name: string, data: Data, expected: TypeColumn["expected"]): TypeColumn => ({
  name,
  data,
  expected,
});

function fixed(
  name: string,
  type: DataType,
  stored: Three<Elements>,
  expected?: TypeColumn["expected"],
): TypeColumn {
  return column(name, fixedData(type, stored), expected ?? stored);
}

const numbers: TypeColumn[] = [
  fixed("int8", new arrow.Int8(), [-128, null, 127]),
  fixed("int16", new arrow.Int16(), [-32_768, null, 32_767]),
  fixed("int32", new arrow.Int32(), [-(2 ** 31), null, 2 ** 31 - 1]),
  fixed("int64", new arrow.Int64(), [-(2n ** 63n), null, 2n ** 63n - 1n]),
  fixed("uint8", new arrow.Uint8(), [0, null, 255]),
  fixed("uint16", new arrow.Uint16(), [0, null, 65_535]),
  fixed("uint32", new arrow.Uint32(), [0, null, 2 ** 32 - 1]),
  fixed("uint64", new arrow.Uint64(), [0n, null, 2n ** 64n - 1n]),
  fixed("float16", new arrow.Float16(), [0x3800, null, 0xbd00], [0.5, null, -1.25]),
  fixed("float32", new arrow.Float32(), [0.5, null, -1.25]),
  fixed("float64", new arrow.Float64(), [0.1, null, Infinity]),
];

const long = "a text of more than twelve bytes: 😀";
const texts = ["", null, long] as const;
const blobs = [Uint8Array.of(), null, Uint8Array.of(0, 255)] as const;

const bytes: TypeColumn[] = [
  column("utf8", bytesData(new arrow.Utf8(), texts), texts),
  column("large_utf8", bytesData(new arrow.LargeUtf8(), texts), texts),
  column("utf8_view", viewsData(new arrow.Utf8View(), texts), texts),
  column("binary", bytesData(new arrow.Binary(), blobs), blobs),
  column("large_binary", bytesData(new arrow.LargeBinary(), blobs), blobs),
  column("binary_view", viewsData(new arrow.BinaryView(), blobs), blobs),
  fixed(
    "fixed_binary",
    new arrow.FixedSizeBinary(2),
    [[97, 98], null, [99, 100]],
    [Uint8Array.of(97, 98), null, Uint8Array.of(99, 100)],
  ),
];

/** Two's complement in words of 32 bits, the lowest first. */
function words(value: bigint, bits: number): bigint[] {
  return Array.from({ length: bits / 32 }, (_, word) => BigInt.asUintN(32, value >> BigInt(32 * word)));
}

function decimal(bits: number, precision: number, unscaled: bigint, expected: string): TypeColumn {
  const stored = [unscaled, null, 1n].map((value) => value && words(value, bits).map(Number));
  const data = fixedData(new arrow.Decimal(3, precision, bits), stored);
  return column(`decimal${bits}`, data, [expected, null, "0.001"]);
}

const decimals: TypeColumn[] = [
  decimal(32, 9, -123_456_789n, "-123456.789"),
  decimal(64, 18, -123_456_789_012_345_678n, "-123456789012345.678"),
  decimal(128, 30, -12_345_678_901_234_567_890_123n, "-12345678901234567890.123"),
  decimal(256, 60, -(10n ** 55n) - 123n, `-1${"0".repeat(52)}.123`),
];

const baseNs = 1_763_800_000_000_000_000n;
const dayMs = 86_400_000n;

const times: TypeColumn[] = [
  fixed("date32", new arrow.DateDay(), [-1, null, 20_779], ["1969-12-31", null, "2026-11-22"]),
  fixed(
    "date64",
    new arrow.DateMillisecond(),
    [-dayMs, null, 20_779n * dayMs],
    ["1969-12-31", null, "2026-11-22"],
  ),
  fixed(
    "time32_s",
    new arrow.TimeSecond(),
    [0, null, 86_399],
    ["00:00:00.000000000", null, "23:59:59.000000000"],
  ),
  fixed(
    "time32_ms",
    new arrow.TimeMillisecond(),
    [0, null, 86_399_999],
    ["00:00:00.000000000", null, "23:59:59.999000000"],
  ),
  fixed(
    "time64_us",
    new arrow.TimeMicrosecond(),
    [0n, null, 86_399_999_999n],
    ["00:00:00.000000000", null, "23:59:59.999999000"],
  ),
  fixed(
    "time64_ns",
    new arrow.TimeNanosecond(),
    [0n, null, 86_399_999_999_999n],
    ["00:00:00.000000000", null, "23:59:59.999999999"],
  ),
  fixed("timestamp_s", new arrow.TimestampSecond(), [-1n, null, 1n], [-1_000_000_000n, null, 1_000_000_000n]),
  fixed("timestamp_ms", new arrow.TimestampMillisecond(), [-1n, null, 1n], [-1_000_000n, null, 1_000_000n]),
  fixed("timestamp_us", new arrow.TimestampMicrosecond(), [-1n, null, 1n], [-1000n, null, 1000n]),
  fixed("timestamp_ns", new arrow.TimestampNanosecond(), [-1n, null, baseNs + 1n]),
  fixed("timestamp_utc", new arrow.TimestampNanosecond("UTC"), [-1n, null, baseNs + 1n]),
  fixed("duration_s", new arrow.DurationSecond(), [-1n, null, 2n], [-1_000_000_000n, null, 2_000_000_000n]),
  fixed("duration_ms", new arrow.DurationMillisecond(), [-1n, null, 2n], [-1_000_000n, null, 2_000_000n]),
  fixed("duration_us", new arrow.DurationMicrosecond(), [-1n, null, 2n], [-1000n, null, 2000n]),
  fixed("duration_ns", new arrow.DurationNanosecond(), [-1n, null, 2n]),
  fixed(
    "interval",
    new arrow.IntervalMonthDayNano(),
    [[14, 3, 500_000_000, 0], null, [0, 0, 0, 0]],
    ["P1Y2M3DT0.5S", null, "PT0S"],
  ),
];

const field = (name: string, type: DataType): arrow.Field => new arrow.Field(name, type, true);
const item = field("item", new arrow.Int32());
const int32s = (...values: readonly (number | null)[]): Data => fixedData(new arrow.Int32(), values);
const strings = (...values: readonly (string | null)[]): Data => bytesData(new arrow.Utf8(), values);
const structFields = [field("a", new arrow.Int32()), field("b", new arrow.Utf8())];
const entryFields = [new arrow.Field("key", new arrow.Utf8(), false), field("value", new arrow.Int32())];
const unionFields = [field("n", new arrow.Int32()), field("s", new arrow.Utf8())];

const nested: TypeColumn[] = [
  column("list", listData(new arrow.List(item), int32s(1, null), [2, null, 0]), [[1, null], null, []]),
  column("large_list", listData(new arrow.LargeList(item), int32s(1, null), [2, null, 0]), [
    [1, null],
    null,
    [],
  ]),
  column(
    "fixed_list",
    parentData(new arrow.FixedSizeList(2, item), [true, null, true], [int32s(1, null, 0, 0, 3, 4)]),
    [[1, null], null, [3, 4]],
  ),
  column(
    "struct",
    parentData(new arrow.Struct(structFields), [true, null, true], [int32s(1, 0, 2), strings(null, "", "x")]),
    [{ a: 1, b: null }, null, { a: 2, b: "x" }],
  ),
  column(
    "map",
    listData(
      new arrow.Map_(field("entries", new arrow.Struct(entryFields)) as never),
      parentData(new arrow.Struct(entryFields), [true], [strings("k"), int32s(1)]),
      [1, null, 0],
    ),
    [[["k", 1]], null, []],
  ),
  column(
    "dictionary",
    dictionaryData(
      new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32(), 7),
      [0, null, 1],
      [strings("x", "y")],
    ),
    ["x", null, "y"],
  ),
  column(
    "sparse_union",
    unionData(
      new arrow.SparseUnion([0, 1], unionFields),
      [0, 0, 1],
      [int32s(1, null, 0), strings("", "", "x")],
    ),
    [1, null, "x"],
  ),
  column(
    "dense_union",
    unionData(
      new arrow.DenseUnion([0, 1], unionFields),
      [0, 0, 1],
      [int32s(1, null), strings("x")],
      [0, 1, 0],
    ),
    [1, null, "x"],
  ),
];

export const typeColumns: readonly TypeColumn[] = [
  column("null", new arrow.Data(new arrow.Null(), 0, 3, 3), [null, null, null]),
  column("bool", boolData(new arrow.Bool(), [true, null, false]), [true, null, false]),
  ...numbers,
  ...bytes,
  ...decimals,
  ...times,
  ...nested,
];
