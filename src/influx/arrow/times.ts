/**
 * Arrow's dates, times and intervals as ISO 8601 text, exact to the nanosecond over the whole range of their integers.
 *
 * JavaScript's Date is not used: it ends at the year 275760 and knows no nanoseconds. Years outside 0 to 9999 are
 * written as ISO 8601 expands them, with a sign and at least six digits. The year 0 is 1 BC. Pure.
 */

const nsPerSecond = 1_000_000_000;
const secondsPerDay = 86_400;
export const nsPerDay = secondsPerDay * nsPerSecond;

/** "2026-11-22" for a count of days since 1970-01-01. */
export function dateText(days: number): string {
  // Years begin on 1 March here, so that the leap day is the last day of its year, and are counted in cycles of 400.
  const daysPerCycle = 146_097;
  const daysFromMarch0 = days + 719_468;
  const cycle = Math.floor(daysFromMarch0 / daysPerCycle);
  const dayOfCycle = daysFromMarch0 - cycle * daysPerCycle;
  const leapDays =
    Math.floor(dayOfCycle / 1460) - Math.floor(dayOfCycle / 36_524) + Math.floor(dayOfCycle / 146_096);
  const yearOfCycle = Math.floor((dayOfCycle - leapDays) / 365);
  const dayOfYear =
    dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0);
  return `${yearText(year)}-${twoDigits(month)}-${twoDigits(day)}`;
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, "0");
  return (year < 0 ? "-" : "+") + String(Math.abs(year)).padStart(6, "0");
}

/** "08:00:00.123456789" for nanoseconds since midnight, below one day. */
export function timeText(ns: number): string {
  const seconds = Math.floor(ns / nsPerSecond);
  const fraction = String(ns - seconds * nsPerSecond).padStart(9, "0");
  const minutes = Math.floor(seconds / 60);
  return `${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}:${twoDigits(seconds % 60)}.${fraction}`;
}

/**
 * A function that writes timestamps as `2026-11-22T08:00:00.123456789Z`. It remembers the last day it wrote: the
 * timestamps of a result lie close together.
 */
export function timestampTexts(unitsPerSecond: number): (timestamp: bigint) => string {
  const unitsPerDay = BigInt(secondsPerDay * unitsPerSecond);
  const nsPerUnit = nsPerSecond / unitsPerSecond;
  let lastDay = 0;
  let lastText = dateText(0);
  return (timestamp) => {
    // Both fit a number exactly: at most 1.07e14 days, and 8.64e13 ns of a day.
    let unitsOfDay = Number(timestamp % unitsPerDay);
    let day = Number(timestamp / unitsPerDay);
    if (unitsOfDay < 0) {
      unitsOfDay += secondsPerDay * unitsPerSecond;
      day -= 1;
    }
    if (day !== lastDay) {
      lastDay = day;
      lastText = dateText(day);
    }
    return `${lastText}T${timeText(unitsOfDay * nsPerUnit)}Z`;
  };
}

/**
 * "P1Y2M3DT4H5M6.789S": the form of PostgreSQL's "iso_8601" interval style. The three parts do not convert into each
 * other (a month has no fixed number of days), so each keeps its own sign: "P-1MT0.5S". Nothing at all is "PT0S".
 */
export function intervalText(months: number, days: number, ns: bigint): string {
  const years = Math.trunc(months / 12);
  const date = part(years, "Y") + part(months - years * 12, "M") + part(days, "D");
  const time = clockParts(ns);
  if (time !== "") return `P${date}T${time}`;
  return date === "" ? "PT0S" : `P${date}`;
}

function part(count: number, designator: string): string {
  return count === 0 ? "" : `${count}${designator}`;
}

function clockParts(ns: bigint): string {
  const sign = ns < 0n ? "-" : "";
  const magnitude = ns < 0n ? -ns : ns;
  const fraction = Number(magnitude % BigInt(nsPerSecond));
  // At most 9.2e9 seconds.
  const seconds = Number(magnitude / BigInt(nsPerSecond));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const decimals = fraction === 0 ? "" : `.${String(fraction).padStart(9, "0").replace(/0+$/, "")}`;
  const signed = (text: string, designator: string): string => (text === "0" ? "" : sign + text + designator);
  return (
    signed(String(hours), "H") +
    signed(String(minutes % 60), "M") +
    signed(String(seconds % 60) + decimals, "S")
  );
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
