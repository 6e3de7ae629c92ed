import { listedLines } from "../net/server-says.ts";
import { readJson } from "./refusal-json.ts";
import { linesOf, type WrittenLines } from "./refusal-lines.ts";
import { serverWords } from "./server-words.ts";

/**
 * What the body of a refusal (400, 422) says about the lines that were written. Pure.
 *
 *     {"error": …, "data": {"error_message", "line_number", "original_line"}}      v3, all or nothing: the first bad line
 *     {"error": …, "data": [{…}, …]}                                               v3, each bad line
 *     {"code": "invalid", "line": 2, "message": "… error parsing line 2 …"}        v2 of Clustered, Dedicated, Serverless
 *     {"error": …}, text                                                           v3: about the request, not its lines
 *     {"code", "message"}                                                          v2: about anything
 *
 * A number is believed only when it cannot be another line's: early servers count from 0 now and then, and
 * blank lines or newlines in strings make servers disagree about numbers. So `original_line`, where it is given, must
 * be, to its end, how that line begins, and where it is not, no string may hold a newline; and one number that is wrong
 * discredits all others.
 */

export interface RefusedLine {
  /** 1-based, of the text that was written; a newline in a string ends no line. */
  readonly number: number;
  /** In the server's words, one line. */
  readonly reason: string;
}

export interface Refusal {
  /** The lines that are named and believed, by number, each once. */
  readonly lines: readonly RefusedLine[];
  /** As the server wrote them: of the whole, then of the lines. */
  readonly reasons: readonly string[];
  /** "request": InfluxDB's v3 speaks, and of no line, which it always does when it has read one. */
  readonly about: "lines" | "request" | "unknown";
}

/** One line that a body names. */
interface Claim {
  readonly number: number;
  readonly reason: string;
  /** How the server says that it begins. */
  readonly beginning: string | undefined;
}

export function readRefusal(body: string, written: string): Refusal {
  const { value, isWhole } = readJson(body);
  if (!isRecord(value)) {
    const isText = value === undefined && isWhole && body.trim() !== "";
    return { lines: [], reasons: [], about: isText ? "request" : "unknown" };
  }
  const claims = [...claimsInData(value), ...claimsInMessage(value)];
  const isOfRequest = isWhole && isText(value["error"]) && (value["data"] ?? undefined) === undefined;
  return {
    lines: believed(claims, written),
    reasons: [value["error"], value["message"], ...claims.map(({ reason }) => reason)].filter(isText),
    about: claims.length > 0 ? "lines" : isOfRequest ? "request" : "unknown",
  };
}

function claimsInData({ data }: Record<string, unknown>): Claim[] {
  const claims: Claim[] = [];
  for (const item of Array.isArray(data) ? data : [data]) {
    if (!isRecord(item) || typeof item["line_number"] !== "number") continue;
    const { line_number: number, error_message: reason, original_line: beginning } = item;
    claims.push({
      number,
      reason: isText(reason) ? reason : "",
      beginning: isText(beginning) ? beginning : undefined,
    });
  }
  return claims;
}

function claimsInMessage({ line, message }: Record<string, unknown>): Claim[] {
  if (typeof line !== "number") return [];
  const text = isText(message) ? message : "";
  const listed = listedLines(text, line);
  const found = listed.length > 0 ? listed : [{ number: line, reason: text }];
  return found.map((each) => ({ ...each, beginning: undefined }));
}

function believed(claims: readonly Claim[], written: string): RefusedLine[] {
  if (claims.length === 0) return [];
  const lines = linesOf(written);
  if (!claims.every((claim) => isCredible(claim, lines))) return [];
  const reasons = new Map<number, string>();
  for (const { number, reason } of claims) {
    if (!reasons.has(number)) reasons.set(number, serverWords(reason) || "no reason given");
  }
  return [...reasons]
    .map(([number, reason]) => ({ number, reason }))
    .toSorted((one, other) => one.number - other.number);
}

function isCredible({ number, beginning }: Claim, lines: WrittenLines): boolean {
  if (!Number.isInteger(number) || number < 1 || number > lines.count) return false;
  if (beginning === undefined) return !lines.hasNewlinesInside;
  // Ours takes no more than twice the room: two quotes for a string, a backslash for a character.
  const written = lines.beginningOf(number, 2 * beginning.length + 2);
  return alike(written).startsWith(alike(beginning.replace(cutCharacter, "")));
}

/** What is left of a character that was cut in two. */
const cutCharacter = /\ufffd{1,3}$/;
const beforeFields = /^(?:\\.|[^\\ ])*/s;
const floatOfField = /=(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?=[, ])/g;

/**
 * Without what the server may write in another way. InfluxDB shows 20 bytes of a line since October 2025, before that
 * all of it; and one that it could read it shows as its own rendering of it: strings have no quotes there, other
 * characters backslashes, and floats no exponent. Digits of tags are text, and stay as they are.
 */
function alike(text: string): string {
  const { length } = beforeFields.exec(text)?.[0] ?? "";
  const fields = withoutEscapes(text.slice(length));
  return (
    withoutEscapes(text.slice(0, length)) +
    fields.replaceAll(floatOfField, (_, digits: string) => `=${Number(digits)}`)
  );
}

function withoutEscapes(text: string): string {
  return text.replaceAll(/["\\]/g, "");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
