import assert from "node:assert/strict";
import { test } from "node:test";
import { fittedLines } from "../../../src/pipeline/fitted-lines.ts";
import type { Field, Point } from "../../../src/telemetry/point.ts";
import { MemorySchema } from "../../support/fakes/schema.ts";

const table = "telemetry_em300";
const always = (): boolean => true;
const never = (): boolean => false;

function row(...fields: Field[]): Point {
  return { table, tags: [{ name: "dev_eui", value: "a" }], fields, timeNs: 1n };
}

function text(name: string): Field {
  return { name, type: "string", value: "ERR" };
}

function number(name: string): Field {
  return { name, type: "float", value: 1.5 };
}

function known(): MemorySchema {
  const schema = new MemorySchema();
  schema.learn([
    { table, column: "dev_eui", type: "tag" },
    { table, column: "temperature", type: "float" },
  ]);
  return schema;
}

function linesOf(...of: Parameters<typeof fittedLines>) {
  const { lines } = fittedLines(...of);
  return {
    lines: lines.map((line) => line.text),
    unconfirmed: lines.flatMap((line) => line.unconfirmed),
  };
}

test("a tag or column of ours that goes beside another is told; a payload's is not", () => {
  const schema = new MemorySchema();
  schema.learn([
    { table, column: "dev_eui", type: "string" },
    { table, column: "f_cnt", type: "string" },
    { table, column: "level", type: "string" },
  ]);
  const count: Field = { name: "f_cnt", type: "integer", value: 7 };
  const rows = [{ ...row(count, number("level")), openFrom: 1 }];
  assert.deepEqual(fittedLines(rows, schema, always).moved, [
    { table, name: "dev_eui", isTag: true, takenBy: "string", column: "dev_eui_tag" },
    { table, name: "f_cnt", isTag: false, takenBy: "string", column: "f_cnt_num" },
  ]);
  assert.equal(fittedLines(rows, schema, always).moved.length, 2, "with every row");
  assert.deepEqual(fittedLines(rows, known(), always).moved, []);
});

test("columns that are not confirmed are named as they are in the lines, claimed before or not", () => {
  const schema = known();
  schema.columnsOf(table).set("status", "string");
  const { lines, unconfirmed } = linesOf(
    [row(text("temperature"), text("status"), number("level"))],
    schema,
    always,
  );
  assert.deepEqual(lines, [`${table},dev_eui=a temperature_text="ERR",status="ERR",level=1.5 1`]);
  assert.deepEqual(
    unconfirmed.map(({ column, type }) => [column, type]),
    [
      ["temperature_text", "string"],
      ["status", "string"],
      ["level", "float"],
    ],
  );
});

test("what the encoder does not write rests on nothing", () => {
  const schema = known();
  schema.columnsOf(table).set("level", "float");
  const nan: Field = { name: "level", type: "float", value: Number.NaN };
  assert.deepEqual(linesOf([row(number("temperature"), nan)], schema, always).unconfirmed, []);
  assert.deepEqual(linesOf([{ ...row(text("new")), timeNs: 2n ** 70n }], schema, always).unconfirmed, []);
});

test("rows that may not claim agree with each other and with what others claimed, and nobody follows them", () => {
  const schema = known();
  schema.columnsOf(table).set("status", "float");
  const rows = [row(text("status"), text("mode")), row(number("mode"))];
  const { lines, unconfirmed } = linesOf(rows, schema, never);
  assert.deepEqual(lines, [
    `${table},dev_eui=a status_text="ERR",mode="ERR" 1`,
    `${table},dev_eui=a mode_num=1.5 1`,
  ]);
  assert.deepEqual(
    unconfirmed.map(({ column }) => column),
    ["status_text", "mode", "mode_num"],
  );
  assert.deepEqual([...schema.columnsOf(table).keys()], ["dev_eui", "temperature", "status"]);
  assert.equal(linesOf([row(number("mode"))], schema, always).lines[0], `${table},dev_eui=a mode=1.5 1`);
});
