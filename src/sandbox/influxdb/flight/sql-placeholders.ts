/** Which `$name` placeholders a statement has. Pure. */

/** Texts, quoted names and comments, where a `$` is only a character, come first. */
const pieces = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w+)/g;

/** Each once, in the order in which they come. */
export function placeholdersIn(sql: string): string[] {
  return [...new Set([...sql.matchAll(pieces)].flatMap(([, name]) => (name === undefined ? [] : [name])))];
}
