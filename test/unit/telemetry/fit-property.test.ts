import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";
import type { Field, Point } from "../../../src/telemetry/point.ts";
import { parseLineProtocol } from "../../support/line-protocol-parser.ts";
import type { ParsedLine } from "../../support/line-protocol-parser.ts";
import { boolean, fitInto, float, integer, namesOf, payload, point, string } from "./fit-rows.ts";
import type { Columns } from "./fit-rows.ts";

const pool = [
  "a",
  "b",
  "c",
  "a_num",
  "a_text",
  "a_text_2",
  "b_flag",
  "a_tag",
  "time",
  "",
  "a\n",
  "x\\",
  "é,=",
];
const anyName = fc.oneof(fc.constantFrom(...pool), fc.string({ unit: "binary", maxLength: 5 }));
const anyField = (name: string): fc.Arbitrary<Field> =>
  fc.oneof(
    fc.double().map((value) => float(name, value)),
    fc.oneof(fc.maxSafeInteger(), fc.double()).map((value) => integer(name, value)),
    fc.string({ unit: "binary", maxLength: 5 }).map((value) => string(name, value)),
    fc.boolean().map((value) => boolean(name, value)),
  );
const columnType = fc.constantFrom<ColumnType>(
  "tag",
  "float",
  "integer",
  "unsigned",
  "string",
  "boolean",
  "other",
);

function anyPoint(name: fc.Arbitrary<string>): fc.Arbitrary<Point> {
  const names = fc.record({
    all: fc.uniqueArray(name, { minLength: 1, maxLength: 8 }),
    tagCount: fc.nat({ max: 3 }),
    isPayload: fc.boolean(),
  });
  return names.chain(({ all, tagCount, isPayload }) => {
    const tags = all.slice(0, tagCount).map((tagName, index) => ({ name: tagName, value: `v${index}` }));
    return fc
      .tuple(...all.slice(tagCount).map(anyField))
      .map((fields) => (isPayload ? payload(fields, tags) : point(fields, tags)));
  });
}

const anyColumns: fc.Arbitrary<[string, ColumnType][]> = fc.array(
  fc.tuple(fc.constantFrom("a", "b", "c", "a_num", "a_text", "a_text_2", "b_flag", "a_tag"), columnType),
);

/** Of a line, by column, as InfluxDB would list them. */
function columnsOfLine(line: ParsedLine): [string, ColumnType][] {
  return [
    ...line.tags.map(([name]): [string, ColumnType] => [name, "tag"]),
    ...line.fields.map(([name, { type }]): [string, ColumnType] => [name, type]),
  ];
}

test("any row becomes one that its table takes whole, with every value in it or named", () => {
  let moved = 0;
  fc.assert(
    fc.property(anyColumns, fc.array(anyPoint(anyName), { minLength: 1, maxLength: 4 }), (known, rows) => {
      const columns: Columns = new Map([["time", "time"], ...known]);
      for (const original of rows) {
        const before = new Map(columns);
        const { row, leftOut } = fitInto(columns, original);
        for (const [name, type] of before) assert.equal(columns.get(name), type, "no column changes");
        checkLine(row, columns);
        const parts = writableParts(original);
        if (parts.fields.length === 0) assert.deepEqual([row, columns], [original, before]);
        const left = namesOf(writableParts(row)).length;
        assert.equal(left + leftOut.length, namesOf(parts).length);
        if (row !== original && namesOf(row).some((name) => /_(?:num|text|flag|tag)/.test(name))) moved += 1;

        const again = new Map(columns);
        const twice = fitInto(again, row);
        assert.equal(twice.row, row, "fitting twice is fitting once");
        assert.deepEqual([again, twice.leftOut], [columns, []]);
      }
    }),
    { numRuns: 1500, seed: 17 },
  );
  assert.ok(moved > 500, `${moved} rows with something moved`);
});

/** The encoder finds no name to change and no column twice, and each type is the column's. */
function checkLine(row: Point, columns: Columns): void {
  const line = encodeLine(row);
  if (line === undefined) return;
  const [parsed] = parseLineProtocol(line);
  assert.ok(parsed !== undefined);
  const written = columnsOfLine(parsed);
  assert.deepEqual(
    written.map(([name]) => name),
    namesOf(writableParts(row)),
  );
  for (const [name, type] of written) assert.equal(columns.get(name), type, name);
}

