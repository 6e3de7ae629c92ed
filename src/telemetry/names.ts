/**
 * Names and texts as line protocol can carry them. InfluxDB 3's parser and that of 1.x differ in what a
 * backslash means outside quotes: 3 reads `\\` as one backslash, 1.x as two; 1.x drops one before a quote
 * in a field's name; and 3 refuses a name or tag value that ends in one, however it is escaped. They agree
 * only on a backslash before an ordinary character, which both take literally. So a backslash that is
 * followed by another one, a comma, a space, an equals sign, a quote or the end becomes a slash, and every
 * other one is written as it is.
 *
 * Each function here is idempotent: what it returns, it returns again.
 */

/** Tables, columns: far above what people write, far below what the parsers take (64 KiB). */
const maxNameLength = 512;
const maxTagValueLength = 1024;
export const maxStringLength = 16_384;

const controlCharacter = /\p{Cc}/gu;
const unwritableBackslash = /\\(?=[\\,= "]|$)/g;
/** Of nearly all names and ids: nothing to change and nothing to escape. By code, 1 where it is one. */
const plainCodes = new Uint8Array(128);
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-") {
  plainCodes[character.charCodeAt(0)] = 1;
}
const maxPlainLength = 256;
/** What makes a look at the details necessary. Lone surrogates are \p{Cs}. */
const suspect = /[\\\p{Cc}\p{Cs}]/u;

/**
 * Whether a name or tag value can be written as it is, seen at one glance. It is asked a hundred times
 * for each uplink, and a loop takes two thirds of the time of a regular expression.
 */
export function isPlain(text: string): boolean {
  const { length } = text;
  if (length === 0 || length > maxPlainLength) return false;
  for (let index = 0; index < length; index += 1) {
    if (plainCodes[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}

/**
 * A table or column name: control characters (newlines too) removed, lone surrogates as U+FFFD, unwritable
 * backslashes as slashes, at most `maxLength` UTF-16 units.
 */
export function cleanName(name: string, maxLength = maxNameLength): string {
  if (name.length <= maxLength && (isPlain(name) || !suspect.test(name))) return name;
  // Surrogates before the removal, which could join two halves that never belonged together.
  const text = name.toWellFormed().replaceAll(controlCharacter, "");
  return cut(text, maxLength).replaceAll(unwritableBackslash, "/");
}

/** As a name, but a control character becomes a space, and 1,024 UTF-16 units are kept. */
export function cleanTagValue(value: string): string {
  if (value.length <= maxTagValueLength && !suspect.test(value)) return value;
  const text = value.toWellFormed().replaceAll(controlCharacter, " ");
  return cut(text, maxTagValueLength).replaceAll(unwritableBackslash, "/");
}

/**
 * The value of a string field: lone surrogates as U+FFFD, and cut at 16 Ki UTF-16 units, at most 48 KiB of
 * UTF-8: InfluxDB refuses a line with more than 64 KiB in one string. Nothing else is changed.
 */
export function cleanString(value: string): string {
  return cut(value, maxStringLength).toWellFormed();
}

/** At most `maxLength` units, never half a surrogate pair. */
function cut(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const last = text.charCodeAt(maxLength - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxLength - 1 : maxLength);
}
