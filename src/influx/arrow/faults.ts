/** The ways in which an Arrow stream is of no use. Each of them ends the query that it belongs to. */
import { Fault } from "../../lib/fault.ts";
import { withoutControls } from "../../lib/one-line.ts";

const longestName = 100;

/** The bytes contradict the Arrow format, the schema, or each other. `what` is a sentence without a subject of its own. */
export function badStream(what: string, cause?: unknown): Fault {
  return new Fault({
    code: "flight_bad_stream",
    layer: "flight",
    disposition: "drop",
    message: `the Arrow stream is malformed: ${what}`,
    hint: "see that nothing between here and the server alters gRPC messages; if nothing does, it is a fault of the server",
    cause,
  });
}

/** Arrow knows the type and this client does not. `place` names the column, as `placeOf` does. */
export function unsupportedType(place: string, type: string): Fault {
  return new Fault({
    code: "flight_unsupported_type",
    layer: "flight",
    disposition: "drop",
    message: `${place} is of the Arrow type ${type}, which cannot be read here`,
    hint: "convert it in the query, for example with arrow_cast(column, 'Utf8')",
  });
}

/** One stream has one schema; a server that changes it has mixed up two answers. */
export function schemaChanged(): Fault {
  return new Fault({
    code: "flight_schema_changed",
    layer: "flight",
    disposition: "drop",
    message: "the server changed the schema in the middle of its answer",
    hint: "ask again; if it happens every time, it is a fault of the server",
  });
}

export function decodedTooBig(what: string, maxDecodedBytes: number): Fault {
  return new Fault({
    code: "flight_result_too_big",
    layer: "flight",
    disposition: "drop",
    message: `${what} would take more than ${maxDecodedBytes} bytes of memory`,
    hint: "ask for fewer rows or columns at a time",
  });
}

/** `column "room.temp"`, as it stands in a fault: a server chose the name. */
export function placeOf(column: string): string {
  const name = withoutControls(column);
  return `column "${name.length > longestName ? `${name.slice(0, longestName)}…` : name}"`;
}
