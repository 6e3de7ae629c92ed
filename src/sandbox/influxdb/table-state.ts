/**
 * The rows of one table while an interval of writes is merged. A row's key is (series, time), where a series
 * is one combination of tag values; fields are united, and a later value replaces an earlier one.
 *
 * Which rows may exist already is known without asking the engine: every series remembers the latest time
 * that was committed, and only rows that are not later have to be looked up.
 */
import type { Column, Table } from "./catalog.ts";
import type { AcceptedPoint } from "./ingest.ts";
import type { Tag } from "./point.ts";

export type Cell = null | boolean | number | bigint | string;

/** What one line did to the row of its key. */
export type Effect =
  | "created"
  /** Every value was there already: the harmless kind of a second write. */
  | "repeated"
  /** It added fields and changed none. */
  | "extended"
  /** It changed a value. */
  | "overwritten";

export interface Series {
  readonly id: number;
  /** The latest time among its committed rows. */
  maxTimeNs: bigint;
}

export interface Row {
  readonly series: Series;
  readonly timeNs: bigint;
  /** The columns by position. */
  cells: Cell[];
  readonly points: AcceptedPoint[];
  /** The engine's id of the stored version. */
  storedRowId: bigint | undefined;
}

export class TableState {
  readonly table: Table;
  /** Columns that the stored table has; the others are added by the next commit. */
  storedColumns = 0;
  readonly #seriesByTags = new Map<string, Series>();
  #nextSeriesId = 1;

  constructor(table: Table) {
    this.table = table;
  }

  restoreSeries(id: number, tags: readonly Tag[], maxTimeNs: bigint): void {
    this.#seriesByTags.set(tagSetKey(tags), { id, maxTimeNs });
    this.#nextSeriesId = Math.max(this.#nextSeriesId, id + 1);
  }

  /** The points of an interval as rows, each key once, in the order of arrival. */
  group(points: readonly AcceptedPoint[]): Row[] {
    const rows = new Map<string, Row>();
    for (const point of points) {
      const series = this.#series(point.tags);
      const key = `${series.id} ${point.timeNs}`;
      const row = rows.get(key);
      if (row === undefined) {
        rows.set(key, {
          series,
          timeNs: point.timeNs,
          cells: [],
          points: [point],
          storedRowId: undefined,
        });
      } else {
        row.points.push(point);
      }
    }
    return [...rows.values()];
  }

  #series(tags: readonly Tag[]): Series {
    const key = tagSetKey(tags);
    let series = this.#seriesByTags.get(key);
    if (series === undefined) {
      series = { id: this.#nextSeriesId, maxTimeNs: -(2n ** 63n) - 1n };
      this.#nextSeriesId += 1;
      this.#seriesByTags.set(key, series);
    }
    return series;
  }
}

/** Applies the points of a row in their order. `cells` holds what is stored, or nothing. */
export function mergeRow(row: Row): Effect[] {
  const effects: Effect[] = [];
  let exists = row.storedRowId !== undefined;
  for (const point of row.points) {
    let effect: Effect = exists ? "repeated" : "created";
    const { columns } = point.table;
    if (!exists) for (const tag of point.tags) row.cells[position(columns, tag.name)] = tag.value;
    for (const field of point.fields) {
      const at = position(columns, field.name);
      const before = row.cells[at] ?? null;
      if (before === field.value) continue;
      row.cells[at] = field.value;
      if (exists && effect !== "overwritten") effect = before === null ? "extended" : "overwritten";
    }
    exists = true;
    effects.push(effect);
  }
  return effects;
}

function position(columns: ReadonlyMap<string, Column>, name: string): number {
  const column = columns.get(name);
  if (column === undefined) throw new RangeError(`no column ${name}`);
  return column.position;
}

/** The same for every order of the tags. */
function tagSetKey(tags: readonly Tag[]): string {
  if (tags.length === 1 && tags[0] !== undefined) return JSON.stringify([tags[0].name, tags[0].value]);
  const sorted = tags.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return JSON.stringify(sorted.flatMap((tag) => [tag.name, tag.value]));
}
