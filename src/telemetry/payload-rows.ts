/**
 * The rows of a codec's object, in `telemetry_<profile>` or the table that its `[[profile]]` names:
 *
 * - one at the uplink's time, when the object has a usable leaf, or something that was left out: device_name,
 *   f_cnt, f_port, fields_left_out (how many found no room, where it is not 0) and the flattened object;
 * - one for each item of an exploded array (`history`), at its own time: device_name, from_history = true,
 *   fields_left_out and the item's members, under the same names as live ones. No counters: the same history
 *   sent again must be the same row. An item without a plausible time is in no row: it is counted in the
 *   fields_left_out of the uplink's own.
 *
 * Deterministic: the same uplink, time and settings give the same rows, in whatever order the object's keys
 * come.
 */
import type { Uplink } from "../chirpstack/event.ts";
import { Columns } from "./columns.ts";
import { Exploder } from "./explode.ts";
import { flatten, freeName, type Flattened } from "./flatten.ts";
import type { Trace } from "./flatten-trace.ts";
import { leftOutColumn, telemetryColumns } from "./own-columns.ts";
import type { Point, Tag } from "./point.ts";
import { mappingOf } from "./profile-match.ts";
import type { ProfileMapping } from "./settings.ts";
import { maxPayloadColumns, telemetryTable } from "./table.ts";
import type { TagLayout } from "./tags.ts";

const maxLeftOutNames = 20;

/** What of a payload is in no row, for a warning. */
export interface LeftOut {
  readonly profileName: string;
  readonly table: string;
  /** The first few. */
  readonly names: readonly string[];
  /** Of one row exactly; several rows of a payload mostly leave out the same, so it is at least so many. */
  readonly count: number;
}

export interface PayloadRows {
  readonly points: readonly Point[];
  /** What found no room. */
  readonly leftOut: LeftOut | undefined;
  /** Items that were to be rows and have no time that can be right. */
  readonly untimed: LeftOut | undefined;
}

const noRows: PayloadRows = { points: [], leftOut: undefined, untimed: undefined };

export function payloadRows(
  uplink: Uplink,
  timeNs: bigint,
  tags: readonly Tag[],
  layout: TagLayout,
  profiles: readonly ProfileMapping[],
  trace?: Trace,
): PayloadRows {
  if (uplink.object === undefined) return noRows;
  const mapping = mappingOf(uplink.device, profiles);
  const table = payloadTable(uplink, mapping);
  const reserved = reservedNames(layout);
  const maxFields = Math.max(maxPayloadColumns - reserved.size, 0);
  const exploder = mapping.explode.size === 0 ? undefined : new Exploder(mapping.explode, timeNs);
  const explode = exploder === undefined ? undefined : exploder.take.bind(exploder);
  const base = { rules: mapping, reserved, maxFields };
  const points: Point[] = [];

  const main = flatten(uplink.object, { ...base, skip: undefined, explode, trace });
  if (main.fields.length > 0 || main.leftOutCount + main.untimed.count > 0) {
    const columns = new Columns(layout.reserved);
    columns.text("device_name", uplink.device.deviceName);
    columns.integer("f_cnt", uplink.fCnt);
    columns.integer("f_port", uplink.fPort);
    const openFrom = addPayload(columns, main);
    points.push({ table, tags, fields: columns.fields, timeNs, openFrom });
  }

  const rows = [main];
  for (const { path, item, timeMember, timeNs: itemNs } of exploder?.items ?? []) {
    const inside = trace?.inside(path);
    const row = flatten(item, { ...base, skip: timeMember, explode: undefined, trace: inside });
    rows.push(row);
    if (row.fields.length === 0) continue;
    const columns = new Columns(layout.reserved);
    columns.text("device_name", uplink.device.deviceName);
    columns.flag("from_history", true);
    const openFrom = addPayload(columns, row);
    points.push({ table, tags, fields: columns.fields, timeNs: itemNs, openFrom });
  }
  const { profileName } = uplink.device;
  return {
    points,
    leftOut: leftOutOf(profileName, table, rows),
    // Items are not exploded themselves.
    untimed: leftOutOf(profileName, table, [
      { leftOut: main.untimed.names, leftOutCount: main.untimed.count },
    ]),
  };
}

export function payloadTable(uplink: Uplink, mapping: ProfileMapping): string {
  return mapping.table ?? telemetryTable(uplink.device.profileName, uplink.device.profileId);
}

/** Layouts live as long as their settings. */
const reservedByLayout = new WeakMap<TagLayout, ReadonlySet<string>>();

/** Names that no leaf gets: the tags', and ours as they are where a tag has one of them. */
function reservedNames(layout: TagLayout): ReadonlySet<string> {
  const made = reservedByLayout.get(layout);
  if (made !== undefined) return made;
  const reserved = new Set(layout.reserved);
  for (const name of telemetryColumns) reserved.add(freeName(name, layout.reserved));
  reservedByLayout.set(layout, reserved);
  return reserved;
}

/** The index of the first of its fields. */
function addPayload(columns: Columns, { fields, leftOutCount, untimed }: Flattened): number {
  const count = leftOutCount + untimed.count;
  columns.integer(leftOutColumn, count > 0 ? count : undefined);
  const openFrom = columns.fields.length;
  for (const field of fields) columns.fields.push(field);
  return openFrom;
}

function leftOutOf(
  profileName: string,
  table: string,
  rows: readonly Pick<Flattened, "leftOut" | "leftOutCount">[],
): LeftOut | undefined {
  if (rows.every(({ leftOutCount }) => leftOutCount === 0)) return undefined;
  const names = new Set(rows.flatMap(({ leftOut }) => leftOut));
  const first = [...names].slice(0, maxLeftOutNames);
  // A row names only its first ones.
  const count = Math.max(names.size, ...rows.map(({ leftOutCount }) => leftOutCount));
  return { profileName, table, names: first, count };
}
