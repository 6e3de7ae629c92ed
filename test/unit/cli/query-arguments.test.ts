import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Asked, type QueryOptions, readArguments } from "../../../src/cli/query-arguments.ts";

const plain = { config: "x.toml", query: "SELECT 1", tables: false, param: [] };

function asked(changes: Partial<QueryOptions>, isTerminal = false): Asked {
  const result = readArguments({ ...plain, ...changes }, isTerminal);
  assert.ok(result.ok, result.ok ? "" : result.mistake);
  return result.asked;
}

function mistake(changes: Partial<QueryOptions>, isTerminal = false): string {
  const result = readArguments({ ...plain, ...changes }, isTerminal);
  assert.ok(!result.ok, JSON.stringify(changes));
  return result.mistake;
}

describe("the format", () => {
  test("is a table for a person, CSV for a program, and what the name of a file ends in", () => {
    const rows: readonly (readonly [Partial<QueryOptions>, boolean, string])[] = [
      [{}, true, "table"],
      [{}, false, "csv"],
      [{ format: "json" }, true, "json"],
      [{ format: "table" }, false, "table"],
      [{ output: "a.csv" }, true, "csv"],
      [{ output: "a" }, true, "csv"],
      [{ output: "a.JSON" }, true, "json"],
      [{ output: "a.ndjson" }, true, "ndjson"],
      [{ output: "a.jsonl" }, true, "ndjson"],
      [{ output: "a.arrow" }, true, "arrow"],
      [{ output: "a.arrow", format: "csv" }, true, "csv"],
      [{ format: "arrow" }, false, "arrow"],
    ];
    for (const [changes, isTerminal, format] of rows) {
      assert.equal(asked(changes, isTerminal).format, format, JSON.stringify(changes));
    }
  });

  test("arrow is not for a terminal", () => {
    assert.match(mistake({ format: "arrow" }, true), /add --output FILE, or a pipe\.$/);
  });
});

describe("what is asked", () => {
  test("is a query, what standard input holds, the tables or the columns of one", () => {
    assert.deepEqual([asked({}).what, asked({}).text], ["query", "SELECT 1"]);
    assert.deepEqual([asked({ query: "-" }).what, asked({ query: "-" }).text], ["query", undefined]);
    assert.match(asked({ query: undefined, tables: true }).text ?? "", /FROM information_schema\.columns/);
    assert.equal(asked({ query: undefined, schema: 'a"b' }).text, 'SELECT * FROM "a""b" LIMIT 0');
  });

  test("takes what is given with it", () => {
    const { language, params, timeoutMs, database, output } = asked({
      language: "influxql",
      param: ["n=1"],
      timeout: "1m 30s",
      database: "farm",
      output: "a.csv",
    });
    assert.deepEqual(
      { language, params, timeoutMs, database, output },
      { language: "influxql", params: { n: 1n }, timeoutMs: 90_000, database: "farm", output: "a.csv" },
    );
  });

  test("goes to standard output for -, as if --output were not there", () => {
    const { output, format } = asked({ output: "-" });
    assert.deepEqual([output, format], [undefined, "csv"]);
    assert.equal(asked({ output: "-" }, true).format, "table");
    assert.match(mistake({ output: "-", format: "arrow" }, true), /not for a terminal/);
    assert.equal(asked({ output: "./-" }).output, "./-");
  });

  test("is one thing, and complete", () => {
    const rows: readonly (readonly [Partial<QueryOptions>, RegExp])[] = [
      [{ query: undefined }, /^expected a query, such as ".*", --tables or --schema\.$/],
      [{ tables: true }, /^expected one of a query, --tables and --schema, not several\.$/],
      [{ schema: "t" }, /not several/],
      [{ query: undefined, tables: true, schema: "t" }, /not several/],
      [{ query: " \n" }, /the query is empty/],
      [{ query: undefined, schema: "" }, /^--schema: /],
      [{ query: undefined, tables: true, language: "sql" }, /^--language: only a query/],
      [{ query: undefined, schema: "t", param: ["a=1"] }, /^--param: only a query/],
      [{ language: "SQL" }, /^--language: expected sql or influxql\.$/],
      [{ format: "xml" }, /^--format: expected one of table, csv, json, ndjson, arrow\.$/],
      [{ output: "" }, /^--output: /],
      [{ database: "" }, /^--database: /],
      [{ timeout: "30" }, /^--timeout: expected a duration such as "30s"/],
      [{ timeout: "0s" }, /^--timeout: /],
      [{ timeout: "25d" }, /at most 24d\.$/],
      [{ param: ["a"] }, /^--param a: /],
    ];
    for (const [changes, sentence] of rows) assert.match(mistake(changes), sentence);
  });
});
