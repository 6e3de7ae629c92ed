/**
 * A line-protocol parser of the stand-in's own: it must not share a bug with the encoder that it is used
 * to test. It takes and refuses what InfluxDB 3 takes and refuses (its crate influxdb_line_protocol), with
 * the same texts. What is worth knowing:
 *
 * - A line number is the number of the item: blank lines and comments are not counted.
 * - A measurement unescapes `\,` `\ ` `\\`; keys and tag values also `\=`. Any other backslash stays, along
 *   with the character after it. No name and no tag value may end in a backslash, escaped or not.
 * - A quoted string unescapes `\"` and `\\`; any other backslash stays.
 * - One trailing comma after a single field is tolerated, as there.
 * - Stricter than there in one thing: a tag written twice is refused.
 */
import { splitItems } from "./items.ts";
import type { Field, FieldValue, ParsedPoint, Tag } from "./point.ts";
import type { Precision } from "./precision.ts";
import { maxInt64, minInt64, toNanoseconds, truncateNow } from "./precision.ts";

/** InfluxDB 3 Core is built with its large-strings feature; without it the limit is 64 KiB. */
const maxStringBytes = 1024 * 1024;
const maxUint64 = 2n ** 64n - 1n;
const maxExcerptChars = 10;

export interface ParseOptions {
  readonly precision: Precision;
  /** The time of lines that have none. */
  readonly nowNs: bigint;
}

export type LineResult =
  | { readonly lineNumber: number; readonly text: string; readonly point: ParsedPoint }
  | { readonly lineNumber: number; readonly text: string; readonly error: string };

/** Every item of a body, in order: a point, or why it is none. `lineNumber` is 1-based. */
export function* parseLineProtocol(body: string, options: ParseOptions): Generator<LineResult> {
  let lineNumber = 0;
  for (const text of splitItems(body)) {
    lineNumber += 1;
    const parsed = parseItem(text, options);
    yield typeof parsed === "string"
      ? { lineNumber, text, error: parsed }
      : { lineNumber, text, point: parsed };
  }
}

function parseItem(text: string, options: ParseOptions): ParsedPoint | string {
  try {
    return new ItemParser(text).parse(options);
  } catch (error) {
    if (error instanceof Malformed) return error.message;
    throw error;
  }
}

/** Why an item is not a point, in the server's words. Never leaves this file. */
class Malformed extends Error {}

/** Where an unescaped word ends, and which characters a backslash protects in it. */
interface WordRules {
  readonly stops: string;
  readonly escapable: string;
}

const measurementRules: WordRules = { stops: " \t\n\0,", escapable: "\\, " };
const keyRules: WordRules = { stops: " \t\n=", escapable: "\\,= " };
const tagValueRules: WordRules = { stops: " \t\n,", escapable: "\\,= " };

const numberToken = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const integerToken = /-?\d+/y;
const booleanToken = /true|True|TRUE|t|T|false|False|FALSE|f|F/y;

class ItemParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(options: ParseOptions): ParsedPoint {
    const table = this.#word(measurementRules);
    if (table === undefined) throw new Malformed("Invalid measurement was provided");
    const tags = this.#tags();
    if (!this.#skipSpaces()) {
      throw new Malformed(
        `Expected at least one space character, got ${orEnd(this.#rest(), (text) => text)}`,
      );
    }
    const fields = this.#fields();
    const timestamp = this.#timestamp();
    if (this.#at < this.#text.length) {
      throw new Malformed(
        `Could not parse entire line. Found trailing content: \`${excerpt(this.#rest())}\``,
      );
    }
    return { table, tags, fields, timeNs: timeNs(timestamp, options) };
  }

  #tags(): Tag[] {
    const tags: Tag[] = [];
    if (this.#text[this.#at] !== ",") return tags;
    const start = this.#at + 1;
    const names = new Set<string>();
    while (this.#text[this.#at] === ",") {
      this.#at += 1;
      const name = this.#word(keyRules);
      if (name === undefined) throw new Malformed(`Expected tag key, got ${orEnd(this.#rest(), excerpt)}`);
      if (this.#text[this.#at] !== "=") {
        const tagSet = excerpt(this.#text.slice(start));
        throw new Malformed(`Tag set malformed: could not find equals sign in \`${tagSet}\``);
      }
      this.#at += 1;
      const value = this.#word(tagValueRules);
      if (value === undefined) throw new Malformed(`Expected tag value, got ${orEnd(this.#rest(), excerpt)}`);
      if (names.has(name))
        throw new Malformed(`Must not contain duplicate tags, but \`${name}\` was repeated`);
      names.add(name);
      tags.push({ name, value });
    }
    return tags;
  }

  #fields(): Field[] {
    const first = this.#field();
    if (first === undefined) throw new Malformed("No fields were provided");
    const fields = [first];
    while (this.#text[this.#at] === ",") {
      const comma = this.#at;
      this.#at += 1;
      const field = this.#field();
      if (field === undefined) {
        // The server's list parser gives back this comma, but not the one after the first field.
        if (fields.length > 1) this.#at = comma;
        break;
      }
      fields.push(field);
    }
    return fields;
  }

  /** The field that starts here; undefined, with nothing consumed, when there is none. */
  #field(): Field | undefined {
    const start = this.#at;
    const name = this.#word(keyRules);
    if (name !== undefined && this.#text[this.#at] === "=") {
      this.#at += 1;
      const value = this.#value();
      if (value !== undefined) return { name, ...value };
    }
    this.#at = start;
    return undefined;
  }

  #value(): FieldValue | undefined {
    if (this.#text[this.#at] === '"') return this.#string();
    const number = this.#match(numberToken);
    if (number !== undefined) return this.#number(number);
    const boolean = this.#match(booleanToken);
    if (boolean === undefined) return undefined;
    return { type: "boolean", value: boolean.startsWith("t") || boolean.startsWith("T") };
  }

  #number(token: string): FieldValue {
    const suffix = this.#text[this.#at];
    const whole = !/[.eE]/.test(token);
    if (whole && suffix === "i") {
      this.#at += 1;
      return { type: "integer", value: inRange(token, "integer", minInt64, maxInt64) };
    }
    if (whole && suffix === "u" && !token.startsWith("-")) {
      this.#at += 1;
      return { type: "uinteger", value: inRange(token, "unsigned integer", 0n, maxUint64) };
    }
    return { type: "float", value: Number(token) };
  }

  #string(): FieldValue | undefined {
    let value = "";
    let start = this.#at + 1;
    for (let at = start; at < this.#text.length; at += 1) {
      const char = this.#text[at];
      if (char === '"') {
        this.#at = at + 1;
        return { type: "string", value: withinLimit(value + this.#text.slice(start, at)) };
      }
      const next = this.#text[at + 1];
      if (char === "\\" && (next === '"' || next === "\\")) {
        value += this.#text.slice(start, at) + next;
        at += 1;
        start = at + 1;
      }
    }
    return undefined;
  }

  #timestamp(): bigint | undefined {
    const start = this.#at;
    const token = this.#skipSpaces() ? this.#match(integerToken) : undefined;
    if (token === undefined) {
      this.#at = start;
      return undefined;
    }
    const timestamp = inRange(token, "timestamp", minInt64, maxInt64);
    this.#skipSpaces();
    return timestamp;
  }

  /** An unescaped name or tag value; undefined when there is not one character of it. */
  #word(rules: WordRules): string | undefined {
    let word = "";
    let start = this.#at;
    while (this.#at < this.#text.length) {
      const char = this.#text.charAt(this.#at);
      if (char === "\\") {
        const next = this.#text.charAt(this.#at + 1);
        word += this.#text.slice(start, this.#at) + (rules.escapable.includes(next) ? "" : char) + next;
        if (next === "") word += char;
        this.#at += next === "" ? 1 : 2;
        start = this.#at;
      } else if (rules.stops.includes(char)) {
        break;
      } else {
        this.#at += 1;
      }
    }
    word += this.#text.slice(start, this.#at);
    if (word.endsWith("\\")) {
      throw new Malformed("Measurements, tag keys and values, and field keys may not end with a backslash");
    }
    return word === "" ? undefined : withinLimit(word);
  }

  #skipSpaces(): boolean {
    const start = this.#at;
    while (this.#text[this.#at] === " ") this.#at += 1;
    return this.#at > start;
  }

  #match(token: RegExp): string | undefined {
    token.lastIndex = this.#at;
    const text = token.exec(this.#text)?.[0];
    if (text !== undefined) this.#at += text.length;
    return text;
  }

  #rest(): string {
    return this.#text.slice(this.#at);
  }
}

function timeNs(timestamp: bigint | undefined, { precision, nowNs }: ParseOptions): bigint {
  if (timestamp === undefined) return truncateNow(nowNs, precision);
  const ns = toNanoseconds(timestamp, precision);
  if (ns !== undefined) return ns;
  const name = precision.charAt(0).toUpperCase() + precision.slice(1);
  throw new Malformed(`timestamp, ${timestamp}, out of range for precision: ${name}`);
}

function inRange(token: string, what: string, min: bigint, max: bigint): bigint {
  const value = BigInt(token);
  if (value < min || value > max) throw new Malformed(`Unable to parse ${what} value \`${token}\``);
  return value;
}

function withinLimit(text: string): string {
  if (text.length * 3 > maxStringBytes && Buffer.byteLength(text) > maxStringBytes) {
    throw new Malformed("String is greater than 1MB");
  }
  return text;
}

function excerpt(text: string): string {
  if (Buffer.byteLength(text) <= maxExcerptChars) return text;
  return `${Array.from(text.slice(0, 2 * maxExcerptChars))
    .slice(0, maxExcerptChars)
    .join("")}...`;
}

function orEnd(text: string, show: (text: string) => string): string {
  return text === "" ? "end of input" : `\`${show(text)}\``;
}
