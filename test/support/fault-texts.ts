/**
 * The texts that people read in faults, taken out of TypeScript source, and the style they share in one
 * log: a lower-case first word unless it is a name, and no period at the end.
 */
import { maskedCode } from "./source-scan.ts";

/** Names that are written with a capital letter and small ones. */
const names: ReadonlySet<string> = new Set(["ChirpStack", "DuckDB", "Flightline", "InfluxDB"]);

/**
 * What stands in quotes after `message:`, `hint:`, `sentence:` and `…Hint =`, either branch of a condition,
 * and in the arguments of a function(code, …) that makes a fault, in this file or `imported`. As written,
 * with `${…}` left in.
 */
export function faultTexts(text: string, imported: readonly string[] = []): string[] {
  const code = maskedCode(text);
  const builders = [...faultBuilders(text), ...imported];
  const places = [...code.matchAll(/\b(?:message|hint|sentence):|\b\w*[hH]int =(?!=)/g)].map((place) => ({
    at: place.index + place[0].length,
    ends: ",;",
  }));
  for (const name of builders) {
    for (const call of code.matchAll(new RegExp(`(?<!function )\\b${name}\\(`, "g"))) {
      places.push({ at: call.index + call[0].length, ends: ";" });
    }
  }
  return places.flatMap(({ at, ends }) => literals(text, code, at, ends));
}

/** The functions in this file that make a fault: their first parameter is called `code`. */
export function faultBuilders(text: string): string[] {
  return [...maskedCode(text).matchAll(/\bfunction (\w+)\(\s*code\b/g)].map(([, name = ""]) => name);
}

/** What is wrong with the style of a text, or undefined. The first word counts only where it is written out. */
export function styleMistake(text: string): string | undefined {
  const [firstWord] = /^[A-Z][a-z]\w*|^[A-Z](?= )/.exec(text) ?? [];
  if (firstWord !== undefined && !names.has(firstWord)) return "begins with a capital letter";
  return text.endsWith(".") ? "ends with a period" : undefined;
}

/** The literals of one expression, those inside of brackets not among them. */
function literals(text: string, code: string, from: number, ends: string): string[] {
  const found: string[] = [];
  let depth = 0;
  for (let at = from; at < code.length; at += 1) {
    const char = code[at] ?? "";
    if (isQuote(char)) {
      const end = endOfLiteral(code, at);
      if (depth === 0 && end > at + 1) found.push(text.slice(at + 1, end));
      at = end;
    } else if ("([{".includes(char)) depth += 1;
    else if (")]}".includes(char)) {
      if (depth === 0) break;
      depth -= 1;
    } else if (depth === 0 && ends.includes(char)) break;
  }
  return found;
}

/** Where the literal that opens at `from` has its closing quote; templates may nest. */
function endOfLiteral(code: string, from: number): number {
  const quote = code[from] ?? "";
  if (quote !== "`") return code.indexOf(quote, from + 1);
  let depth = 0;
  for (let at = from + 1; at < code.length; at += 1) {
    const char = code[at] ?? "";
    if (depth === 0 && char === "`") return at;
    if (char === "{") depth += 1;
    else if (char === "}") depth -= 1;
    else if (isQuote(char)) at = endOfLiteral(code, at);
  }
  return code.length;
}

function isQuote(char: string): boolean {
  return char === '"' || char === "'" || char === "`";
}
