/**
 * Values as the wire has them → values as `Event` has them, for both dialects. A value that is there and
 * is not one becomes `undefined` and is listed in `DroppedParts`.
 */
import type { DroppedParts } from "./dropped.ts";
import type { Location } from "./event.ts";
import { timestampNs } from "./rfc3339.ts";
import type { SecondsAndNanos } from "./rfc3339.ts";

const hexEui = /^[0-9a-f]{16}$/;
const euiBytes = 8;

/** An EUI-64 as 16 lower-case hex digits; `undefined` when the text is none. */
export function toEui(text: string): string | undefined {
  const eui = text.toLowerCase();
  return hexEui.test(eui) ? eui : undefined;
}

/** An EUI-64 as its 8 bytes, most significant first, as v3 and Gateway Bridge 3 send it. */
export function toEuiFromBytes(bytes: Uint8Array): string | undefined {
  return bytes.length === euiBytes ? Buffer.from(bytes).toString("hex") : undefined;
}

export function toNs(
  time: SecondsAndNanos | undefined,
  path: string,
  dropped: DroppedParts,
): bigint | undefined {
  if (time === undefined) return undefined;
  const ns = timestampNs(time);
  if (ns === undefined) dropped.add(path);
  return ns;
}

/** Zeros are left out on the wire: 0, 0, 0 is "not set", and a real place in the sea nobody measures from. */
export function toLocation(
  location: Location | undefined,
  path: string,
  dropped: DroppedParts,
): Location | undefined {
  if (location === undefined) return undefined;
  const { latitude, longitude, altitude } = location;
  if (latitude === 0 && longitude === 0 && altitude === 0) return undefined;
  if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 && Number.isFinite(altitude)) {
    return { latitude, longitude, altitude };
  }
  dropped.add(path);
  return undefined;
}

/**
 * The shortest decimal that is this float32: 13.2 in JSON and 13.199999809… from the binary encoding are
 * one number, and must be one value in the database. Six digits tell most float32 apart, nine all.
 */
export function shortestFloat32(value: number): number {
  const float32 = Math.fround(value);
  const tenths = Math.round(float32 * 10) / 10;
  if (Math.fround(tenths) === float32) return tenths;
  for (let digits = 6; digits < 9; digits += 1) {
    const candidate = Number(float32.toPrecision(digits));
    if (Math.fround(candidate) === float32) return candidate;
  }
  return Number(float32.toPrecision(9));
}

/** A list of at most `max` items: the binary encoding has no bound of its own. The rest is listed as one. */
export function firstItems<Item>(
  items: readonly Item[],
  max: number,
  path: string,
  dropped: DroppedParts,
): readonly Item[] {
  if (items.length <= max) return items;
  dropped.add(`${path}[${max}…]`);
  return items.slice(0, max);
}
