/** From an Arrow type to the reader of its values. */
import { DataType, Type, type Field } from "apache-arrow";
import { nullable, unlessEmpty, type Bind } from "./column-reader.ts";
import { placeOf, unsupportedType } from "./faults.ts";
import {
  dictionaryReader,
  fixedListReader,
  listReader,
  mapReader,
  structReader,
  unionReader,
} from "./nested.ts";
import { distinctNames } from "./objects.ts";
import type { RowOptions } from "./values.ts";
import {
  boolReader,
  dateReader,
  decimalReader,
  durationReader,
  floatReader,
  intervalReader,
  intReader,
  timeReader,
  timestampReader,
} from "./scalars.ts";
import { binaryReader, binaryViewReader, fixedBinaryReader, textReader, textViewReader } from "./text.ts";

/** What a reader must know besides its type. */
interface Place {
  /** Of the top level: it stands in faults. */
  readonly column: string;
  readonly times: RowOptions["times"];
}

/** Throws the Fault flight_unsupported_type. */
export function readerOf(type: DataType, column: string, options: RowOptions): Bind {
  return reader(type, { column, times: options.times });
}

function reader(type: DataType, place: Place): Bind {
  if (DataType.isNull(type)) return () => () => null;
  if (DataType.isUnion(type)) {
    return unlessEmpty(unionReader(type, childReaders(type.children, place)));
  }
  const bind =
    nestedReader(type, place) ?? textOrBytesReader(type, place.column) ?? scalarReader(type, place);
  if (bind === undefined) throw unsupportedType(placeOf(place.column), Type[type.typeId]);
  return unlessEmpty(nullable(bind));
}

function scalarReader(type: DataType, { column, times }: Place): Bind | undefined {
  if (DataType.isTimestamp(type)) return timestampReader(type, times, column);
  if (DataType.isFloat(type)) return floatReader(type, column);
  if (DataType.isInt(type)) return intReader(type, column);
  if (DataType.isBool(type)) return boolReader();
  if (DataType.isDecimal(type)) return decimalReader(type, column);
  if (DataType.isDate(type)) return dateReader(type, column);
  if (DataType.isTime(type)) return timeReader(type, column);
  if (DataType.isDuration(type)) return durationReader(type, column);
  if (DataType.isInterval(type)) return intervalReader(type, column);
  return undefined;
}

function textOrBytesReader(type: DataType, column: string): Bind | undefined {
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return textReader(column);
  if (DataType.isUtf8View(type)) return textViewReader(column);
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) return binaryReader();
  if (DataType.isBinaryView(type)) return binaryViewReader();
  if (DataType.isFixedSizeBinary(type)) return fixedBinaryReader(type.byteWidth);
  return undefined;
}

function nestedReader(type: DataType, place: Place): Bind | undefined {
  if (DataType.isDictionary(type)) return dictionaryReader(reader(type.dictionary, place));
  if (DataType.isList(type) || DataType.isLargeList(type)) return listReader(reader(type.valueType, place));
  if (DataType.isFixedSizeList(type)) return fixedListReader(reader(type.valueType, place), type.listSize);
  if (DataType.isStruct(type)) {
    const names = distinctNames(type.children.map((field) => field.name));
    return structReader(names, childReaders(type.children, place));
  }
  if (DataType.isMap(type)) return mapReader(reader(type.keyType, place), reader(type.valueType, place));
  return undefined;
}

function childReaders(fields: readonly Field[], place: Place): Bind[] {
  return fields.map((field) => reader(field.type, place));
}
