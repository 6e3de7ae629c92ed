/**
 * Arrays of measurements that a device made earlier and sends together (`history`, a data log): each item
 * that says a plausible time of its own becomes a row of that time; one that does not (a device whose clock
 * was never set) is left out and counted. The time of an item depends on the item and on its place among the
 * items of its message alone, so that the same history, sent again, gives the same rows. Pure.
 */
import type { JsonObject, JsonValue } from "../chirpstack/event.ts";
import { parseTimestamp, timestampNs } from "../chirpstack/rfc3339.ts";
import type { ItemFate } from "./flatten.ts";

/** Of one message; the largest LoRaWAN payload has room for far fewer. */
const maxRows = 256;

/** 2015-01-01T00:00:00Z, the year of LoRaWAN: devices without a clock count from 1970 or 2000. */
const earliestNs = 1_420_070_400_000_000_000n;
const maxAheadNs = 86_400_000_000_000n;

export interface ExplodedItem {
  /** Of the array. */
  readonly path: string;
  readonly item: JsonObject;
  readonly timeMember: string;
  readonly timeNs: bigint;
}

/** Collects the items of one message. */
export class Exploder {
  readonly items: ExplodedItem[] = [];
  readonly #timeMembers: ReadonlyMap<string, string>;
  readonly #latestNs: bigint;
  readonly #times: Set<bigint>;

  /** `timeMembers`: path of an array → the member of each item that holds its time. */
  constructor(timeMembers: ReadonlyMap<string, string>, uplinkNs: bigint) {
    this.#timeMembers = timeMembers;
    this.#latestNs = uplinkNs + maxAheadNs;
    // The message's own row has the same tags: an item of this very nanosecond would overwrite it.
    this.#times = new Set([uplinkNs]);
  }

  /**
   * What becomes of each item; `undefined` where none of them has the member that is to hold its time: that
   * is another array, which happens to have the name.
   */
  take(path: string, items: readonly JsonValue[]): readonly ItemFate[] | undefined {
    const timeMember = this.#timeMembers.get(path);
    if (timeMember === undefined) return undefined;
    if (!items.some((item) => isObject(item) && Object.hasOwn(item, timeMember))) return undefined;
    return items.map((item) => this.#takeItem(path, item, timeMember));
  }

  #takeItem(path: string, item: JsonValue, timeMember: string): ItemFate {
    if (!isObject(item)) return "no time";
    const timeNs = itemTimeNs(item[timeMember]);
    if (timeNs === undefined || !isPlausibleNs(timeNs, this.#latestNs)) return "no time";
    if (this.items.length >= maxRows) return "no room";
    this.items.push({ path, item, timeMember, timeNs: this.#freeTime(timeNs) });
    return "row";
  }

  /** Rows of one table with equal tags and times would be one row. */
  #freeTime(timeNs: bigint): bigint {
    let free = timeNs;
    while (this.#times.has(free)) free += 1n;
    this.#times.add(free);
    return free;
  }
}

/** Whether somebody who looks for times would take it for one, in a message of `uplinkNs`. */
export function isPlausibleTime(value: JsonValue | undefined, uplinkNs: bigint): boolean {
  const timeNs = itemTimeNs(value);
  return timeNs !== undefined && isPlausibleNs(timeNs, uplinkNs + maxAheadNs);
}

function isPlausibleNs(timeNs: bigint, latestNs: bigint): boolean {
  return timeNs >= earliestNs && timeNs <= latestNs;
}

const decimalText = /^(\d{1,19})(?:\.(\d{1,9}))?$/;

/** Seconds, ms, µs or ns since 1970, told by their size, as number or text; or RFC 3339. */
function itemTimeNs(value: JsonValue | undefined): bigint | undefined {
  if (typeof value === "number") {
    if (!Number.isFinite(value) || value < 0) return undefined;
    const whole = Math.trunc(value);
    // A double of today's seconds is exact to a quarter of a microsecond.
    return scaleTime(BigInt(whole), BigInt(Math.round((value - whole) * 1e6)) * 1000n);
  }
  if (typeof value !== "string") return undefined;
  const decimal = decimalText.exec(value);
  if (decimal !== null) {
    const [, whole = "", fraction = ""] = decimal;
    return scaleTime(BigInt(whole), BigInt(fraction.padEnd(9, "0")));
  }
  const timestamp = parseTimestamp(value);
  return timestamp === undefined ? undefined : timestampNs(timestamp);
}

/** `billionths` of the unit, whichever it turns out to be. */
function scaleTime(whole: bigint, billionths: bigint): bigint {
  const unitNs = unitOf(whole);
  return whole * unitNs + (billionths * unitNs) / 1_000_000_000n;
}

/** The year 5138 in seconds is 1973 in milliseconds: nobody means either. */
function unitOf(whole: bigint): bigint {
  if (whole < 100_000_000_000n) return 1_000_000_000n;
  if (whole < 100_000_000_000_000n) return 1_000_000n;
  return whole < 100_000_000_000_000_000n ? 1000n : 1n;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
