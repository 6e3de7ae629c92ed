/** Rows of the client beside rows of the judge: equal to the last bit, and where they are not, where. */
import { inspect } from "node:util";
import type { Row, Value } from "../../src/influx/arrow/rows.ts";
import type { JudgeRow, JudgeRows } from "./arrow-judge.ts";
import type { JudgeValue } from "./arrow-judge-values.ts";

/** Undefined: they are equal. Throws `Invalid` where the judge finds no value. */
export function difference(rows: readonly Row[], judged: JudgeRows): string | undefined {
  if (rows.length !== judged.length) return `${rows.length} rows and not ${judged.length}`;
  for (const [index, row] of rows.entries()) {
    const other = judged.at(index);
    if (!isSame(row, other)) return `row ${index} is ${inspect(row)} and not ${inspect(other)}`;
  }
  return undefined;
}

function isSame(value: Value, judged: JudgeValue): boolean {
  if (value instanceof Uint8Array || judged instanceof Uint8Array)
    return value instanceof Uint8Array && judged instanceof Uint8Array && Buffer.compare(value, judged) === 0;
  if (Array.isArray(judged)) return isSameList(value, judged as readonly JudgeValue[]);
  if (!(judged instanceof Map)) return Object.is(value, judged);
  return isSameObject(value, judged as JudgeRow);
}

function isSameList(value: Value, judged: readonly JudgeValue[]): boolean {
  if (!Array.isArray(value)) return false;
  const items = value as readonly Value[];
  return items.length === judged.length && items.every((item, index) => isSame(item, judged[index] ?? null));
}

function isSameObject(value: Value, judged: JudgeRow): boolean {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  const object = new Map(Object.entries(value as Row));
  if (object.size !== judged.size) return false;
  return [...judged].every(([name, inner]) => object.has(name) && isSame(object.get(name) ?? null, inner));
}