/** What the encoder writes of a row when each part is alone. `time` it never does, but it is a name. */
function writableParts({ tags, fields }: Point): Pick<Point, "tags" | "fields"> {
  const isName = (name: string): boolean => name === "time" || encodeLine(point([float(name)])) !== undefined;
  const isValue = (field: Field): boolean => encodeLine(point([{ ...field, name: "v" }])) !== undefined;
  return {
    tags: tags.filter(({ name }) => isName(name)),
    fields: fields.filter((field) => isName(field.name) && isValue(field)),
  };
}

/** Rows whose columns the database has all, under whatever types; those beside them it does not have. */
const baseNames = ["a", "b", "c", "d", "e"];

test("who starts from the same schema ends with the same columns, in whatever order the rows came", () => {
  let claimed = 0;
  fc.assert(
    fc.property(
      fc.tuple(...baseNames.map(() => columnType)),
      fc.array(anyPoint(fc.constantFrom(...baseNames)), { minLength: 2, maxLength: 6 }),
      fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
      (types, rows, ranks) => {
        const start: [string, ColumnType][] = types.map((type, index) => [baseNames[index] ?? "", type]);
        const shuffled = rows
          .map((row, index) => ({ row, rank: ranks[index] ?? 0 }))
          .toSorted((a, b) => a.rank - b.rank)
          .map(({ row }) => row);
        const ends = [rows, rows.toReversed(), shuffled].map((order) => {
          const columns: Columns = new Map([["time", "time"], ...start]);
          const fitted = new Map(order.map((row) => [row, fitInto(columns, row).row]));
          return { columns, rows: rows.map((row) => fitted.get(row)) };
        });
        assert.deepEqual(ends[1], ends[0]);
        assert.deepEqual(ends[2], ends[0]);
        claimed += (ends[0]?.columns.size ?? 0) - start.length - 1;
      },
    ),
    { numRuns: 500, seed: 23 },
  );
  assert.ok(claimed > 500, `${claimed} columns beside others`);
});

/** InfluxDB as far as types go: it takes a line whole or refuses it. */
class Database {
  readonly columns: Columns = new Map([["time", "time"]]);

  write(text: string): boolean {
    const written = parseLineProtocol(text).flatMap(columnsOfLine);
    if (written.some(([name, type]) => (this.columns.get(name) ?? type) !== type)) return false;
    for (const [name, type] of written) this.columns.set(name, type);
    return true;
  }
}

/** Fits and writes; a refusal leads to the schema being read again, and the row fitted to that. */
class Writer {
  refusals = 0;
  readonly #database: Database;
  #columns: Columns = new Map();

  constructor(database: Database) {
    this.#database = database;
  }

  line(row: Point): string | undefined {
    return encodeLine(fitInto(this.#columns, row).row);
  }

  write(row: Point): void {
    const line = this.line(row);
    if (line === undefined || this.#database.write(line)) return;
    this.refusals += 1;
    this.#columns = new Map(this.#database.columns);
    const mended = this.line(row);
    assert.ok(mended !== undefined && this.#database.write(mended), "the second try is taken");
  }
}

test("three writers of one new table end with the same columns, whoever was first", () => {
  let refusals = 0;
  const turn = fc.record({ writer: fc.nat({ max: 2 }), row: anyPoint(anyName) });
  fc.assert(
    fc.property(fc.array(turn, { minLength: 3, maxLength: 12 }), (turns) => {
      const database = new Database();
      const writers = [new Writer(database), new Writer(database), new Writer(database)];
      for (const { writer, row } of turns) writers[writer]?.write(row);
      // Each of them meets each row once: the devices are heard by all, or sent again from another place.
      const columns = new Map(database.columns);
      for (const writer of writers) for (const { row } of turns) writer.write(row);
      assert.deepEqual(database.columns, columns, "nobody has found another place for a row");
      for (const { row } of turns) {
        const lines = new Set(writers.map((writer) => writer.line(row)));
        assert.equal(lines.size, 1);
      }
      for (const writer of writers) refusals += writer.refusals;
    }),
    { numRuns: 500, seed: 29 },
  );
  assert.ok(refusals > 100, `${refusals} refusals`);
});
