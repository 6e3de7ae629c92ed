/**
 * One column of each Arrow type, and the values that a row has to have for it: written by hand, from the format's
 * definition (https://github.com/apache/arrow/blob/main/format/Schema.fbs). Base of every test that says "every type".
 */
import * as arrow from "apache-arrow";
import type { DataType } from "apache-arrow";
import type { Value } from "../../src/influx/arrow/rows.ts";
import { boolData, bytesData, fixedData, viewsData } from "./arrow-data.ts";
import { nestedSamples } from "./arrow-nested-samples.ts";
import { nameOf, sample, type ArrowSample } from "./arrow-sample.ts";

type Elements = Parameters<typeof fixedData>[1];

function fixed(
  type: DataType,
  values: Elements,
  expected?: readonly Value[],
  iso?: readonly Value[],
): ArrowSample {
  const data = fixedData(type, values);
  return sample(nameOf(type), data, expected ?? values, iso);
}

const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;
const second = 1_000_000_000n;

const numbers: ArrowSample[] = [
  fixed(new arrow.Int8(), [-128, null, 127, 0]),
  fixed(new arrow.Int16(), [-32_768, null, 32_767]),
  fixed(new arrow.Int32(), [-2_147_483_648, null, 2_147_483_647]),
  fixed(new arrow.Int64(), [minInt64, null, maxInt64, -1n, 2n ** 53n + 1n]),
  fixed(new arrow.Uint8(), [0, null, 255]),
  fixed(new arrow.Uint16(), [0, null, 65_535]),
  fixed(new arrow.Uint32(), [0, null, 4_294_967_295]),
  fixed(new arrow.Uint64(), [0n, null, 2n ** 64n - 1n]),
  fixed(
    new arrow.Float16(),
    [0x3c00, null, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x7e00],
    [1, null, -2, 65_504, 2 ** -24, -0, Infinity, -Infinity, NaN],
  ),
  fixed(
    new arrow.Float32(),
    [1.5, null, 0.1, -0, NaN, -Infinity],
    [1.5, null, Math.fround(0.1), -0, NaN, -Infinity],
  ),
  fixed(new arrow.Float64(), [0.1, null, -0, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308]),
];

/** Two's complement in words of 32 bits, the lowest first. */
function words(value: bigint, count: number): number[] {
  return Array.from({ length: count }, (_, word) => Number(BigInt.asUintN(32, value >> BigInt(32 * word))));
}

function decimal(
  bits: number,
  scale: number,
  values: readonly (bigint | null)[],
  expected: readonly Value[],
) {
  const type = new arrow.Decimal(scale, 9, bits);
  const data = fixedData(
    type,
    values.map((value) => (value === null ? null : words(value, bits / 32))),
  );
  return sample(`Decimal${bits} with scale ${scale}`, data, expected);
}

const decimals: ArrowSample[] = [
  decimal(32, 2, [12_345n, null, -5n], ["123.45", null, "-0.05"]),
  decimal(64, 3, [-(2n ** 63n), null], ["-9223372036854775.808", null]),
  decimal(128, 2, [12_345n, null, -1n, 0n, 100n], ["123.45", null, "-0.01", "0.00", "1.00"]),
  decimal(128, 0, [-(2n ** 127n), null, 2n ** 127n - 1n], [`-${2n ** 127n}`, null, `${2n ** 127n - 1n}`]),
  decimal(128, -3, [12n, null, -7n, 0n], ["12000", null, "-7000", "0"]),
  decimal(256, 76, [-(10n ** 75n), null, 1n], [`-0.1${"0".repeat(75)}`, null, `0.${"0".repeat(75)}1`]),
];

const dates: ArrowSample[] = [
  fixed(
    new arrow.DateDay(),
    [0, null, 20_779, -1, -719_529, 2_932_897, 11_016],
    ["1970-01-01", null, "2026-11-22", "1969-12-31", "-000001-12-31", "+010000-01-01", "2000-02-29"],
  ),
  fixed(
    new arrow.DateMillisecond(),
    [0n, null, 20_779n * 86_400_000n, -1n],
    ["1970-01-01", null, "2026-11-22", "1969-12-31"],
  ),
  fixed(new arrow.TimeSecond(), [0, null, 86_399], ["00:00:00.000000000", null, "23:59:59.000000000"]),
  fixed(
    new arrow.TimeMillisecond(),
    [1, null, 86_399_999],
    ["00:00:00.001000000", null, "23:59:59.999000000"],
  ),
  fixed(
    new arrow.TimeMicrosecond(),
    [1n, null, 28_800_123_456n],
    ["00:00:00.000001000", null, "08:00:00.123456000"],
  ),
  fixed(
    new arrow.TimeNanosecond(),
    [1n, null, 86_399_999_999_999n],
    ["00:00:00.000000001", null, "23:59:59.999999999"],
  ),
];

