/**
 * What a `[[profile]]` makes of one value of a payload, once its column is known. In this order:
 *
 * 1. a text that is a canonical decimal becomes its number, unless its column is in `text` or is called like
 *    an identifier (`identifiers.ts`): many codecs say `toFixed(2)`, but version "1.10" is not 1.1;
 * 2. a sentinel (compared before scaling, as text and as number) is no measurement: `undefined`;
 * 3. a number is scaled: value · factor + offset, rounded to 12 significant digits of the larger of the two
 *    parts, which takes away the noise of binary fractions (21.5 · 0.1 is 2.1500000000000004, and 32 °F would
 *    be -7.1e-15 °C) and nothing that a sensor measured.
 *
 * Pure; what no rule names costs a look at two sizes.
 */
import { identifierKind } from "./identifiers.ts";
import type { Linear, ProfileMapping } from "./settings.ts";

export type Scalar = number | boolean | string;

export type LeafRules = Pick<
  ProfileMapping,
  "rename" | "drop" | "linear" | "sentinels" | "numericText" | "text" | "valueUnit"
>;

/** `raw` is finite; so is the result. */
export function leafValue(rules: LeafRules, column: string, raw: Scalar): Scalar | undefined {
  if (typeof raw === "boolean") return raw;
  const value = typeof raw === "string" ? readText(rules, column, raw) : raw;
  if (rules.sentinels.size > 0) {
    const sentinels = rules.sentinels.get(column);
    if (sentinels !== undefined && (sentinels.has(raw) || sentinels.has(value))) return undefined;
  }
  if (rules.linear.size === 0 || typeof value !== "number") return value;
  const linear = rules.linear.get(column);
  return linear === undefined ? value : scale(value, linear);
}

function readText(rules: LeafRules, column: string, text: string): number | string {
  return rules.numericText && !rules.text.has(column) && isNumberText(column, text) ? Number(text) : text;
}

/**
 * Whether a text in this column is a number in writing. Versions and serial numbers would be numbers in one
 * message and texts in the next.
 */
export function isNumberText(column: string, text: string): boolean {
  return isCanonicalDecimal(text) && identifierKind(column) === undefined;
}

/**
 * As JSON would write a number, without an exponent: no plus, no leading zeros ("007" is a name), and no
 * more digits than a double keeps.
 */
const canonicalDecimal = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,14})?$/;
const maxSignificantDigits = 15;
/** Sign, 15 digits, point, 14 digits. */
const maxDecimalLength = 31;

function isCanonicalDecimal(text: string): boolean {
  if (text.length > maxDecimalLength || !canonicalDecimal.test(text)) return false;
  return text.length <= maxSignificantDigits || significantDigits(text) <= maxSignificantDigits;
}

function significantDigits(decimal: string): number {
  return decimal.replaceAll(/[-.]/g, "").replace(/^0+/, "").length;
}

const scaledDigits = 12;

/** `undefined` when the result is too large for a double. */
export function scale(value: number, { factor, offset }: Linear): number | undefined {
  const product = value * factor;
  const scaled = product + offset;
  if (!Number.isFinite(scaled)) return undefined;
  if (scaled === 0) return 0;
  if (offset === 0) return Number(scaled.toPrecision(scaledDigits));
  // Where the parts nearly cancel each other out, the sum has as few good digits as they leave over.
  const largest = exponentOf(Math.max(Math.abs(product), Math.abs(offset)));
  const digits = scaledDigits - Math.max(largest - exponentOf(scaled), 0);
  if (digits >= 1) return Number(scaled.toPrecision(digits));
  const step = Number(`1e${largest - scaledDigits + 1}`);
  return Math.abs(scaled) < step / 2 ? 0 : Math.sign(scaled) * step;
}

/** That of ten; not by a logarithm, which is inexact at powers of ten. */
function exponentOf(value: number): number {
  const text = value.toExponential();
  return Number(text.slice(text.indexOf("e") + 1));
}
