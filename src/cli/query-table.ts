/**
 * Rows as a table for a person. The widths are known when the rows are: the first rows are held as the
 * text that can be shown of them, up to 10,000 rows and a bounded number of characters. Pure.
 */
import type { Column } from "../influx/flight/api.ts";
import type { Row } from "../influx/arrow/rows.ts";
import { cut, fill, harmless, widthOf } from "./mapping-layout.ts";
import { plainText } from "./query-rows.ts";
import { duration, number, type Paint, plural } from "./status-layout.ts";

export const maxTableRows = 10_000;
/** Of UTF-16 code units in all cells. */
const maxHeldCharacters = 32 * 1024 * 1024;
/** Columns of the terminal that a cell may take where there is no terminal to fit. */
const widestCell = 1000;
const narrowestScreen = 20;
const gap = 2;
/** A text column that is shortened keeps as many. */
const leastTextWidth = 12;
const leastHeadWidth = 8;
/** Up to as many rows that are too wide are shown one field to a line. */
const maxRecords = 10;
const maxNameWidth = 30;

/** Undefined is null. */
type Cells = readonly (string | undefined)[];

interface TableColumn {
  readonly head: string;
  readonly isNumber: boolean;
  /** Shortened, it would say something else. */
  readonly isRigid: boolean;
}

/** How the reading of the answer ended. */
export interface TableEnd {
  /** Read from the server, shown or not. */
  readonly rowsRead: number;
  readonly elapsedMs: number;
}

export class QueryTable {
  readonly #columns: readonly TableColumn[];
  readonly #names: readonly string[];
  readonly #rows: Cells[] = [];
  /** Undefined: nothing has to fit. */
  readonly #width: number | undefined;
  readonly #paint: Paint;
  #heldCharacters = 0;

  /** `width`: of the terminal. */
  constructor(columns: readonly Column[], width: number | undefined, paint: Paint) {
    this.#width = width === undefined ? undefined : Math.max(width, narrowestScreen);
    this.#paint = paint;
    this.#names = columns.map(({ name }) => name);
    this.#columns = columns.map(({ name, arrowType }) => {
      const isNumber = /^(?:Int|Uint|Float)\d|^Decimal/.test(arrowType);
      return { head: this.#shown(name), isNumber, isRigid: isNumber || arrowType.startsWith("Timestamp") };
    });
  }

  get isFull(): boolean {
    return this.#rows.length >= maxTableRows || this.#heldCharacters >= maxHeldCharacters;
  }

  get rowCount(): number {
    return this.#rows.length;
  }

  add(row: Row): void {
    const cells = this.#names.map((name) => {
      const value = row[name] ?? null;
      return value === null ? undefined : this.#shown(plainText(value));
    });
    for (const cell of cells) this.#heldCharacters += cell?.length ?? 0;
    this.#rows.push(cells);
  }

  #shown(text: string): string {
    const width = this.#width ?? widestCell;
    // Before the slow part. What takes no room, as combining characters do, has four code units a column.
    return cut(harmless(text.slice(0, 4 * width)), width);
  }

  *lines(end: TableEnd): Generator<string> {
    const natural = this.#columns.map(({ head }, index) =>
      this.#rows.reduce((most, row) => Math.max(most, widthOf(row[index] ?? nullSign)), widthOf(head)),
    );
    const least = this.#columns.map((column, index) => this.#leastWidth(column, index, natural[index] ?? 0));
    const shownColumns = this.#width === undefined ? natural.length : fitting(least, this.#width);
    const isTooWide = shownColumns < natural.length;
    if (isTooWide && this.#rows.length <= maxRecords && this.#rows.length > 0) yield* this.#records();
    else {
      const widths = shrink(natural.slice(0, shownColumns), least, this.#width ?? Infinity);
      yield* this.#grid(widths);
    }
    yield "";
    yield* this.#footer(end, isTooWide && this.#rows.length > maxRecords ? shownColumns : undefined);
  }

  /** Numbers and times are shown whole; the head above them need not be. */
  #leastWidth({ head, isRigid }: TableColumn, index: number, natural: number): number {
    if (!isRigid) return Math.min(natural, leastTextWidth);
    const widest = this.#rows.reduce((most, row) => Math.max(most, widthOf(row[index] ?? nullSign)), 1);
    return Math.max(widest, Math.min(widthOf(head), leastHeadWidth));
  }

  *#grid(widths: readonly number[]): Generator<string> {
    const shown = this.#columns.slice(0, widths.length);
    yield shown
      .map(({ head, isNumber }, index) => aligned(head, widths[index] ?? 0, isNumber))
      .join(" ".repeat(gap))
      .trimEnd();
    yield this.#paint("faint", widths.map((width) => "─".repeat(width)).join(" ".repeat(gap)));
    for (const row of this.#rows) {
      const cells = shown.map(({ isNumber }, index) => {
        const cell = row[index];
        const text = aligned(cell ?? nullSign, widths[index] ?? 0, isNumber);
        return cell === undefined ? this.#paint("faint", text) : text;
      });
      yield cells.join(" ".repeat(gap)).trimEnd();
    }
  }

  /** One field to a line. */
  *#records(): Generator<string> {
    const width = this.#width ?? widestCell;
    const nameWidth = Math.min(
      this.#columns.reduce((most, { head }) => Math.max(most, widthOf(head)), 0),
      maxNameWidth,
      Math.floor(width / 3),
    );
    for (const [index, row] of this.#rows.entries()) {
      const title = `── row ${index + 1} `;
      yield this.#paint("faint", title + "─".repeat(Math.max(width - title.length, 0)));
      for (const [at, { head }] of this.#columns.entries()) {
        const cell = row[at];
        const text = cut(cell ?? nullSign, width - nameWidth - gap);
        const name = fill(head, nameWidth) + " ".repeat(gap);
        yield (name + (cell === undefined ? this.#paint("faint", text) : text)).trimEnd();
      }
    }
  }

  *#footer({ rowsRead, elapsedMs }: TableEnd, shownColumns: number | undefined): Generator<string> {
    const held = this.#rows.length;
    yield this.#paint("faint", `${plural(held, "row")} in ${duration(elapsedMs)}`);
    if (rowsRead > held) {
      yield `These are the first ${number(held)} of the ${number(rowsRead)} rows read before the query was ended:`;
      yield "--format csv gives all of them.";
    }
    if (shownColumns !== undefined) {
      yield `${shownColumns} of ${plural(this.#columns.length, "column")} fit: name those that you want, or add --format csv.`;
    }
  }
}

const nullSign = "∅";

/** How many columns, from the left, have room at their least widths; one has always. */
function fitting(least: readonly number[], width: number): number {
  let used = -gap;
  const end = least.findIndex((room) => (used += room + gap) > width);
  return end === -1 ? least.length : Math.max(end, 1);
}

/** The widest column that may be narrower gives way, until all of them have room. */
function shrink(natural: readonly number[], least: readonly number[], width: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, room) => sum + room + gap, -gap) - width;
  while (excess > 0) {
    let widest = -1;
    for (const [index, room] of widths.entries()) {
      if (room > (least[index] ?? 0) && room > (widths[widest] ?? 0)) widest = index;
    }
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

function aligned(text: string, width: number, isNumber: boolean): string {
  if (!isNumber) return fill(text, width);
  const fitting = cut(text, width);
  return " ".repeat(Math.max(width - widthOf(fitting), 0)) + fitting;
}
