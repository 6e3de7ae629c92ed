/**
 * A reader of line protocol for tests, written from the behaviour of InfluxDB 3's parser and of 1.x's, one
 * character at a time. Shares nothing with `src`, so that it cannot share its mistakes.
 *
 * The two dialects differ in names and tag values: "v3" reads `\\` as one backslash and refuses a text that
 * ends in one; "v1" knows escapes of comma, equals sign and space only, and of a quote in the name of
 * a field. A backslash before anything else is a plain character in both.
 */
export type Dialect = "v3" | "v1";

export type ParsedValue =
  | { readonly type: "float" | "integer"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "boolean"; readonly value: boolean };

export interface ParsedLine {
  readonly table: string;
  readonly tags: readonly (readonly [name: string, value: string])[];
  readonly fields: readonly (readonly [name: string, value: ParsedValue])[];
  readonly timeNs: bigint | undefined;
}

export class LineProtocolError extends Error {
  override readonly name = "LineProtocolError";
}

/** All lines of a body. Blank lines and comments give nothing. */
export function parseLineProtocol(body: string, dialect: Dialect = "v3"): ParsedLine[] {
  const cursor = new Cursor(body);
  const lines: ParsedLine[] = [];
  for (;;) {
    while (cursor.peek() === "\n" || cursor.peek() === " ") cursor.next();
    if (cursor.atEnd()) return lines;
    if (cursor.peek() === "#") while (!cursor.atEnd() && cursor.peek() !== "\n") cursor.next();
    else lines.push(parseLine(cursor, dialect));
  }
}

class Cursor {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  /** "" at the end. */
  peek(): string {
    return this.#text.charAt(this.#position);
  }

  next(): string {
    const character = this.peek();
    this.#position += 1;
    return character;
  }

  take(character: string): boolean {
    if (this.peek() !== character) return false;
    this.#position += 1;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) this.fail(`expected ${JSON.stringify(character)}`);
  }

  fail(why: string): never {
    throw new LineProtocolError(`${why} at ${this.#position} of ${JSON.stringify(this.#text)}`);
  }
}

function parseLine(cursor: Cursor, dialect: Dialect): ParsedLine {
  const table = parseName(cursor, dialect, ",", ", ");
  const tags: [string, string][] = [];
  while (cursor.take(",")) {
    const name = parseName(cursor, dialect, "=", ",= ");
    cursor.expect("=");
    tags.push([name, parseName(cursor, dialect, ",", ",= ")]);
  }
  skipSpaces(cursor);
  const fields: [string, ParsedValue][] = [];
  do {
    const name = parseName(cursor, dialect, "=", dialect === "v1" ? ',= "' : ",= ");
    cursor.expect("=");
    fields.push([name, parseValue(cursor)]);
  } while (cursor.take(","));
  let timeNs: bigint | undefined;
  if (cursor.peek() === " ") {
    skipSpaces(cursor);
    timeNs = parseTime(cursor);
  }
  if (!cursor.atEnd()) cursor.expect("\n");
  refuseTwins(
    [...tags, ...fields].map(([name]) => name),
    cursor,
  );
  return { table, tags, fields, timeNs };
}

/** Reads up to an unescaped `end`, space, tab or newline. */
function parseName(cursor: Cursor, dialect: Dialect, end: string, escapable: string): string {
  let name = "";
  while (!cursor.atEnd() && cursor.peek() !== end && !" \t\n".includes(cursor.peek())) {
    if (cursor.peek() === "\0") cursor.fail("NUL in a name");
    // A tag value with a bare equals sign is an error in 1.x.
    if (dialect === "v1" && end === "," && escapable.includes("=") && cursor.peek() === "=")
      cursor.fail("bare =");
    const character = cursor.next();
    if (character !== "\\") name += character;
    else if (isEscape(cursor.peek(), dialect, escapable)) name += cursor.next();
    else name += character + (cursor.atEnd() || dialect === "v1" ? "" : cursor.next());
  }
  if (name === "") cursor.fail("expected a name");
  if (dialect === "v3" && name.endsWith("\\")) cursor.fail("name ends in a backslash");
  return name;
}

function isEscape(next: string, dialect: Dialect, escapable: string): boolean {
  if (next === "") return false;
  return escapable.includes(next) || (dialect === "v3" && next === "\\");
}

function parseValue(cursor: Cursor): ParsedValue {
  if (cursor.peek() === '"') return { type: "string", value: parseString(cursor) };
  let token = "";
  while (!cursor.atEnd() && !", \n".includes(cursor.peek())) token += cursor.next();
  if (/^(?:t|T|true|True|TRUE)$/.test(token)) return { type: "boolean", value: true };
  if (/^(?:f|F|false|False|FALSE)$/.test(token)) return { type: "boolean", value: false };
  if (/^-?[0-9]+i$/.test(token)) {
    if (BigInt.asIntN(64, BigInt(token.slice(0, -1))) !== BigInt(token.slice(0, -1)))
      cursor.fail("not an i64");
    return { type: "integer", value: Number(token.slice(0, -1)) };
  }
  if (/^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/.test(token))
    return { type: "float", value: Number(token) };
  return cursor.fail(`no value: ${token}`);
}

function parseString(cursor: Cursor): string {
  cursor.expect('"');
  let text = "";
  for (;;) {
    if (cursor.atEnd()) cursor.fail("unterminated string");
    const character = cursor.next();
    if (character === '"') break;
    if (character === "\\" && (cursor.peek() === '"' || cursor.peek() === "\\")) text += cursor.next();
    else text += character;
  }
  if (Buffer.byteLength(text) > 65_536) cursor.fail("string above 64 KiB");
  return text;
}

function parseTime(cursor: Cursor): bigint {
  let digits = cursor.take("-") ? "-" : "";
  while (/[0-9]/.test(cursor.peek())) digits += cursor.next();
  if (digits === "" || digits === "-") cursor.fail("expected a time");
  const timeNs = BigInt(digits);
  if (BigInt.asIntN(64, timeNs) !== timeNs) cursor.fail("time is not an i64");
  return timeNs;
}

function skipSpaces(cursor: Cursor): void {
  cursor.expect(" ");
  while (cursor.take(" "));
}

/** A column that is there twice is refused by InfluxDB 3, as is one called `time`. */
function refuseTwins(names: readonly string[], cursor: Cursor): void {
  const seen = new Set(["time"]);
  for (const name of names) {
    if (seen.has(name)) cursor.fail(`column ${JSON.stringify(name)} twice`);
    seen.add(name);
  }
}
