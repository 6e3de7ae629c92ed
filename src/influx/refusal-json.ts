/**
 * JSON of which only the beginning may have come: of an answer 64 KiB are kept (transport.ts), which is some 300
 * refused lines. They are worth knowing: once they are gone, the next answer names the next ones. Pure; linear in the
 * length of the text.
 */

interface ReadJson {
  /** Undefined: the text is no JSON, or nothing of it was complete. */
  readonly value: unknown;
  /** False: what came after the last complete value is left out. */
  readonly isWhole: boolean;
}

/** An object or an array. Other JSON, which no error answer is, counts as text. */
export function readJson(body: string): ReadJson {
  const text = body.trim();
  if (!/^[{[]/.test(text)) return { value: undefined, isWhole: true };
  const whole = parsed(text);
  return whole === undefined
    ? { value: parsed(closed(text)), isWhole: false }
    : { value: whole, isWhole: true };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Cut behind the last value that is complete, and closed there. */
function closed(text: string): string {
  const closers: string[] = [];
  let end = 0;
  // Only pops and commas move `end`, so the first `depth` closers stay as they were there.
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === "\\") at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{") closers.push("}");
    else if (character === "[") closers.push("]");
    else if (character === "}" || character === "]") {
      closers.pop();
      [end, depth] = [at + 1, closers.length];
    } else if (character === ",") [end, depth] = [at, closers.length];
  }
  return text.slice(0, end) + closers.slice(0, depth).toReversed().join("");
}