const timestamps: ArrowSample[] = [
  fixed(
    new arrow.TimestampSecond(),
    [1_795_334_400n, null, -1n, 253_402_300_800n],
    [1_795_334_400n * second, null, -second, 253_402_300_800n * second],
    [
      "2026-11-22T08:00:00.000000000Z",
      null,
      "1969-12-31T23:59:59.000000000Z",
      "+010000-01-01T00:00:00.000000000Z",
    ],
  ),
  fixed(
    new arrow.TimestampMillisecond(),
    [1_795_334_400_123n, null, -1n],
    [1_795_334_400_123_000_000n, null, -1_000_000n],
    ["2026-11-22T08:00:00.123000000Z", null, "1969-12-31T23:59:59.999000000Z"],
  ),
  fixed(
    new arrow.TimestampMicrosecond(),
    [1_795_334_400_123_456n, null, -1n, minInt64],
    [1_795_334_400_123_456_000n, null, -1000n, minInt64 * 1000n],
    [
      "2026-11-22T08:00:00.123456000Z",
      null,
      "1969-12-31T23:59:59.999999000Z",
      "-290308-12-21T19:59:05.224192000Z",
    ],
  ),
  fixed(
    new arrow.TimestampNanosecond(),
    [1_795_334_400_123_456_789n, null, -1n, minInt64, maxInt64],
    [1_795_334_400_123_456_789n, null, -1n, minInt64, maxInt64],
    [
      "2026-11-22T08:00:00.123456789Z",
      null,
      "1969-12-31T23:59:59.999999999Z",
      "1677-09-21T00:12:43.145224192Z",
      "2262-04-11T23:47:16.854775807Z",
    ],
  ),
  fixed(
    new arrow.TimestampNanosecond("Europe/Berlin"),
    [1_795_334_400_123_456_789n, null],
    [1_795_334_400_123_456_789n, null],
    ["2026-11-22T08:00:00.123456789Z", null],
  ),
];

const spans: ArrowSample[] = [
  fixed(new arrow.DurationSecond(), [90n, null, -1n], [90n * second, null, -second]),
  fixed(new arrow.DurationMillisecond(), [1n, null], [1_000_000n, null]),
  fixed(new arrow.DurationMicrosecond(), [-1n, null], [-1000n, null]),
  fixed(new arrow.DurationNanosecond(), [minInt64, null, 1n], [minInt64, null, 1n]),
  fixed(new arrow.IntervalYearMonth(), [14, null, -1, 0, -25], ["P1Y2M", null, "P-1M", "PT0S", "P-2Y-1M"]),
  fixed(
    new arrow.IntervalDayTime(),
    [[1, 3_723_004], null, [-1, -500], [0, 0]],
    ["P1DT1H2M3.004S", null, "P-1DT-0.5S", "PT0S"],
  ),
  fixed(
    new arrow.IntervalMonthDayNano(),
    [
      [13, -3, ...words(3_661_000_000_001n, 2)].map((word) => word | 0),
      null,
      [0, 0, 3_000_000_000 | 0, 0],
      [0, 0, -1, -1],
    ],
    ["P1Y1M-3DT1H1M1.000000001S", null, "PT3S", "PT-0.000000001S"],
  ),
];

const words27 = "twenty-seven bytes of text.";
const texts = ["a", null, "", "Grüße, 世界 🌧", words27, "a", "\u0000x", words27];
const blobs = [
  Uint8Array.of(1, 2, 255),
  null,
  Uint8Array.of(),
  Uint8Array.from({ length: 20 }, (_, index) => index),
];

const bytes: ArrowSample[] = [
  sample("Utf8", bytesData(new arrow.Utf8(), texts), texts),
  sample("LargeUtf8", bytesData(new arrow.LargeUtf8(), texts), texts),
  sample("Utf8View", viewsData(new arrow.Utf8View(), texts), texts),
  sample("Binary", bytesData(new arrow.Binary(), blobs), blobs),
  sample("LargeBinary", bytesData(new arrow.LargeBinary(), blobs), blobs),
  sample("BinaryView", viewsData(new arrow.BinaryView(), blobs), blobs),
  fixed(
    new arrow.FixedSizeBinary(3),
    [[1, 2, 3], null, [255, 0, 255]],
    [Uint8Array.of(1, 2, 3), null, Uint8Array.of(255, 0, 255)],
  ),
];

export const arrowSamples: readonly ArrowSample[] = [
  sample("Null", new arrow.Data(new arrow.Null(), 0, 3, 3), [null, null, null]),
  sample("Bool", boolData(new arrow.Bool(), [true, null, false, true]), [true, null, false, true]),
  ...numbers,
  ...decimals,
  ...dates,
  ...timestamps,
  ...spans,
  ...bytes,
  ...nestedSamples,
];
