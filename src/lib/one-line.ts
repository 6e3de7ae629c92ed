/**
 * A text of somebody else as a part of one line of ours: without control characters (C1 too: a terminal takes
 * U+009B for an escape), line separators and changes of writing direction. Pure.
 */
export function withoutControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ");
}
