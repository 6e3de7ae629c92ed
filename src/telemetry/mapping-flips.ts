/** Keys whose fields are now of one type, now of another, and what could be done about it. Pure. */
import type { JsonValue } from "../chirpstack/event.ts";
import { type KeyHistory, maxFindings, sample } from "./mapping-findings.ts";
import type { FieldType } from "./mapping-trace.ts";

export interface Flip {
  readonly path: string;
  readonly column: string;
  /**
   * "text": each number was written as a text, and they can all stay texts. "sentinel": its texts say that
   * there is no number. "maybe sentinel": they are few and may say so. "none": both are worth keeping.
   */
  readonly advice: "text" | "sentinel" | "maybe sentinel" | "none";
  /** The different texts of a column that is to hold numbers, where the advice is about them. */
  readonly texts: readonly string[];
  readonly why: string;
}

const typeWords: Readonly<Record<FieldType, string>> = { float: "number", string: "text", boolean: "flag" };

export function findFlips(keys: readonly KeyHistory[]): Flip[] {
  const found: Flip[] = [];
  for (const { path, column, values, rules } of keys) {
    if (values.size < 2) continue;
    const types = [...values].map(
      ([type, items]) => `${typeWords[type]} in ${items.length} (such as ${sample(items[0])})`,
    );
    const why = `${column} changes its type: ${types.join(", ")}`;
    found.push({ path, column, why, ...adviceOn(values, rules.has("scaled")) });
  }
  return found.slice(0, maxFindings);
}

const noAdvice = { advice: "none", texts: [] } as const;

/** What devices and codecs say instead of a number, in small letters. */
const noValueWords: ReadonlySet<string> = new Set([
  "",
  "-",
  "--",
  "---",
  "?",
  "err",
  "error",
  "invalid",
  "missing",
  "n.a.",
  "n/a",
  "na",
  "nan",
  "nil",
  "no data",
  "no sensor",
  "no value",
  "none",
  "not available",
  "not connected",
  "null",
  "unavailable",
  "undefined",
  "unknown",
]);
/** Somebody has to look at each of them. */
const maxDifferentTexts = 5;
/** What a configuration can say on one line. */
const writableText = /^[^\p{Cc}\p{Cs}]{0,40}$/u;

/** `isScaled`: its numbers are, so that its texts must not stay texts. */
function adviceOn(values: KeyHistory["values"], isScaled: boolean): Pick<Flip, "advice" | "texts"> {
  const numbers = values.get("float");
  const texts = values.get("string");
  if (numbers === undefined || texts === undefined || values.has("boolean")) return noAdvice;
  const different = [...new Set(texts.map(String))];
  const areFew = different.length <= maxDifferentTexts && different.every((text) => writableText.test(text));
  if (areFew && different.every((text) => noValueWords.has(text.trim().toLowerCase()))) {
    return { advice: "sentinel", texts: different };
  }
  const canStayText = !isScaled && numbers.every((value) => typeof value === "string");
  const isMostlyText = texts.length >= numbers.length;
  if (canStayText && (isMostlyText || lookLikeCodes(numbers, different)))
    return { advice: "text", texts: [] };
  return areFew && !isMostlyText ? { advice: "maybe sentinel", texts: different } : noAdvice;
}

/** "12", "007", "A4": some of them are numbers by their looks only. */
function lookLikeCodes(numbers: readonly JsonValue[], texts: readonly string[]): boolean {
  return (
    numbers.every((number) => typeof number === "string" && /^\d+$/.test(number)) &&
    texts.every((text) => /^[\p{L}\d_-]*\d[\p{L}\d_-]*$/u.test(text))
  );
}
