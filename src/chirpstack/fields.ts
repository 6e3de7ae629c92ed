/**
 * Values as the wire has them → values as `Event` has them, for both dialects. A value that is there and
 * is not one becomes `undefined` and is listed in `DroppedParts`.
 */
import type { DescEnum } from "@bufbuild/protobuf";
import { CRCStatus } from "../proto/gw/gw_pb.js";
import type { DroppedParts } from "./dropped.ts";
import type { JsonValue, Location } from "./event.ts";
import { timestampNs } from "./rfc3339.ts";
import type { SecondsAndNanos } from "./rfc3339.ts";

const hexEui = /^[0-9a-f]{16}$/;
const euiBytes = 8;

/** More receptions than that are not one frame; the binary encoding has no bound of its own. */
export const maxReceptions = 256;

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

/** `undefined`: the message does not say it. */
interface WireLocation {
  readonly latitude: number | undefined;
  readonly longitude: number | undefined;
  readonly altitude: number | undefined;
}

/**
 * Zeros are left out on the wire: 0, 0 is "not set", with an altitude too, and the real place in the sea is where
 * nobody measures. With half of the coordinates it is no place either.
 */
export function toLocation(
  location: WireLocation | undefined,
  path: string,
  dropped: DroppedParts,
): Location | undefined {
  if (location === undefined) return undefined;
  const latitude = dropped.kept(location, "latitude");
  const longitude = dropped.kept(location, "longitude");
  const altitude = dropped.kept(location, "altitude");
  if (latitude === undefined || longitude === undefined) return undefined;
  if (latitude === 0 && longitude === 0) return undefined;
  if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 && Number.isFinite(altitude ?? 0)) {
    return { latitude, longitude, altitude };
  }
  dropped.add(path);
  return undefined;
}

/**
 * The shortest decimal that is this float32: 13.2 in JSON and 13.199999809… from the binary encoding are
 * one number, and must be one value in the database. Six digits tell most float32 apart, nine all.
 */
function shortestFloat32(value: number): number {
  const float32 = Math.fround(value);
  const tenths = Math.round(float32 * 10) / 10;
  if (Math.fround(tenths) === float32) return tenths;
  for (let digits = 6; digits < 9; digits += 1) {
    const candidate = Number(float32.toPrecision(digits));
    if (Math.fround(candidate) === float32) return candidate;
  }
  return Number(float32.toPrecision(9));
}

/** The binary encoding can carry NaN and infinities. */
export function toFinite(value: number | undefined, path: string, dropped: DroppedParts): number | undefined {
  if (value === undefined || Number.isFinite(value)) return value;
  dropped.add(path);
  return undefined;
}

/** As `toFinite`, of a float32. */
export function toFloat32(
  value: number | undefined,
  path: string,
  dropped: DroppedParts,
): number | undefined {
  const finite = toFinite(value, path, dropped);
  return finite === undefined ? undefined : shortestFloat32(finite);
}

/** Of a location, in metres; 0 is "not known", as proto3 has it. */
export function toAccuracyM(metres: number | undefined, dropped: DroppedParts): number | undefined {
  if (metres === undefined || metres === 0) return undefined;
  if (metres > 0) return toFloat32(metres, "location.accuracy", dropped);
  dropped.add("location.accuracy");
  return undefined;
}

/** v3 has the same numbers as v4. NO_CRC, the default: without a checksum there is none that is bad. */
export function toCrcOk(status: number | undefined): boolean | undefined {
  if (status === CRCStatus.BAD_CRC) return false;
  return status === CRCStatus.CRC_OK ? true : undefined;
}

const maxNameLength = 64;

/**
 * The schema's name of an enum's value. One that the schema does not have keeps its number, or in JSON the
 * name that was sent, of which `number` is `undefined` then.
 */
export function enumName(desc: DescEnum, number: number | undefined, sent: JsonValue | undefined): string {
  if (number !== undefined) return desc.value[number]?.name ?? String(number);
  return typeof sent === "string" ? sent.slice(0, maxNameLength) : "";
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
