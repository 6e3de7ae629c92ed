/**
 * TIMESTAMP has nanoseconds in InfluxDB and microseconds in DuckDB, which cuts `CAST($from AS TIMESTAMP)` so that
 * rows which were seen are found again. So the type is written as TIMESTAMP_NS, in its place in the statement;
 * TIMESTAMPTZ too: a result has no time zone here, and DuckDB does not compare one with a column of times. A type
 * that says how many digits it wants (`TIMESTAMP(6)`) is left alone. Pure.
 */
import type { Tree } from "./tree.ts";
import { isTree } from "./tree.ts";

export interface TypePlace {
  /** `literal`: `TIMESTAMP '…'`, for which DuckDB has no place but that of its text. */
  readonly kind: "cast" | "literal";
  /** Of CAST, of `::` or of the text, in bytes of UTF-8. */
  readonly byteOffset: number;
}

interface Span {
  readonly at: number;
  readonly length: number;
}

/** Of a node of the class CAST; undefined: it is a cast to another type. */
export function timestampCast({
  cast_type: type,
  child,
  query_location: location,
}: Tree): TypePlace | undefined {
  if (!isTree(type)) return undefined;
  // TIMESTAMP(9) WITH TIME ZONE is a type of the user's for DuckDB's parser.
  const name = type["id"] === "UNBOUND" && isTree(type["type_info"]) ? type["type_info"]["name"] : type["id"];
  if (name !== "TIMESTAMP" && name !== "TIMESTAMP WITH TIME ZONE") return undefined;
  const byteOffset = Number(location);
  // A place that is not known is 2⁶⁴−1.
  if (Number.isSafeInteger(byteOffset)) return { kind: "cast", byteOffset };
  const isText = isTree(child) && child["type"] === "VALUE_CONSTANT";
  return isText ? { kind: "literal", byteOffset: Number(child["query_location"]) } : undefined;
}

// Only one way to read a row of comments, or a long row would take forever to be no match.
const gap = String.raw`(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*`;
const zone = String.raw`${gap}\bwith(?:out)?\b${gap}time\b${gap}zone\b`;
const digits = String.raw`${gap}\(${gap}9${gap}\)`;
const type = String.raw`\btimestamp(?:tz\b|\b(?:${digits})?(?:${zone})?)`;

const typeAfterColons = new RegExp(`::${gap}(${type})(?!${gap}\\()`, "iy");
const typeBeforeText = new RegExp(`(${type}${gap})$`, "i");
const typeInCast = new RegExp(`^${gap}(${type})${gap}$`, "i");

/** Where the name of the type stands; undefined where it stays. */
export function typeSpan(sql: string, kind: TypePlace["kind"], at: number): Span | undefined {
  if (kind === "literal") {
    const found = typeBeforeText.exec(sql.slice(0, at))?.[1];
    return found === undefined ? undefined : { at: at - found.length, length: found.length };
  }
  typeAfterColons.lastIndex = at;
  const colons = typeAfterColons.exec(sql);
  if (colons !== null) {
    const [whole, found = ""] = colons;
    return { at: at + whole.length - found.length, length: found.length };
  }
  const span = spanAfterAs(sql, at);
  return span !== undefined && typeInCast.test(sql.slice(span.at, span.at + span.length)) ? span : undefined;
}

/** What has no meaning inside comes whole: comments, texts, quoted names and words. */
const pieces =
  /--[^\n]*|\/\*[\s\S]*?\*\/|\be'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$[\s\S]*?\$\$|\w+|[()]/giu;

/** In `CAST(… AS type)`, from behind AS to the closing parenthesis. */
function spanAfterAs(sql: string, at: number): Span | undefined {
  let depth = 0;
  let afterAs: number | undefined;
  pieces.lastIndex = at;
  for (let found = pieces.exec(sql); found !== null; found = pieces.exec(sql)) {
    const [piece] = found;
    if (piece === "(") depth += 1;
    else if (piece === ")") depth -= 1;
    else if (depth === 1 && piece.toLowerCase() === "as") afterAs = pieces.lastIndex;
    if (piece === ")" && depth === 0) {
      return afterAs === undefined ? undefined : { at: afterAs, length: found.index - afterAs };
    }
  }
  return undefined;
}
