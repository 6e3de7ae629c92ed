/**
 * Which rows a payload makes, and the columns that `fit` finds for their fields in a table as it is known. Each
 * payload is fitted by itself: what it would add to the table is not there for the next one. Pure.
 */
import type { Uplink } from "../chirpstack/event.ts";
import type { ColumnType } from "./column-types.ts";
import { fit, isFull } from "./fit.ts";
import type { Trace } from "./flatten-trace.ts";
import { payloadRows } from "./payload-rows.ts";
import type { Point } from "./point.ts";
import type { ProfileMapping } from "./settings.ts";
import { deviceTags, type TagLayout } from "./tags.ts";

/** Of a table. */
export type KnownColumns = ReadonlyMap<string, ColumnType>;

/** "full": its column would be a new one, in a table that takes no more. "taken": so are all the names beside it. */
export type Place = { readonly column: string } | "full" | "taken";

/** The uplink's own row, then one for each item that was to be one, whether they are written or not. */
export interface TracedRow {
  /** The exploded array that it is an item of. */
  readonly inside: string | undefined;
  /** Whether it has a value, without which no item is written. */
  readonly hasValue: boolean;
  /** By the name of a field; empty where the table is not known. */
  readonly places: ReadonlyMap<string, Place>;
}

interface GrowingRow {
  readonly inside: string | undefined;
  hasValue: boolean;
}

export function tracedRows(
  uplink: Uplink,
  timeNs: bigint,
  layout: TagLayout,
  profiles: readonly ProfileMapping[],
  known: KnownColumns | undefined,
): TracedRow[] {
  const rows: GrowingRow[] = [];
  const tags = deviceTags(uplink.device, layout);
  const { points } = payloadRows(uplink, timeNs, tags, layout, profiles, watch(rows, undefined));
  // No item has the very time of its uplink.
  const [own] = points;
  const hasOwn = own !== undefined && own.timeNs === timeNs;
  const items = (hasOwn ? points.slice(1) : points).values();
  const columns = known === undefined ? undefined : new Map(known);
  return rows.map((row) => {
    let point: Point | undefined;
    if (row.inside === undefined) point = hasOwn ? own : undefined;
    else point = row.hasValue ? items.next().value : undefined;
    const places = point === undefined || columns === undefined ? noPlaces : placesOf(point, columns);
    return { ...row, places };
  });
}

const noPlaces: ReadonlyMap<string, Place> = new Map();

/** In the order in which rows are begun. */
function watch(rows: GrowingRow[], inside: string | undefined): Trace {
  const row: GrowingRow = { inside, hasValue: false };
  rows.push(row);
  return {
    leaf: ({ value }) => {
      if (value !== undefined) row.hasValue = true;
    },
    skipped: () => {},
    array: () => {},
    inside: (path) => watch(rows, path),
  };
}

/** `fit` keeps the order of the fields that a payload has named, and their names are different ones. */
function placesOf(point: Point, columns: Map<string, ColumnType>): ReadonlyMap<string, Place> {
  const fitted = fit(point, { columnsOf: () => columns });
  const leftOut = new Set(fitted.leftOut);
  const written = fitted.point.fields.slice(fitted.point.openFrom).values();
  const places = new Map<string, Place>();
  for (const { name } of point.fields.slice(point.openFrom)) {
    if (leftOut.has(name)) places.set(name, isFull(columns) ? "full" : "taken");
    else places.set(name, { column: written.next().value?.name ?? name });
  }
  return places;
}
