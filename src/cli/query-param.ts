/** `--param name=value` and `name:type=value`: the values of a query's `$name` placeholders. Pure. */
import type { QueryParam } from "../influx/flight/api.ts";

type Params = Readonly<Record<string, QueryParam>>;

export type ParamsResult =
  | { readonly ok: true; readonly params: Params }
  /** One sentence. */
  | { readonly ok: false; readonly mistake: string };

type Parsed = { readonly value: QueryParam } | { readonly expected: string };

const shape = /^(?<name>[A-Za-z_]\w*)(?::(?<type>\w*))?=(?<text>.*)$/s;
/** Without leading zeros: what has them is a name or a number of something, as 0018b20000000001 is. */
const integer = /^-?(?:0|[1-9]\d*)$/;
const decimal = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?(?:0|[1-9]\d*))?$/;

/** Of a name, as the ticket of a query takes it (influx/flight/ticket.ts). */
const maxNameLength = 64;

/** What InfluxDB takes: Int64 and UInt64. */
const least = -(2n ** 63n);
const most = 2n ** 64n - 1n;

export function parseParams(given: readonly string[]): ParamsResult {
  const params = new Map<string, QueryParam>();
  for (const text of given) {
    const { name, type, text: value } = shape.exec(text)?.groups ?? {};
    if (name === undefined || value === undefined) {
      return wrong(text, "expected name=value, such as limit=5 or dev_eui:string=70b3d5e75e000001");
    }
    if (name.length > maxNameLength) {
      return wrong(
        `${name.slice(0, maxNameLength)}…`,
        `expected a name of at most ${maxNameLength} letters, digits and _`,
      );
    }
    if (params.has(name)) return wrong(text, `${name} is given twice`);
    const parse = type === undefined ? inferred : Object.hasOwn(parsers, type) ? parsers[type] : undefined;
    if (parse === undefined) return wrong(text, "expected string, float, int or bool after the colon");
    const parsed = parse(value);
    if ("expected" in parsed) return wrong(text, `expected ${parsed.expected}`);
    params.set(name, parsed.value);
  }
  return { ok: true, params: Object.fromEntries(params) };
}

function wrong(text: string, why: string): ParamsResult {
  return { ok: false, mistake: `--param ${text}: ${why}.` };
}

const parsers: Readonly<Record<string, (text: string) => Parsed>> = {
  string: (text) => ({ value: text }),
  float: (text) => {
    const value = decimal.test(text) ? Number(text) : NaN;
    return Number.isFinite(value) ? { value } : { expected: "a number such as 21.5 or 1e-3" };
  },
  int: (text) => {
    const value = integer.test(text) ? BigInt(text) : undefined;
    return value === undefined || value < least || value > most
      ? { expected: "a whole number from -9223372036854775808 to 18446744073709551615" }
      : { value };
  },
  bool: (text) =>
    text === "true" || text === "false" ? { value: text === "true" } : { expected: "true or false" },
};

/**
 * A device EUI such as 24e1241365022170 reads as a number with an exponent. No float is as large, and a
 * number that none can hold is text.
 */
function inferred(text: string): Parsed {
  if (text === "null") return { value: null };
  if (text === "true" || text === "false") return { value: text === "true" };
  if (integer.test(text)) {
    const value = BigInt(text);
    if (value >= least && value <= most) return { value };
    return { expected: "a whole number of at most 64 bits; write name:string= for text" };
  }
  const value = decimal.test(text) ? Number(text) : NaN;
  return { value: Number.isFinite(value) ? value : text };
}
