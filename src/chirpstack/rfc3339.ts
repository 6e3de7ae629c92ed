/**
 * Times and durations as proto3 JSON writes them, read without loss: nanoseconds do not fit a `Date`.
 * Shapes are those of `google.protobuf.Timestamp` and `Duration`. Anything that is not a real moment
 * (the 30th of February, 24:00:00, ten fraction digits) gives `undefined`.
 */

export interface SecondsAndNanos {
  readonly seconds: bigint;
  /** 0 to 999,999,999; a negative duration has negative nanoseconds. */
  readonly nanos: number;
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const durationText = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/** Below it `Date.UTC` would read the year as 19xx; Go's zero time (year 1) is no moment either. */
const minYear = 100;

/** "2022-07-18T09:34:15.775023242+00:00" → seconds and nanoseconds since 1970. */
export function parseTimestamp(text: string): SecondsAndNanos | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHour, offsetMinute] = match;
  const y = Number(year);
  const m = Number(month);
  const d = Number(day);
  const h = Number(hour);
  const min = Number(minute);
  const s = Number(second);
  if (y < minYear || m < 1 || m > 12 || d < 1 || d > daysInMonth(y, m)) return undefined;
  if (h > 23 || min > 59 || s > 59) return undefined;
  let seconds = Date.UTC(y, m - 1, d, h, min, s) / 1000;
  if (sign !== undefined) {
    const oh = Number(offsetHour);
    const om = Number(offsetMinute);
    if (oh > 23 || om > 59) return undefined;
    const offsetSeconds = (oh * 60 + om) * 60;
    seconds += sign === "+" ? -offsetSeconds : offsetSeconds;
  }
  return { seconds: BigInt(seconds), nanos: fractionNanos(fraction) };
}

/** "1433853910.653s" → seconds and nanoseconds. */
export function parseDuration(text: string): SecondsAndNanos | undefined {
  const match = durationText.exec(text);
  if (match === null) return undefined;
  const [, minus, whole, fraction] = match;
  const seconds = BigInt(whole ?? "0");
  const nanos = fractionNanos(fraction);
  return minus === "-" ? { seconds: -seconds, nanos: nanos === 0 ? 0 : -nanos } : { seconds, nanos };
}

/** Seconds of 0100-01-01T00:00:00Z and of 9999-12-31T23:59:59Z. */
const minSeconds = -59_011_459_200n;
const maxSeconds = 253_402_300_799n;

/** Nanoseconds since 1970; `undefined` when the parts are outside what RFC 3339 can write. */
export function timestampNs(timestamp: SecondsAndNanos): bigint | undefined {
  const { seconds, nanos } = timestamp;
  if (seconds < minSeconds || seconds > maxSeconds || nanos < 0 || nanos > 999_999_999) return undefined;
  return seconds * 1_000_000_000n + BigInt(nanos);
}

function fractionNanos(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.padEnd(9, "0"));
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
