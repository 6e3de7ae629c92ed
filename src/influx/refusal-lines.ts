/**
 * The lines of a write as a server counts them. A string of ours may hold newlines (telemetry/line-protocol.ts),
 * and those end no line. Pure; linear in the length of the text.
 */
export interface WrittenLines {
  readonly count: number;
  /** A string holds a newline: a server that counts newlines gives other numbers. */
  readonly hasNewlinesInside: boolean;
  /** Its first `maxChars` characters, and what follows them. 1 ≤ number ≤ count. */
  beginningOf(number: number, maxChars: number): string;
}

/** `text` is lines as `encodeLine` makes them, separated by "\n". */
export function linesOf(text: string): WrittenLines {
  const starts: number[] = [];
  let hasNewlinesInside = false;
  let quote = text.indexOf('"');
  for (let start = 0; start < text.length;) {
    starts.push(start);
    const newline = text.indexOf("\n", start);
    if (quote >= 0 && quote < start) quote = text.indexOf('"', start);
    let end = newline < 0 ? text.length : newline;
    // Most lines have no quote.
    if (quote >= 0 && quote < end) {
      const quotedEnd = endOfQuotingLine(text, start);
      hasNewlinesInside ||= quotedEnd > end;
      end = quotedEnd;
    }
    start = end + 1;
  }
  return {
    count: starts.length,
    hasNewlinesInside,
    beginningOf(number, maxChars) {
      const start = starts[number - 1] ?? text.length;
      return text.slice(start, Math.min(start + maxChars, (starts[number] ?? text.length + 1) - 1));
    },
  };
}

/** A quote opens a string behind the equals sign of a field, which stands behind the first space; else it is plain. */
function endOfQuotingLine(text: string, start: number): number {
  let inFields = false;
  let inString = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === "\\") at += 1;
    else if (inString) inString = character !== '"';
    else if (character === "\n") return at;
    else if (character === " ") inFields = true;
    else if (character === "=" && inFields && text[at + 1] === '"') {
      inString = true;
      at += 1;
    }
  }
  return text.length;
}
