/** Rows in short, for the tests of fitting. */
import type { ColumnType } from "../../../src/telemetry/column-types.ts";
import { fit } from "../../../src/telemetry/fit.ts";
import type { Field, Point, Tag } from "../../../src/telemetry/point.ts";

export type Columns = Map<string, ColumnType>;

/** Into a database whose tables all have these columns. */
export function fitInto(columns: Columns, point: Point): { row: Point; leftOut: readonly string[] } {
  const { point: row, leftOut } = fit(point, { columnsOf: () => columns });
  return { row, leftOut };
}

export const float = (name: string, value = 1.5): Field => ({ name, type: "float", value });
export const integer = (name: string, value = 7): Field => ({ name, type: "integer", value });
export const string = (name: string, value = "s"): Field => ({ name, type: "string", value });
export const boolean = (name: string, value = true): Field => ({ name, type: "boolean", value });

export const point = (fields: readonly Field[], tags: readonly Tag[] = []): Point => ({
  table: "t",
  tags,
  fields,
  timeNs: 5n,
});

export const payload = (fields: readonly Field[], tags: readonly Tag[] = []): Point => ({
  ...point(fields, tags),
  openFrom: 0,
});

export const namesOf = ({ tags, fields }: Pick<Point, "tags" | "fields">): string[] =>
  [...tags, ...fields].map(({ name }) => name);
