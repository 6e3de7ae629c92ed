/**
 * A text of somebody else as a part of one line of ours: without control characters (C1 too: a terminal takes
 * U+009B for an escape), line separators and changes of writing direction. Pure.
 */
export function withoutControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ");
}

/** The same as one line of at most `maxChars` characters, with "…" at its end where there was more. */
export function oneLine(text: string, maxChars: number): string {
  const line = withoutControls(text).replaceAll(/\s+/g, " ").trim();
  if (line.length <= maxChars) return line.toWellFormed();
  // A cut between the halves of a surrogate pair would leave a character that no log can print.
  return `${line
    .slice(0, maxChars - 1)
    .toWellFormed()
    .replace(/\ufffd$/, "")}…`;
}
