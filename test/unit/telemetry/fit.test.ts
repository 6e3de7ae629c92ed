import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { encodeLine } from "../../../src/telemetry/line-protocol.ts";
import type { Field } from "../../../src/telemetry/point.ts";
import { parseLineProtocol } from "../../support/line-protocol-parser.ts";
import { boolean, fitInto, float, integer, namesOf, payload, point, string } from "./fit-rows.ts";
import type { Columns } from "./fit-rows.ts";

describe("one value and one column", () => {
  const columnTypes = [
    "tag",
    "float",
    "integer",
    "unsigned",
    "string",
    "boolean",
    "time",
    "other",
  ] as const satisfies ColumnType[];
  /** In the order of `columnTypes`: where the value ends up. */
  const expected: readonly (readonly [Field, readonly string[]])[] = [
    [float("x"), ["x_num", "x", "x_num", "x_num", "x_num", "x_num", "x_num", "x_num"]],
    [integer("x"), ["x_num", "x", "x", "x_num", "x_num", "x_num", "x_num", "x_num"]],
    [integer("x", -7), ["x_num", "x", "x", "x_num", "x_num", "x_num", "x_num", "x_num"]],
    [string("x"), ["x_text", "x_text", "x_text", "x_text", "x", "x_text", "x_text", "x_text"]],
    [boolean("x"), ["x_flag", "x_flag", "x_flag", "x_flag", "x_flag", "x", "x_flag", "x_flag"]],
  ];

  for (const [field, names] of expected) {
    test(`${field.type} ${String(field.value)}`, () => {
      for (const [index, columnType] of columnTypes.entries()) {
        const columns: Columns = new Map([["x", columnType]]);
        const { row, leftOut } = fitInto(columns, point([field]));
        const name = names[index] ?? "";
        const type =
          field.type === "integer" && name === "x" && columnType === "integer" ? "integer" : undefined;
        const asFloat = field.type === "integer" || field.type === "float" ? "float" : field.type;
        assert.deepEqual(row.fields, [{ name, type: type ?? asFloat, value: field.value }], columnType);
        assert.equal(columns.get(name), type ?? asFloat);
        assert.equal(columns.get("x"), columnType, "a column keeps its type");
        assert.deepEqual(leftOut, []);
      }
      const empty: Columns = new Map();
      const first = point([field]);
      assert.deepEqual(fitInto(empty, first).row, first);
      assert.deepEqual([...empty], [["x", field.type]]);
    });
  }

  test("tag", () => {
    const tags = [{ name: "x", value: "v" }];
    for (const columnType of columnTypes) {
      const columns: Columns = new Map([["x", columnType]]);
      const { row } = fitInto(columns, point([float("f")], tags));
      const name = columnType === "tag" ? "x" : "x_tag";
      assert.deepEqual(row.tags, [{ name, value: "v" }], columnType);
      assert.equal(columns.get(name), "tag");
    }
    const empty: Columns = new Map();
    assert.deepEqual(fitInto(empty, point([float("f")], tags)).row.tags, tags);
    assert.equal(empty.get("x"), "tag");
  });

  test("an integer in a float column is written as a float", () => {
    const { row } = fitInto(new Map([["x", "float"]]), point([integer("x", 7)]));
    assert.equal(encodeLine(row), "t x=7 5");
  });
});

describe("names that are taken", () => {
  test("a row that fits is handed back as it is", () => {
    const columns: Columns = new Map([["a", "tag"]]);
    const row = payload([float("x"), string("y")], [{ name: "a", value: "1" }]);
    fitInto(columns, row);
    assert.equal(fitInto(columns, row).row, row);
  });

  test("the columns beside it are tried in order, up to _9; then the value is left out and named", () => {
    const columns: Columns = new Map([
      ["x", "float"],
      ["x_text", "float"],
    ]);
    for (let number = 2; number <= 9; number += 1) {
      const { row } = fitInto(columns, point([string("x")]));
      const name = `x_text_${number}`;
      assert.deepEqual(namesOf(row), [name]);
      columns.set(name, "boolean");
    }
    const { row, leftOut } = fitInto(columns, point([string("x"), float("y")]));
    assert.deepEqual([namesOf(row), leftOut], [["y"], ["x"]]);
    assert.equal(columns.has("x_text_10"), false);
  });

  test("a name of the row's own goes before one that is beside another, whichever comes first", () => {
    for (const fields of [
      [string("x", "moved"), string("x_text", "own")],
      [string("x_text", "own"), string("x", "moved")],
    ]) {
      const columns: Columns = new Map([["x", "float"]]);
      const { row, leftOut } = fitInto(columns, point(fields));
      const values = Object.fromEntries(row.fields.map(({ name, value }) => [name, value]));
      assert.deepEqual(values, { x_text: "own", x_text_2: "moved" });
      assert.deepEqual(leftOut, []);
    }
  });

  test("nothing is called `time`", () => {
    const columns: Columns = new Map([["time", "time"]]);
    const { row } = fitInto(columns, point([float("time")], [{ name: "time", value: "v" }]));
    assert.deepEqual(namesOf(row), ["time_tag", "time_num"]);
    assert.deepEqual(namesOf(fitInto(new Map(), point([float("time")])).row), ["time_num"]);
  });

  test("names that the encoder writes alike are one name", () => {
    const columns: Columns = new Map();
    const { row } = fitInto(
      columns,
      point([float("ab", 1), float("a\nb", 2)], [{ name: "c\n", value: "v" }]),
    );
    assert.deepEqual(namesOf(row), ["c", "ab", "ab_num"]);
    assert.deepEqual([...columns.keys()].toSorted(), ["ab", "ab_num", "c"]);
  });

  test("long names find room for a suffix", () => {
    const name = "n".repeat(512);
    const columns: Columns = new Map([[name, "float"]]);
    const { row } = fitInto(columns, point([string(name), boolean("z")]));
    assert.equal(row.fields[0]?.name, `${"n".repeat(500)}_text`);
    assert.equal(parseLineProtocol(encodeLine(row) ?? "")[0]?.fields.length, 2);
  });

  test("what the encoder would leave out claims nothing", () => {
    const columns: Columns = new Map();
    const fields = [float("nan", Number.NaN), integer("half", 1.5), float(""), float("x")];
    const { row, leftOut } = fitInto(columns, point(fields, [{ name: "blank", value: " " }]));
    assert.deepEqual([namesOf(row), leftOut, [...columns.keys()]], [["x"], [], ["x"]]);
  });
});

