/**
 * Readers of the types of fixed width. Each that InfluxDB uses has a function of its own, so that V8 sees one kind of
 * typed array in it.
 */
import {
  DateUnit,
  IntervalUnit,
  Precision,
  TimeUnit,
  type Date_,
  type Decimal,
  type Duration,
  type Float,
  type Int,
  type Interval,
  type Time,
  type Timestamp,
} from "apache-arrow";
import { isSet, valuesOf, type Bind } from "./column-reader.ts";
import { badStream, placeOf, unsupportedType } from "./faults.ts";
import { decimalText, integerOfWords } from "./decimals.ts";
import type { RowOptions } from "./values.ts";
import { dateText, intervalText, nsPerDay, timestampTexts, timeText } from "./times.ts";

const msPerDay = 86_400_000n;
/** Of the signed byte in which arrow-rs, and so InfluxDB, keeps it; the format's own is 32 bits wide. */
const maxScale = 128;

export function boolReader(): Bind {
  return (data) => {
    const bits = valuesOf(data, Uint8Array, 0);
    const { offset } = data;
    return (index) => isSet(bits, offset + index);
  };
}

const intArrays = {
  signed: { 8: Int8Array, 16: Int16Array, 32: Int32Array },
  unsigned: { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array },
};

export function intReader(type: Int, column: string): Bind {
  const { bitWidth } = type;
  if (bitWidth === 64) return type.isSigned ? bigIntReader() : unsignedBigIntReader();
  const kind = intArrays[type.isSigned ? "signed" : "unsigned"][bitWidth];
  if (kind === undefined) throw unsupportedType(placeOf(column), `Int${String(bitWidth)}`);
  return (data) => {
    const values: ArrayLike<number> = valuesOf<InstanceType<typeof kind>>(data, kind);
    return (index) => values[index] as number;
  };
}

function bigIntReader(): Bind {
  return (data) => {
    const values = valuesOf(data, BigInt64Array);
    return (index) => values[index] as bigint;
  };
}

function unsignedBigIntReader(): Bind {
  return (data) => {
    const values = valuesOf(data, BigUint64Array);
    return (index) => values[index] as bigint;
  };
}

export function floatReader(type: Float, column: string): Bind {
  switch (type.precision) {
    case Precision.DOUBLE:
      return (data) => {
        const values = valuesOf(data, Float64Array);
        return (index) => values[index] as number;
      };
    case Precision.SINGLE:
      return (data) => {
        const values = valuesOf(data, Float32Array);
        return (index) => values[index] as number;
      };
    case Precision.HALF:
      return (data) => {
        const words = valuesOf(data, Uint16Array);
        const values = new Float16Array(words.buffer, words.byteOffset, words.length);
        return (index) => values[index] as number;
      };
    default:
      throw unsupportedType(placeOf(column), "Float of an unknown precision");
  }
}

export function decimalReader(type: Decimal, column: string): Bind {
  const { scale, bitWidth } = type;
  if (Math.abs(scale) > maxScale) throw unsupportedType(placeOf(column), `Decimal with the scale ${scale}`);
  if (![32, 64, 128, 256].includes(bitWidth)) throw unsupportedType(placeOf(column), `Decimal${bitWidth}`);
  const words = bitWidth / 32;
  return (data) => {
    const values = valuesOf(data, Uint32Array, words);
    return (index) => decimalText(integerOfWords(values, index * words, words), scale);
  };
}

export function dateReader(type: Date_, column: string): Bind {
  if (type.unit === DateUnit.DAY) {
    return (data) => {
      const days = valuesOf(data, Int32Array);
      return (index) => dateText(days[index] as number);
    };
  }
  if (type.unit !== DateUnit.MILLISECOND) throw unsupportedType(placeOf(column), "Date of an unknown unit");
  return (data) => {
    const values = valuesOf(data, BigInt64Array);
    return (index) => {
      const ms = values[index] as bigint;
      // Whole days, says the format; of others the day that they lie in.
      return dateText(Number((ms - (((ms % msPerDay) + msPerDay) % msPerDay)) / msPerDay));
    };
  };
}

function unitsPerSecond(unit: TimeUnit, column: string): number {
  switch (unit) {
    case TimeUnit.SECOND:
      return 1;
    case TimeUnit.MILLISECOND:
      return 1000;
    case TimeUnit.MICROSECOND:
      return 1_000_000;
    case TimeUnit.NANOSECOND:
      return 1_000_000_000;
    default:
      throw unsupportedType(placeOf(column), "Time, Timestamp or Duration of an unknown unit");
  }
}

export function timestampReader(type: Timestamp, times: RowOptions["times"], column: string): Bind {
  const units = unitsPerSecond(type.unit, column);
  if (times !== "iso") return nanosecondsReader(units);
  return (data) => {
    const values = valuesOf(data, BigInt64Array);
    const textOf = timestampTexts(units);
    return (index) => textOf(values[index] as bigint);
  };
}

export function durationReader(type: Duration, column: string): Bind {
  return nanosecondsReader(unitsPerSecond(type.unit, column));
}

function nanosecondsReader(units: number): Bind {
  if (units === 1_000_000_000) return bigIntReader();
  const nsPerUnit = BigInt(1_000_000_000 / units);
  return (data) => {
    const values = valuesOf(data, BigInt64Array);
    return (index) => (values[index] as bigint) * nsPerUnit;
  };
}

export function timeReader(type: Time, column: string): Bind {
  const nsPerUnit = 1_000_000_000 / unitsPerSecond(type.unit, column);
  const textOf = (value: number): string => {
    const ns = value * nsPerUnit;
    if (ns < 0 || ns >= nsPerDay)
      throw badStream(`${placeOf(column)} holds a time of day that is none: ${value}`);
    return timeText(ns);
  };
  if (nsPerUnit >= 1_000_000) {
    return (data) => {
      const values = valuesOf(data, Int32Array);
      return (index) => textOf(values[index] as number);
    };
  }
  return (data) => {
    const values = valuesOf(data, BigInt64Array);
    return (index) => textOf(Number(values[index]));
  };
}

export function intervalReader(type: Interval, column: string): Bind {
  switch (type.unit) {
    case IntervalUnit.YEAR_MONTH:
      return (data) => {
        const months = valuesOf(data, Int32Array);
        return (index) => intervalText(months[index] as number, 0, 0n);
      };
    case IntervalUnit.DAY_TIME:
      return (data) => {
        const words = valuesOf(data, Int32Array, 2);
        return (index) =>
          intervalText(0, words[2 * index] as number, BigInt(words[2 * index + 1] as number) * 1_000_000n);
      };
    case IntervalUnit.MONTH_DAY_NANO:
      return (data) => {
        const words = valuesOf(data, Int32Array, 4);
        return (index) => {
          const low = BigInt.asUintN(32, BigInt(words[4 * index + 2] as number));
          const ns = (BigInt(words[4 * index + 3] as number) << 32n) | low;
          return intervalText(words[4 * index] as number, words[4 * index + 1] as number, ns);
        };
      };
    default:
      throw unsupportedType(placeOf(column), "Interval of an unknown unit");
  }
}
