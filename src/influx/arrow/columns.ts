/**
 * The columns of a result: their Arrow types, and what InfluxDB says of them in the metadata of a field,
 * `iox::column::type` (influxdata/influxdb, core/schema/src/lib.rs). Computed columns have none.
 */
import { DataType, Precision, type Field, type Schema } from "apache-arrow";
import type { Column, InfluxColumn } from "../flight/api.ts";
import { distinctNames } from "./objects.ts";

interface ElementType {
  readonly influx: InfluxColumn;
  readonly fits: (type: DataType) => boolean;
}

const elementTypes: ReadonlyMap<string, ElementType> = new Map([
  [
    "iox::column_type::timestamp",
    { influx: { kind: "timestamp" }, fits: (type) => DataType.isTimestamp(type) },
  ],
  ["iox::column_type::tag", { influx: { kind: "tag" }, fits: isText }],
  fieldOf("float", (type) => DataType.isFloat(type) && type.precision === Precision.DOUBLE),
  fieldOf("integer", (type) => DataType.isInt(type) && type.isSigned && type.bitWidth === 64),
  fieldOf("uinteger", (type) => DataType.isInt(type) && !type.isSigned && type.bitWidth === 64),
  fieldOf("string", isText),
  fieldOf("boolean", (type) => DataType.isBool(type)),
]);

function fieldOf(
  type: Extract<InfluxColumn, { kind: "field" }>["type"],
  fits: ElementType["fits"],
): [string, ElementType] {
  return [`iox::column_type::field::${type}`, { influx: { kind: "field", type }, fits }];
}

function isText(type: DataType): boolean {
  if (DataType.isDictionary(type)) return isText(type.dictionary);
  return DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type);
}

/** In the order of the schema, under the names that they have in rows (see `distinctNames`). */
export function columnsOf(schema: Schema): Column[] {
  const names = distinctNames(schema.fields.map((field) => field.name));
  return schema.fields.map((field, index) => ({
    name: names[index] as string,
    arrowType: textOf(field.type),
    nullable: field.nullable,
    influx: influxColumn(field),
  }));
}

function influxColumn({ type, metadata }: Field): InfluxColumn | undefined {
  const said = metadata.get("iox::column::type");
  // One that is not in the table comes from a newer server.
  const element = said === undefined ? undefined : elementTypes.get(said);
  if (element === undefined) return undefined;
  // DataFusion keeps a field's metadata through a cast: then they speak of the column that was cast.
  return element.fits(type) ? element.influx : undefined;
}

function textOf(type: { toString(): string }): string {
  return type.toString();
}
