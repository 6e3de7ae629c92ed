import { oneLine } from "../lib/one-line.ts";
import { readJson } from "./refusal-json.ts";

/**
 * The reason that stands in an error answer, as one short line for a person. Nothing decides by it.
 * Bodies as the products send them: `{"error", "data": {…} | [{error_message, line_number}]}` (v3),
 * `{"code", "message"}` (v2), plain text (routing, size), and HTML from whatever proxy stands between.
 * Pure.
 */

const maxChars = 300;
/** A page says what it is at its beginning. More of it would only be searched for tags that are never closed. */
const maxHtmlChars = 8192;
/** Of up to 100 refused lines that a server names, as many as a person reads. */
const maxLines = 3;
/** `data`, its array and an item of it are 2; a body of brackets alone would take the stack. */
const maxDepth = 8;

/** "" when the body says nothing. */
export function serverWords(body: string): string {
  const text = body.trim();
  if (looksLikeHtml(text)) return oneLine(htmlText(text), maxChars);
  return oneLine(jsonWords(text) ?? text, maxChars);
}

export function looksLikeHtml(body: string): boolean {
  return /^\s*<(?:!doctype html|html|head|body|title|h1|center)\b/i.test(body);
}

function jsonWords(text: string): string | undefined {
  const { value } = readJson(text);
  return value === undefined ? undefined : words(value, 0);
}

function words(json: unknown, depth: number): string | undefined {
  if (depth > maxDepth) return undefined;
  if (Array.isArray(json)) {
    const items = json.slice(0, maxLines).map((item) => words(item, depth + 1));
    return joined(items, "; ");
  }
  if (typeof json === "string") return json;
  if (typeof json !== "object" || json === null) return undefined;
  const own = text(json, "error_message") ?? text(json, "error") ?? text(json, "message");
  const line = "line_number" in json && typeof json.line_number === "number" ? json.line_number : undefined;
  const said = line === undefined || own === undefined ? own : `line ${line}: ${own}`;
  return joined([said, "data" in json ? words(json.data, depth + 1) : undefined], ": ");
}

function text(json: object, key: "error_message" | "error" | "message"): string | undefined {
  const value: unknown = (json as Readonly<Record<string, unknown>>)[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function joined(parts: readonly (string | undefined)[], separator: string): string | undefined {
  const present = parts.filter((part) => part !== undefined);
  return present.length === 0 ? undefined : present.join(separator);
}

/** The title where there is one, else what is left without tags. */
function htmlText(page: string): string {
  const html = page.slice(0, maxHtmlChars);
  const title = /<title[^>]*>([^<]+)<\/title>/i.exec(html)?.[1];
  return title ?? html.replaceAll(/<(?:style|script)\b[^]*?(?:<\/(?:style|script)>|$)|<[^<>]*>/gi, " ");
}