describe("a table of 200 columns", () => {
  /** `time` among them, as InfluxDB lists it. */
  function full(count: number): Columns {
    const columns: Columns = new Map([["time", "time"]]);
    for (let index = 1; index < count; index += 1) columns.set(`c${index}`, "float");
    return columns;
  }

  test("gets no new column from a payload; what it has is filled, tags are always written", () => {
    const columns = full(200);
    columns.delete("c199");
    columns.set("x_num", "float");
    const row = payload(
      [float("c1"), float("new"), string("c2"), float("x_num")],
      [{ name: "a", value: "1" }],
    );
    const fitted = fitInto(columns, row);
    assert.deepEqual(namesOf(fitted.row), ["a", "fields_left_out", "c1", "x_num"]);
    assert.deepEqual(fitted.leftOut, ["new", "c2"]);
    assert.deepEqual(columns.get("a"), "tag");
    assert.equal(columns.size, 202);
  });

  test("gets every column of ours, and the row says how much was left out of it", () => {
    const columns = full(200);
    const ours = [string("device_name"), integer("f_cnt")];
    const row = { ...payload([...ours, float("new"), float("c1"), float("newer")]), openFrom: 2 };
    const fitted = fitInto(columns, row);
    assert.deepEqual(fitted.row.fields, [
      ...ours,
      { name: "fields_left_out", type: "integer", value: 2 },
      float("c1"),
    ]);
    assert.equal(fitted.row.openFrom, 3);
    assert.deepEqual(fitted.leftOut, ["new", "newer"]);
    assert.deepEqual(fitInto(columns, fitted.row), { row: fitted.row, leftOut: [] }, "once is enough");
    const before = { ...payload([integer("fields_left_out", 40), float("new"), float("c1")]), openFrom: 1 };
    assert.deepEqual(fitInto(columns, before).row.fields, [integer("fields_left_out", 41), float("c1")]);
    const nothingLeft = { ...payload([string("device_name"), float("new")]), openFrom: 1 };
    assert.deepEqual(namesOf(fitInto(columns, nothingLeft).row), ["device_name", "fields_left_out"]);
  });

  test("counts what was left out beside a column of that name", () => {
    const columns = full(200);
    columns.set("fields_left_out", "string");
    const { row } = fitInto(columns, payload([float("new"), float("c1")]));
    assert.deepEqual(row.fields, [{ name: "fields_left_out_num", type: "float", value: 1 }, float("c1")]);
  });

  test("takes the last free places in the order of the row", () => {
    const columns = full(198);
    const fitted = fitInto(columns, payload([float("p"), string("q"), float("r"), float("c1")]));
    assert.deepEqual([namesOf(fitted.row), fitted.leftOut], [["fields_left_out", "p", "q", "c1"], ["r"]]);
    assert.equal(columns.size, 201);
  });

  test("a new one does not borrow the column beside another", () => {
    const columns = full(200);
    columns.delete("c199");
    columns.set("x_num", "float");
    const fitted = fitInto(columns, payload([float("x"), float("c1")]));
    assert.deepEqual([namesOf(fitted.row), fitted.leftOut], [["fields_left_out", "c1"], ["x"]]);
  });

  test("a table that is not there yet has `time` too", () => {
    const fields = Array.from({ length: 210 }, (_, index) => float(`k${index}`));
    const columns: Columns = new Map();
    const fitted = fitInto(columns, payload(fields, [{ name: "a", value: "1" }]));
    assert.equal(fitted.row.fields.length, 1 + 198);
    assert.equal(fitted.leftOut.length, 12);
    assert.equal(columns.size, 200);
  });

  test("rows whose columns are all ours know no such limit", () => {
    const columns = full(200);
    const fitted = fitInto(columns, point([float("new")]));
    assert.deepEqual([namesOf(fitted.row), fitted.leftOut], [["new"], []]);
  });
});
