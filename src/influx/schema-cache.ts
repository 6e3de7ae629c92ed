import type { ColumnType, Schema, TableColumn } from "../telemetry/column-types.ts";
import { maxPayloadColumns } from "../telemetry/table.ts";

/**
 * The columns of one database. A type is *confirmed* when InfluxDB has said it, in its schema or by taking
 * lines that rest on it; until then it is a *claim*: what we are about to make. Telemetry reads and claims in
 * the maps that `columnsOf` gives; what turns out otherwise is set right in the same maps.
 *
 * Invariants: a confirmed type is InfluxDB's, whatever was claimed and in whatever order. Only confirmed types
 * are for the store: a claim that InfluxDB refuses must not outlive its process. A claim that InfluxDB does
 * not have stays until rows that rest on it are refused, with one exception: a payload's table that turns out
 * to be fuller than was thought gives up its newest columns that InfluxDB does not have, until it is within
 * its limit again (but not tags, which tell rows apart).
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
  payloadColumns: maxPayloadColumns,
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
    for (const { table, column, type } of known) this.#columnsOf(table).confirm(column, type);
    for (const columns of this.#tables.values()) columns.unsaved.clear();
  }

  /** `set` claims. */
  columnsOf(table: string): Map<string, ColumnType> {
    return this.#columnsOf(table);
  }

  isConfirmed(table: string, column: string): boolean {
    const columns = this.#tables.get(table);
    return columns?.has(column) === true && !columns.claims.has(column);
  }

  /** Grows whenever what rows were fitted to was given up or turned out otherwise: those rows are stale. */
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
      for (const [column, type] of theirs) if (ours.confirm(column, type)) contradicted = true;
    }
    if (contradicted) this.#version += 1;
    return contradicted;
  }

  /** InfluxDB has taken lines with these columns, which says nothing about others. */
  confirm(columns: Iterable<TableColumn>): void {
    let contradicted = false;
    for (const { table, column, type } of columns)
      if (this.#columnsOf(table).confirm(column, type)) contradicted = true;
    if (contradicted) this.#version += 1;
  }

  /** InfluxDB has refused lines with these columns: those of them that are claims are given up. */
  giveUp(columns: Iterable<TableColumn>): void {
    let gaveUp = false;
    for (const { table, column, type } of columns) {
      const ours = this.#tables.get(table);
      if (ours?.claims.has(column) !== true || ours.get(column) !== type) continue;
      ours.delete(column);
      gaveUp = true;
    }
    if (gaveUp) this.#version += 1;
  }

  /** Confirmed columns that came or changed, for the store; the same again until `saved` was told of them. */
  unsaved(): readonly TableColumn[] {
    const columns: TableColumn[] = [];
    for (const [table, ours] of this.#tables) {
      for (const column of ours.unsaved) {
        const type = ours.get(column);
        if (type !== undefined) columns.push({ table, column, type });
      }
    }
    return columns;
  }

  /** These are in the store. */
  saved(columns: Iterable<TableColumn>): void {
    for (const { table, column, type } of columns) {
      const ours = this.#tables.get(table);
      if (ours?.get(column) === type) ours.unsaved.delete(column);
    }
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
    const others = [...ours.keys()].filter((column) => !theirs.has(column));
    let excess = theirs.size + others.length - this.#limits.payloadColumns;
    let gaveUp = false;
    for (const column of others.toReversed()) {
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

/** The columns of a table, which know what of them is claimed, and what is confirmed and not stored yet. */
class Columns extends Map<string, ColumnType> {
  readonly claims = new Set<string>();
  readonly unsaved = new Set<string>();
  readonly #limits: SchemaLimits;
  readonly #all: Size;

  constructor(limits: SchemaLimits, all: Size) {
    super();
    this.#limits = limits;
    this.#all = all;
  }

  /** A claim, unless that is its type already. */
  override set(column: string, type: ColumnType): this {
    if (this.get(column) === type || !this.#makeRoomFor(column)) return this;
    this.claims.add(column);
    this.unsaved.delete(column);
    return super.set(column, type);
  }

  /** Whether it was held to be of another type. */
  confirm(column: string, type: ColumnType): boolean {
    const before = this.get(column);
    const wasClaim = this.claims.delete(column);
    if (before === type && !wasClaim) return false;
    if (!this.#makeRoomFor(column)) return false;
    super.set(column, type);
    this.unsaved.add(column);
    return before !== undefined && before !== type;
  }

  /** Counts a new column; false where there is no room for one. */
  #makeRoomFor(column: string): boolean {
    if (this.has(column)) return true;
    if (this.size >= this.#limits.columnsPerTable || this.#all.columns >= this.#limits.columns) return false;
    this.#all.columns += 1;
    return true;
  }

  override delete(column: string): boolean {
    this.claims.delete(column);
    this.unsaved.delete(column);
    const existed = super.delete(column);
    if (existed) this.#all.columns -= 1;
    return existed;
  }

  override clear(): void {
    for (const column of this.keys()) this.delete(column);
  }
}
