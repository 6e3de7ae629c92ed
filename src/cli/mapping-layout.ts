/**
 * Text that came from devices, on a terminal. Whatever it is, it neither moves the cursor nor changes the
 * direction of reading, and it takes the room that it was given. Pure.
 */

/** Control, format (also what turns the direction of reading), lone surrogates, private use, line ends. */
const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** Hidden characters as `\u001b`; JSON text means the same afterwards. */
export function harmless(text: string): string {
  return text.replaceAll(hidden, (character) => {
    let escaped = "";
    for (let index = 0; index < character.length; index += 1) {
      escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
    }
    return escaped;
  });
}

/** The same for a TOML document whose hidden characters are in comments and basic strings: it means the same. */
export function harmlessToml(toml: string): string {
  return toml.replaceAll(hidden, (character) => {
    if (character === "\n") return character;
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
}

const combining = /^\p{M}$/u;
/** Near enough to what terminals draw two columns wide. */
const wide =
  /^[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]$/u;
const ascii = /^[ -~]*$/;

/** Columns on a terminal, of harmless text. */
export function widthOf(text: string): number {
  if (ascii.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += charWidth(character);
  return width;
}

function charWidth(character: string): number {
  if (combining.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** At most `width` columns; what is longer ends in "…". */
export function cut(text: string, width: number): string {
  const head = headOf(text, width);
  return head.length === text.length ? text : `${headOf(text, width - 1)}…`;
}

/** As many whole characters as fit. */
function headOf(text: string, width: number): string {
  let used = 0;
  let end = 0;
  for (const character of text) {
    used += charWidth(character);
    if (used > width) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** Cut or filled up to `width` columns. */
export function fill(text: string, width: number): string {
  const fitting = cut(text, width);
  return fitting + " ".repeat(Math.max(width - widthOf(fitting), 0));
}

/** Lines of at most `width` columns, broken at spaces where there are any; at most `maxLines` of them. */
export function wrap(text: string, width: number, maxLines: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (widthOf(rest) > width && lines.length < maxLines - 1) {
    const head = headOf(rest, width);
    const space = rest[head.length] === " " ? head.length : head.lastIndexOf(" ");
    // Width is at least 2, so that a head is never empty.
    const end = space > 0 ? space : head.length;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, cut(rest, width)];
}
