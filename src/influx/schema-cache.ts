import type { ColumnType, Schema, TableColumn } from "../telemetry/column-types.ts";
import { maxPayloadColumns } from "../telemetry/table.ts";

/**
 * The columns of one database. A type is *confirmed* when InfluxDB has said it, in its schema or by taking
 * lines that rest on it; until then it is a *claim*: what we are about to make. Telemetry reads and claims in
 * the maps that `columnsOf` gives; what turns out otherwise is set right in the same maps.
 *
 * Invariants: a confirmed type is InfluxDB's, whatever was claimed and in whatever order. What was confirmed
 * before a look began and is not in its answer is gone, because somebody has dropped the table or InfluxDB was
 * set up anew: it is free again. What was confirmed while the look was under way stays: the answer may be
 * older. A column that is there all the same (made anew while the answer was on its way, or not yet known to
 * the node that was asked) is claimed again, and a claim of another type is refused and looked up like any other.
 *
 * Only confirmed types are for the store: a claim that InfluxDB refuses must not outlive its process. A claim
 * that InfluxDB does not have stays until rows that rest on it are refused, with one exception: a payload's
 * table that turns out to be fuller than was thought gives up its newest claims, until it is within its limit
 * again (but not tags, which tell rows apart).
 */

export interface SchemaCacheOptions {
  /** What was known when the last process ended. */
  readonly known?: Iterable<TableColumn>;
  /** A table that gets what codecs invent, so that its columns are limited. */
  readonly isPayloadTable: (table: string) => boolean;
  readonly limits?: SchemaLimits;
}

/** What the store is to have of a column. */
interface ColumnChange extends Omit<TableColumn, "type"> {
  /** Undefined: nothing. */
  readonly type: ColumnType | undefined;
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
  /** How many have begun. */
  #looks = 0;

  constructor({ known = [], isPayloadTable, limits = defaultLimits }: SchemaCacheOptions) {
    this.#isPayloadTable = isPayloadTable;
    this.#limits = limits;
    this.#size = { columns: 0 };
    for (const { table, column, type } of known) this.#columnsOf(table).confirm(column, type, this.#looks);
    for (const columns of this.#tables.values()) columns.unsaved.clear();
  }

  /** `set` claims. */
  columnsOf(table: string): Map<string, ColumnType> {
    return this.#columnsOf(table);
  }

  isConfirmed(table: string, column: string): boolean {
    return this.#tables.get(table)?.confirmed.has(column) === true;
  }

  /** Grows whenever what rows were fitted to was given up or turned out otherwise: those rows are stale. */
  get version(): number {
    return this.#version;
  }

  /** InfluxDB is about to be asked; `learn` wants this number with the answer. */
  beginLook(): number {
    this.#looks += 1;
    return this.#looks;
  }

  /**
   * What InfluxDB has: every column of every table that is written to, at some time after that look began. A
   * column not heard of before contradicts nothing.
   */
  learn(columns: Iterable<TableColumn>, look: number): void {
    const found = new Map<string, Map<string, ColumnType>>();
    for (const { table, column, type } of columns) {
      const ofTable = found.get(table) ?? new Map<string, ColumnType>();
      found.set(table, ofTable.set(column, type));
    }
    let contradicted = false;
    for (const [table, ours] of this.#tables) if (ours.forget(found.get(table), look)) contradicted = true;
    for (const [table, theirs] of found) {
      const ours = this.#columnsOf(table);
      if (this.#isPayloadTable(table) && this.#giveUpClaims(ours, theirs)) contradicted = true;
      for (const [column, type] of theirs) if (ours.confirm(column, type, look)) contradicted = true;
    }
    if (contradicted) this.#version += 1;
  }

  /** InfluxDB has taken lines with these columns, which says nothing about others. */
  confirm(columns: Iterable<TableColumn>): void {
    let contradicted = false;
    for (const { table, column, type } of columns)
      if (this.#columnsOf(table).confirm(column, type, this.#looks)) contradicted = true;
    if (contradicted) this.#version += 1;
  }

  /** InfluxDB has refused lines with these columns: those of them that are claims are given up. */
  giveUp(columns: Iterable<TableColumn>): void {
    let gaveUp = false;
    for (const { table, column, type } of columns) {
      const ours = this.#tables.get(table);
      if (ours?.get(column) !== type || ours.confirmed.has(column)) continue;
      ours.delete(column);
      gaveUp = true;
    }
    if (gaveUp) this.#version += 1;
  }

  /** Confirmed columns that came, changed or went, for the store; the same again until `saved` was told of them. */
  unsaved(): readonly ColumnChange[] {
    const changes: ColumnChange[] = [];
    for (const [table, ours] of this.#tables) {
      for (const column of ours.unsaved) changes.push({ table, column, type: ours.confirmedType(column) });
    }
    return changes;
  }

  /** The store has these. */
  saved(changes: Iterable<ColumnChange>): void {
    for (const { table, column, type } of changes) {
      const ours = this.#tables.get(table);
      if (ours !== undefined && ours.confirmedType(column) === type) ours.unsaved.delete(column);
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
      if (ours.confirmed.has(column) || ours.get(column) === "tag") continue;
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

/** The columns of a table, which know what of them is confirmed, and what the store has otherwise. */
class Columns extends Map<string, ColumnType> {
  /** With the number of the newest look that had begun by then; what is not in it is a claim. */
  readonly confirmed = new Map<string, number>();
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
    this.#unconfirm(column);
    return super.set(column, type);
  }

  /** Whether it was held to be of another type. */
  confirm(column: string, type: ColumnType, look: number): boolean {
    const before = this.get(column);
    const confirmedBefore = this.confirmed.get(column);
    if (!this.#makeRoomFor(column)) return false;
    this.confirmed.set(column, Math.max(look, confirmedBefore ?? 0));
    if (before === type && confirmedBefore !== undefined) return false;
    super.set(column, type);
    this.unsaved.add(column);
    return before !== undefined && before !== type;
  }

  /** What was confirmed before a look that did not find it is gone. Whether there was any. */
  forget(theirs: ReadonlyMap<string, ColumnType> | undefined, look: number): boolean {
    let forgot = false;
    for (const [column, confirmedAt] of this.confirmed) {
      if (confirmedAt >= look || theirs?.has(column) === true) continue;
      this.delete(column);
      forgot = true;
    }
    return forgot;
  }

  confirmedType(column: string): ColumnType | undefined {
    return this.confirmed.has(column) ? this.get(column) : undefined;
  }

  #unconfirm(column: string): void {
    if (this.confirmed.delete(column)) this.unsaved.add(column);
  }

  /** Counts a new column; false where there is no room for one. */
  #makeRoomFor(column: string): boolean {
    if (this.has(column)) return true;
    if (this.size >= this.#limits.columnsPerTable || this.#all.columns >= this.#limits.columns) return false;
    this.#all.columns += 1;
    return true;
  }

  override delete(column: string): boolean {
    this.#unconfirm(column);
    const existed = super.delete(column);
    if (existed) this.#all.columns -= 1;
    return existed;
  }

  override clear(): void {
    for (const column of this.keys()) this.delete(column);
  }
}
