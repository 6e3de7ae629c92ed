import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { widthOf } from "../../../src/cli/mapping-layout.ts";
import { maxTableRows, QueryTable } from "../../../src/cli/query-table.ts";
import { colours, noColours, type Paint } from "../../../src/cli/status-layout.ts";
import type { Row } from "../../../src/influx/arrow/rows.ts";
import type { Column } from "../../../src/influx/flight/api.ts";
import { column, controls } from "./query-fixture.ts";

const time = column("time", "Timestamp<NANOSECOND>");
const end = { rowsRead: 0, elapsedMs: 12 };

function lines(
  columns: readonly Column[],
  rows: readonly Row[],
  width?: number,
  paint: Paint = noColours,
): string[] {
  const table = new QueryTable(columns, width, paint);
  for (const row of rows) table.add(row);
  return [...table.lines(end)];
}

const moment = "2026-11-22T08:00:00.123456789Z";

test("texts stand left, numbers right, and a footer says how many rows came", () => {
  const columns = [column("device"), column("count", "Int64"), column("temp", "Float64")];
  const rows = [
    { device: "barn", count: 9_007_199_254_740_993n, temp: -0.5 },
    { device: "a", count: 1n, temp: null },
  ];
  assert.deepEqual(lines(columns, rows, 80), [
    "device             count  temp",
    "──────  ────────────────  ────",
    "barn    9007199254740993  -0.5",
    "a                      1     ∅",
    "",
    "2 rows in 12 ms",
  ]);
});

test("no rows leave the head", () => {
  assert.deepEqual(lines([time, column("a")], [], 80), ["time  a", "────  ─", "", "0 rows in 12 ms"]);
});

test("no line is wider than the terminal, whatever stands in the cells", () => {
  const columns = [time, column("名前"), column("b", "Int64"), column("c")];
  const texts = ["x".repeat(500), "温度計".repeat(40), "e\u0301".repeat(90), "🐄".repeat(60), "", "ok"];
  const rows = Array.from({ length: 30 }, (_, index) => ({
    time: moment,
    名前: texts[index % texts.length] ?? "",
    b: BigInt(index) ** 9n,
    c: { nested: texts[(index + 1) % texts.length] ?? "" },
  }));
  for (let width = 20; width <= 200; width += 7) {
    for (const line of lines(columns, rows, width).slice(0, 32)) {
      assert.ok(widthOf(line) <= width, `${width}: ${line}`);
    }
    for (const line of lines(columns, rows.slice(0, 3), width)) {
      assert.ok(widthOf(line) <= width, `${width}, few rows: ${line}`);
    }
  }
});

test("long texts give way, and times and numbers stay whole", () => {
  const columns = [time, column("n", "Int64"), column("text"), column("short")];
  const row = { time: moment, n: 1_234_567_890_123_456_789n, text: "long ".repeat(50), short: "abcde" };
  const [, , cells = ""] = lines(columns, [row], 80);
  assert.match(cells, new RegExp(`^${moment}  1234567890123456789  long .*…  abcde$`));
  assert.equal(widthOf(cells), 80);
});

describe("more columns than the terminal has room for", () => {
  const columns = [time, ...Array.from({ length: 20 }, (_, index) => column(`field_${index}`))];
  const row = {
    time: moment,
    ...Object.fromEntries(columns.slice(1).map(({ name }) => [name, `value of ${name}`])),
  };

  test("few rows are shown one field to a line, all of it", () => {
    const shown = lines(columns, [row, { ...row, field_3: null }], 60);
    assert.equal(shown[0], `── row 1 ${"─".repeat(51)}`);
    assert.equal(shown[1], `time      ${moment}`);
    assert.equal(shown[21], "field_19  value of field_19");
    assert.equal(shown[22], `── row 2 ${"─".repeat(51)}`);
    assert.equal(shown[22 + 5], "field_3   ∅");
    assert.deepEqual(shown.slice(44), ["", "2 rows in 12 ms"]);
  });

  test("of many rows the first columns are shown, and a note counts them", () => {
    const shown = lines(
      columns,
      Array.from({ length: 11 }, () => row),
      60,
    );
    assert.match(shown[0] ?? "", /^time {28}field_0 {3,}field_1\s*$/);
    assert.equal(shown.at(-1), "3 of 21 columns fit: name those that you want, or add --format csv.");
  });

  test("where nothing has to fit, all stand side by side", () => {
    const shown = lines(
      columns,
      Array.from({ length: 11 }, () => row),
    );
    assert.match(shown[0] ?? "", /field_19$/);
    assert.equal(shown.at(-1), "11 rows in 12 ms");
  });
});

test("what comes from outside does not move the cursor", () => {
  const shown = lines([column("a\u001b[2J")], [{ "a\u001b[2J": "x\r\n\u001b]0;title\u0007\u202e" }], 80);
  const text = shown.join("\n");
  assert.doesNotMatch(text, controls);
  assert.match(text, /x\\u000d\\u000a\\u001b\]0;title\\u0007\\u202e/);
  assert.equal(shown.length, 5);
});

test("null is faint, and the word is not", () => {
  const [, , nothing, word] = lines([column("a")], [{ a: null }, { a: "∅" }], 80, colours);
  assert.deepEqual([nothing, word], ["\u001b[2m∅\u001b[0m", "∅"]);
});

describe("what is held has a limit", () => {
  test("in rows, and a note says what is left out", () => {
    const table = new QueryTable([column("n", "Int64")], 80, noColours);
    for (let n = 0; n < maxTableRows; n += 1) {
      assert.equal(table.isFull, false);
      table.add({ n: BigInt(n) });
    }
    assert.equal(table.isFull, true);
    const shown = [...table.lines({ rowsRead: 16_384, elapsedMs: 1 })];
    assert.deepEqual(shown.slice(-4), [
      "",
      "10,000 rows in 1.0 ms",
      "These are the first 10,000 of the 16,384 rows read before the query was ended:",
      "--format csv gives all of them.",
    ]);
  });

  test("in characters", () => {
    const table = new QueryTable([column("a")], undefined, noColours);
    const long = "x".repeat(1_000_000);
    while (!table.isFull) table.add({ a: long });
    assert.ok(table.rowCount > 1000 && table.rowCount < 40_000, String(table.rowCount));
  });
});
