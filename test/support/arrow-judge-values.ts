/** Values of fixed width, by DataView and BigInt, and the texts that rows have for dates, times and decimals. */
import { invalid } from "./arrow-judge-flatbuffer.ts";
import type { JudgeType } from "./arrow-judge-schema.ts";

/** A struct is a Map, a map an array of pairs. */
export type JudgeValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly JudgeValue[]
  | ReadonlyMap<string, JudgeValue>;

export type Times = "ns" | "iso";

const nsPerSecond = 1_000_000_000n;
const nsPerDay = 86_400n * nsPerSecond;

/** How many bytes a value takes, or undefined: the type has no fixed width. Bool counts by itself. */
export function widthOf(type: JudgeType): number | undefined {
  switch (type.kind) {
    case "int":
    case "float":
    case "decimal":
    case "date":
    case "time":
      return type.bits / 8;
    case "timestamp":
    case "duration":
      return 8;
    case "interval":
    case "fixed_binary":
      return type.bytes;
    default:
      return undefined;
  }
}

export function fixedValue(type: JudgeType, view: DataView, times: Times): JudgeValue {
  const integer = (signed = true): bigint => integerOf(view, signed);
  switch (type.kind) {
    case "int":
      return type.bits === 64 ? integer(type.signed) : Number(integer(type.signed));
    case "float":
      if (type.bits === 16) return halfFloat(Number(integer(false)));
      return type.bits === 32 ? view.getFloat32(0, true) : view.getFloat64(0, true);
    case "decimal":
      return decimal(integer(), type.scale);
    case "date":
      // Of milliseconds that are no whole day, the day that they lie in: so rows are documented.
      return date(type.bits === 32 ? integer() : floorDiv(integer(), 86_400_000n));
    case "time":
      return timeOfDay(integer() * type.nsPerUnit);
    case "timestamp":
      return times === "ns" ? integer() * type.nsPerUnit : instant(integer() * type.nsPerUnit);
    case "duration":
      return integer() * type.nsPerUnit;
    case "interval":
      return interval(view);
    default:
      return new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  }
}

export function integerOf(view: DataView, signed: boolean): bigint {
  let value = 0n;
  for (let at = view.byteLength - 1; at >= 0; at -= 1) value = value * 256n + BigInt(view.getUint8(at));
  return signed ? BigInt.asIntN(8 * view.byteLength, value) : value;
}

/** IEEE 754: a bit of sign, 5 of exponent, 10 of fraction. */
function halfFloat(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(bits / 1024) % 32;
  const fraction = bits % 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function decimal(unscaled: bigint, scale: number): string {
  if (Math.abs(scale) > 1000) invalid("a decimal with thousands of digits");
  const sign = unscaled < 0n ? "-" : "";
  const digits = String(unscaled).replace("-", "");
  if (scale <= 0) return unscaled === 0n ? "0" : sign + digits + "0".repeat(-scale);
  const long = "0".repeat(scale) + digits;
  return `${sign}${long.slice(0, -scale).replace(/^0+(?=\d)/, "")}.${long.slice(-scale)}`;
}

function floorDiv(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

/** The calendar repeats after 400 years, which are 146,097 days: Date is asked for those from 1970 on. */
function date(days: bigint): string {
  const cycle = floorDiv(days, 146_097n);
  const at = new Date(Number(days - cycle * 146_097n) * 86_400_000);
  const year = at.getUTCFullYear() + Number(cycle) * 400;
  const text = at.toISOString().slice(at.toISOString().indexOf("-"), -14);
  const digits = String(Math.abs(year));
  if (year >= 0 && year <= 9999) return digits.padStart(4, "0") + text;
  return (year < 0 ? "-" : "+") + digits.padStart(6, "0") + text;
}

function timeOfDay(ns: bigint): string {
  if (ns < 0n || ns >= nsPerDay) invalid("a time of day of another day");
  const seconds = new Date(Number(ns / nsPerSecond) * 1000).toISOString().slice(11, 19);
  return `${seconds}.${String(ns % nsPerSecond).padStart(9, "0")}`;
}

function instant(ns: bigint): string {
  const days = floorDiv(ns, nsPerDay);
  return `${date(days)}T${timeOfDay(ns - days * nsPerDay)}Z`;
}

/** Months (4 bytes); days and milliseconds (8); months, days and nanoseconds (16). */
function interval(view: DataView): string {
  const word = (index: number): bigint => BigInt(view.getInt32(4 * index, true));
  if (view.byteLength === 4) return duration(word(0), 0n, 0n);
  if (view.byteLength === 8) return duration(0n, word(0), word(1) * 1_000_000n);
  return duration(word(0), word(1), view.getBigInt64(8, true));
}

/** As the "iso_8601" style of PostgreSQL: a sign before every part that is negative. */
function duration(months: bigint, days: bigint, ns: bigint): string {
  const seconds = (ns / nsPerSecond) % 60n;
  const fraction = String(ns % nsPerSecond).replace("-", "");
  const decimals = ns % nsPerSecond === 0n ? "" : `.${fraction.padStart(9, "0").replace(/0+$/, "")}`;
  const sign = ns < 0n ? "-" : "";
  const second = `${sign}${String(seconds).replace("-", "")}${decimals}`;
  const dates: [string, string][] = [
    [String(months / 12n), "Y"],
    [String(months % 12n), "M"],
    [String(days), "D"],
  ];
  const clock: [string, string][] = [
    [String(ns / (3600n * nsPerSecond)), "H"],
    [String((ns / (60n * nsPerSecond)) % 60n), "M"],
    [second === "-0" ? "0" : second, "S"],
  ];
  const written = (parts: readonly [string, string][]): string =>
    parts.map(([count, unit]) => (count === "0" ? "" : count + unit)).join("");
  const text = `P${written(dates)}${written(clock) === "" ? "" : "T"}${written(clock)}`;
  return text === "P" ? "PT0S" : text;
}
