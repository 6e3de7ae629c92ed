/**
 * A schema that stands by itself in a field of Flight: an encapsulated IPC message, which is the marker, the length of its
 * header, the header and padding. Writers before Arrow 0.15 left out the marker.
 */
import type { Schema } from "apache-arrow";
import { badStream } from "./faults.ts";
import { readHeader } from "./header.ts";
import { readSchema } from "./schema.ts";

const marker = 0xffff_ffff;

/** The header alone, as `FlightData` has it. Throws the fault `flight_bad_stream`. */
export function schemaHeader(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lengthAt = bytes.length >= 4 && view.getUint32(0, true) === marker ? 4 : 0;
  if (bytes.length < lengthAt + 4) throw badStream("a schema ends before its length");
  const length = view.getUint32(lengthAt, true);
  const at = lengthAt + 4;
  if (length === 0 || at + length > bytes.length) {
    throw badStream(`a schema has ${bytes.length} bytes and says that its header has ${length}`);
  }
  return bytes.subarray(at, at + length);
}

/** Throws the faults `flight_bad_stream` and `flight_unsupported_type`. */
export function readSchemaMessage(bytes: Uint8Array): Schema {
  const header = readHeader(schemaHeader(bytes));
  if (header.kind !== "schema") throw badStream(`a ${header.kind} stands where a schema belongs`);
  return readSchema(header.schema).schema;
}
