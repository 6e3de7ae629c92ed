import { oneLine } from "../lib/one-line.ts";

/**
 * The reason that stands in an error answer, as one short line for a person. Nothing decides by it.
 * Bodies as the products send them: `{"error", "data": {…} | [{error_message, line_number}]}` (v3),
 * `{"code", "message"}` (v2), plain text (routing, size), and HTML from whatever proxy stands between.
 * Pure.
 */

const maxChars = 300;
/** Of up to 100 refused lines that a server names, as many as a person reads. */
const maxLines = 3;

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
  if (!text.startsWith("{") && !text.startsWith("[")) return undefined;
  try {
    return words(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function words(json: unknown): string | undefined {
  if (Array.isArray(json)) return joined(json.slice(0, maxLines).map(words), "; ");
  if (typeof json === "string") return json;
  if (typeof json !== "object" || json === null) return undefined;
  const own = text(json, "error_message") ?? text(json, "error") ?? text(json, "message");
  const line = "line_number" in json && typeof json.line_number === "number" ? json.line_number : undefined;
  const said = line === undefined || own === undefined ? own : `line ${line}: ${own}`;
  return joined([said, "data" in json ? words(json.data) : undefined], ": ");
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
function htmlText(html: string): string {
  const title = /<title[^>]*>([^<]+)<\/title>/i.exec(html)?.[1];
  return title ?? html.replaceAll(/<(?:style|script)\b[^]*?<\/(?:style|script)>|<[^>]*>/gi, " ");
}
