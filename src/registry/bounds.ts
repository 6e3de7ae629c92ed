/**
 * How much of a message a record keeps. Records are written to flash again and again, and names and tags
 * are whatever somebody typed: a limit on everything.
 */

/** UTF-16 units of a name, an id, a tag's key or value. */
const maxTextLength = 256;

/**
 * At most 256 UTF-16 units, lone surrogates as U+FFFD: what SQLite would make of them, so that a text is
 * the same before and after it was stored. Idempotent.
 */
export function clip(text: string): string {
  if (text.length <= maxTextLength) return text.toWellFormed();
  const last = text.charCodeAt(maxTextLength - 1);
  const isPairCut = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isPairCut ? maxTextLength - 1 : maxTextLength).toWellFormed();
}

/**
 * The first `maxEntries` by key, texts clipped. ChirpStack's maps come in another order each time; sorted,
 * equal maps are kept as equal ones, and the same entries of a large one are left out every time.
 */
export function clipTexts(
  texts: ReadonlyMap<string, string>,
  maxEntries: number,
): ReadonlyMap<string, string> {
  const kept = new Map<string, string>();
  for (const [key, value] of sortedByKey(texts)) {
    if (kept.size >= maxEntries) break;
    kept.set(clip(key), clip(value));
  }
  return kept;
}

/** Keys are compared by UTF-16 unit, as every machine does it. */
export function sortedByKey<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

export function sameTexts(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && sameTextsAt([...a.keys()], a, b);
}

/** Those of these keys; a key that neither has is the same in both. */
export function sameTextsAt(
  keys: readonly string[],
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
): boolean {
  return keys.every((key) => a.get(key) === b.get(key));
}
