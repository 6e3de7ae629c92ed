/** A pattern of LIKE as Arrow has it: `%` any text, `_` any character, `\` takes the next one as it is. Pure. */

type Token = { readonly kind: "any" | "one" } | { readonly kind: "text"; readonly character: string };

/**
 * A test for names. Its time grows with the square of a name's length and not with the pattern's, which is a
 * client's and may be long.
 */
export function like(pattern: string): (name: string) => boolean {
  const tokens = tokensOf(pattern);
  return (name) => matches(tokens, Array.from(name));
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  let isEscaped = false;
  for (const character of pattern) {
    if (character === "\\" && !isEscaped) {
      isEscaped = true;
      continue;
    }
    if (isEscaped || (character !== "%" && character !== "_")) tokens.push({ kind: "text", character });
    else if (character === "_") tokens.push({ kind: "one" });
    else if (tokens.at(-1)?.kind !== "any") tokens.push({ kind: "any" });
    isEscaped = false;
  }
  // With nothing to take as it is, it is itself.
  if (isEscaped) tokens.push({ kind: "text", character: "\\" });
  return tokens;
}

/** Greedy: only the last `%` ever has to take more than it did. */
function matches(tokens: readonly Token[], name: readonly string[]): boolean {
  let at = 0;
  let token = 0;
  let retry: { readonly token: number; at: number } | undefined;
  while (at < name.length) {
    const expected = tokens[token];
    if (expected?.kind === "any") {
      token += 1;
      retry = { token, at };
    } else if (expected?.kind === "one" || (expected?.kind === "text" && expected.character === name[at])) {
      at += 1;
      token += 1;
    } else if (retry !== undefined) {
      retry.at += 1;
      ({ at, token } = retry);
    } else {
      return false;
    }
  }
  return token === tokens.length || (token === tokens.length - 1 && tokens[token]?.kind === "any");
}
