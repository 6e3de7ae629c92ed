/** InfluxQL as tokens, and a reader over them. */

export interface Token {
  readonly kind: "word" | "name" | "text" | "number" | "duration" | "parameter" | "symbol" | "end";
  /** Without its quotes; a duration as it was written. */
  readonly value: string;
}

/** What InfluxDB, or this subset, does not take; the message is for the client. */
export class InfluxQlRefusal extends Error {}

export function notImplemented(what: string): InfluxQlRefusal {
  return new InfluxQlRefusal(`This feature is not implemented: ${what}`);
}

const pattern = new RegExp(
  [
    String.raw`\s+`,
    String.raw`(?<duration>(?:\d+(?:ns|ms|us|µ|u|s|m|h|d|w))+)`,
    String.raw`(?<number>\d+(?:\.\d+)?)`,
    String.raw`(?<word>[A-Za-z_]\w*)`,
    String.raw`"(?<name>(?:[^"\\]|\\.)*)"`,
    String.raw`'(?<text>(?:[^'\\]|\\.)*)'`,
    String.raw`\$(?<parameter>\w+)`,
    String.raw`(?<symbol><>|!=|<=|>=|=~|!~|[-+*/(),.;=<>:])`,
  ].join("|"),
  "yu",
);

function tokensOf(query: string): Token[] {
  const tokens: Token[] = [];
  for (pattern.lastIndex = 0; pattern.lastIndex < query.length;) {
    const { lastIndex } = pattern;
    const match = pattern.exec(query);
    if (match === null) throw new InfluxQlRefusal(`invalid InfluxQL statement at position ${lastIndex}`);
    for (const [kind, value] of Object.entries(match.groups ?? {})) {
      if (value === undefined || !isKind(kind)) continue;
      const isQuoted = kind === "name" || kind === "text";
      tokens.push({ kind, value: isQuoted ? value.replaceAll(/\\(.)/gu, "$1") : value });
    }
  }
  return tokens;
}

const kinds = new Set<string>(["word", "name", "text", "number", "duration", "parameter", "symbol"]);

function isKind(kind: string): kind is Token["kind"] {
  return kinds.has(kind);
}

const unitNs: Readonly<Record<string, bigint>> = {
  ns: 1n,
  u: 1000n,
  us: 1000n,
  µ: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
};

export function durationNs(duration: string): bigint {
  let total = 0n;
  for (const [, amount = "", unit = ""] of duration.matchAll(/(\d+)([a-zµ]+)/gu)) {
    total += BigInt(amount) * (unitNs[unit] ?? 0n);
  }
  return total;
}

export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(query: string) {
    this.#tokens = tokensOf(query);
  }

  peek(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", value: "" };
  }

  next(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  /** Takes these keywords or symbols, in any case, when they all come next. */
  take(...values: string[]): boolean {
    const come = values.every((value, offset) => {
      const token = this.#tokens[this.#at + offset];
      return (token?.kind === "word" || token?.kind === "symbol") && token.value.toUpperCase() === value;
    });
    if (come) this.#at += values.length;
    return come;
  }

  expect(...values: string[]): void {
    if (!this.take(...values)) throw this.unexpected();
  }

  /** Bare or in double quotes. */
  identifier(): string {
    const token = this.next();
    if (token.kind !== "word" && token.kind !== "name") throw notImplemented(`${token.value} as a name`);
    return token.value;
  }

  unexpected(): InfluxQlRefusal {
    const { kind, value } = this.peek();
    return notImplemented(kind === "end" ? "a statement that ends here" : value);
  }
}
