import type { ColumnType, Schema, TableColumn } from "../telemetry/column-types.ts";

/**
 * The columns of one database: what InfluxDB has, as far as it was read, and on top what we are about to make
 * (claims). Telemetry reads and claims in the maps that `columnsOf` gives; what `learn` finds wrong is set
 * right in the same maps.
 *
 * Invariants: for the columns that InfluxDB has been heard to have, the type is InfluxDB's, whatever was
 * claimed and in whatever order. A claim that InfluxDB does not have stays, with one exception: a payload's
 * table that turns out to be fuller than was thought gives up its newest claims until it is within its
 * limit again (but not those of tags, which tell rows apart).
 */

export interface SchemaCacheOptions {
  /** What was known when the last process ended. */
  readonly known?: Iterable<TableColumn>;
  /** A table that gets what codecs invent, so that its columns are limited. */
  readonly isPayloadTable: (table: string) => boolean;
  readonly limits?: SchemaLimits;
}

/** What goes beyond is not remembered: its columns are new each time that they are asked for. */
export interface SchemaLimits {
  readonly tables: number;
  readonly columnsPerTable: number;
  readonly columns: number;
  /** Of a payload's table, with tags and time, as telemetry fills it. */
  readonly payloadColumns: number;
}

const defaultLimits: SchemaLimits = {
  tables: 2000,
  columnsPerTable: 1000,
  columns: 100_000,
  payloadColumns: 200,
};

/** Under what a database's columns are stored. Neither half has a space in it. */
export function databaseKey({ url, database }: { readonly url: string; readonly database: string }): string {
  return `${url} ${database}`;
}

export class SchemaCache implements Schema {
  readonly #isPayloadTable: (table: string) => boolean;
  readonly #limits: SchemaLimits;
  readonly #tables = new Map<string, Columns>();
  readonly #size: Size;
  #version = 0;

  constructor({ known = [], isPayloadTable, limits = defaultLimits }: SchemaCacheOptions) {
    this.#isPayloadTable = isPayloadTable;
    this.#limits = limits;
    this.#size = { columns: 0 };
    for (const { table, column, type } of known) this.#columnsOf(table).set(column, type);
    for (const columns of this.#tables.values()) columns.unsaved.clear();
  }

  columnsOf(table: string): Map<string, ColumnType> {
    return this.#columnsOf(table);
  }

  /** Grows whenever InfluxDB contradicted what was known or claimed: rows that were fitted before are stale. */
  get version(): number {
    return this.#version;
  }

  /**
   * What InfluxDB has: every column of the tables that are named, and nothing about others. Whether any of
   * it contradicted what was known or claimed; a column not heard of before contradicts nothing.
   */
  learn(columns: Iterable<TableColumn>): boolean {
    const found = new Map<string, Map<string, ColumnType>>();
    for (const { table, column, type } of columns) {
      const ofTable = found.get(table) ?? new Map<string, ColumnType>();
      found.set(table, ofTable.set(column, type));
    }
    let contradicted = false;
    for (const [table, theirs] of found) {
      const ours = this.#columnsOf(table);
      if (this.#isPayloadTable(table) && this.#giveUpClaims(ours, theirs)) contradicted = true;
      for (const [column, type] of theirs) {
        const before = ours.get(column);
        if (before !== undefined && before !== type) contradicted = true;
        ours.set(column, type);
      }
    }
    if (contradicted) this.#version += 1;
    return contradicted;
  }

  /** Columns that came or changed since this was last called, for the store. */
  takeUnsaved(): readonly TableColumn[] {
    const taken: TableColumn[] = [];
    for (const [table, columns] of this.#tables) {
      for (const column of columns.unsaved) {
        const type = columns.get(column);
        if (type !== undefined) taken.push({ table, column, type });
      }
      columns.unsaved.clear();
    }
    return taken;
  }

  #columnsOf(table: string): Columns {
    let columns = this.#tables.get(table);
    if (columns === undefined) {
      const isKept = this.#tables.size < this.#limits.tables;
      columns = new Columns(this.#limits, isKept ? this.#size : { columns: 0 });
      if (isKept) this.#tables.set(table, columns);
    }
    return columns;
  }

  /** Whether there were any to give up. */
  #giveUpClaims(ours: Columns, theirs: ReadonlyMap<string, ColumnType>): boolean {
    const claims = [...ours.keys()].filter((column) => !theirs.has(column));
    let excess = theirs.size + claims.length - this.#limits.payloadColumns;
    let gaveUp = false;
    for (const column of claims.toReversed()) {
      if (excess <= 0) break;
      if (ours.get(column) === "tag") continue;
      ours.delete(column);
      gaveUp = true;
      excess -= 1;
    }
    return gaveUp;
  }
}

/** How many columns all tables have. */
interface Size {
  columns: number;
}

/** The columns of a table, which know what of them is not stored yet. */
class Columns extends Map<string, ColumnType> {
  readonly unsaved = new Set<string>();
  readonly #limits: SchemaLimits;
  readonly #all: Size;

  constructor(limits: SchemaLimits, all: Size) {
    super();
    this.#limits = limits;
    this.#all = all;
  }

  override set(column: string, type: ColumnType): this {
    const before = this.get(column);
    if (before === type) return this;
    if (before === undefined) {
      if (this.size >= this.#limits.columnsPerTable || this.#all.columns >= this.#limits.columns) return this;
      this.#all.columns += 1;
    }
    this.unsaved.add(column);
    return super.set(column, type);
  }

  override delete(column: string): boolean {
    this.unsaved.delete(column);
    const existed = super.delete(column);
    if (existed) this.#all.columns -= 1;
    return existed;
  }

  override clear(): void {
    for (const column of this.keys()) this.delete(column);
  }
}
