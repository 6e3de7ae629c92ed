/**
 * Line protocol, cut into items as InfluxDB 3 cuts it: at every "\n" that is neither inside a quoted string
 * nor behind a backslash. "\r" is an ordinary character. Pure.
 */

/** The items that are worth parsing, in order, without the blanks before them. */
export function* splitItems(body: string): Generator<string> {
  let start = 0;
  let special = -1;
  while (start <= body.length) {
    // Most lines have neither quote nor backslash and end at the next newline.
    if (special < start) special = nextSpecial(body, start);
    const newline = body.indexOf("\n", start);
    let end = newline < 0 ? body.length : newline;
    if (special < end) end = endOfQuotingItem(body, start);
    const item = skipBlanksAndComments(body.slice(start, end));
    if (item !== "") yield item;
    start = end + 1;
  }
}

function nextSpecial(body: string, from: number): number {
  const quote = body.indexOf('"', from);
  const backslash = body.indexOf("\\", from);
  return Math.min(quote < 0 ? body.length : quote, backslash < 0 ? body.length : backslash);
}

/** A quote opens a string only where a field's value can stand: after a space, and after more `=` than `,`. */
function endOfQuotingItem(body: string, start: number): number {
  let inFields = false;
  let inString = false;
  let equalsMinusCommas = 0;
  for (let at = start; at < body.length; at += 1) {
    const char = body[at];
    if (char === "\\") at += 1;
    else if (char === " ") inFields = true;
    else if (char === "\n" && !inString) return at;
    else if (!inFields) continue;
    else if (char === '"' && equalsMinusCommas > 0) inString = !inString;
    else if (char === "=" && !inString) equalsMinusCommas += 1;
    else if (char === "," && !inString) equalsMinusCommas -= 1;
  }
  return body.length;
}

function skipBlanksAndComments(item: string): string {
  let at = 0;
  for (;;) {
    while (item[at] === " " || item[at] === "\t" || item[at] === "\n") at += 1;
    if (item[at] !== "#") return item.slice(at);
    const newline = item.indexOf("\n", at);
    at = newline < 0 ? item.length : newline;
  }
}
