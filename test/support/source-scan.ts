/**
 * Reads TypeScript as far as the architecture test needs: what a file imports, and its code without
 * comments and texts. No compiler: TypeScript 7 has no JavaScript API, and a gate that silently reads
 * nothing is worse than a small scanner that is tested on tricky samples (architecture.test.ts).
 */

export interface Import {
  /** undefined: computed at run time, so nobody can say what is imported. */
  readonly specifier: string | undefined;
  readonly typeOnly: boolean;
  readonly line: number;
}

/**
 * The text with the inside of comments, strings, templates and regular expressions replaced by spaces.
 * Offsets, newlines and quotes stay; the code in `${…}` stays.
 */
export function maskedCode(text: string): string {
  return new Masker(text).run();
}

export function importsOf(text: string): Import[] {
  const code = maskedCode(text);
  const found: (Import & { readonly at: number })[] = [];
  const add = (at: number, quoteAt: number | undefined, typeOnly: boolean): void => {
    const line = code.slice(0, at).split("\n").length;
    found.push({
      at: quoteAt ?? at,
      specifier: quoteAt === undefined ? undefined : literalAt(text, code, quoteAt),
      typeOnly,
      line,
    });
  };
  // import … from "x", export … from "x": only names, braces, commas and * may stand in between.
  for (const match of code.matchAll(
    /(?<![.\w$#])(?:import|export)\b(?<what>[\w\s{},*$"']*?)\bfrom\s*["']/g,
  )) {
    add(match.index, match.index + match[0].length - 1, isTypeOnly(match.groups?.["what"] ?? ""));
  }
  for (const match of code.matchAll(/(?<![.\w$#])import\s*["']/g)) {
    add(match.index, match.index + match[0].length - 1, false);
  }
  // import("x"), require("x"), createRequire(…)("x"). `typeof import("x")` is a type.
  const calls = /(?<![.\w$#])(?:import|require|createRequire\s*\([^()]*\))\s*\(\s*(?<argument>["'`]?)/g;
  for (const match of code.matchAll(calls)) {
    const quoteAt = match.groups?.["argument"] === "" ? undefined : match.index + match[0].length - 1;
    add(match.index, quoteAt, /\btypeof\s*$/.test(code.slice(0, match.index)));
  }
  return found
    .toSorted((a, b) => a.at - b.at)
    .map(({ specifier, typeOnly, line }) => ({ specifier, typeOnly, line }));
}

/** The code that remains when imports and re-exports are taken out; empty for a barrel file. */
export function codeBesideImports(text: string): string {
  return maskedCode(text)
    .replaceAll(
      /(?<![.\w$#])(?:import|export)\b[\w\s{},*$"']*?\bfrom\s*(["'])\s*\1(?:\s*with\s*\{[^}]*\})?\s*;?/g,
      "",
    )
    .replaceAll(/(?<![.\w$#])import\s*(["'])\s*\1\s*;?/g, "")
    .trim();
}

/** "type { A }" or "{ type A, type B }": gone after compilation. "{}" and "* as x" are not. */
function isTypeOnly(what: string): boolean {
  if (/^\s+type\b(?!\s*,|\s+from\b)/.test(what)) return true;
  const braces = /^\s*\{([^}]*)\}\s*$/.exec(what);
  if (braces === null) return false;
  const names = (braces[1] ?? "").split(",").filter((name) => name.trim() !== "");
  return names.length > 0 && names.every((name) => /^\s*type\s/.test(name));
}

/** The string whose opening quote is at `quoteAt`; undefined for a template with `${…}` in it. */
function literalAt(text: string, code: string, quoteAt: number): string | undefined {
  const quote = code[quoteAt] ?? "";
  const end = code.indexOf(quote, quoteAt + 1);
  const inside = text.slice(quoteAt + 1, end);
  return quote === "`" && inside.includes("${") ? undefined : inside;
}

/** After one of these words a slash begins a regular expression; after any other word it divides. */
const wordsBeforeRegex = new Set(
  "return typeof case in of delete void throw new else do instanceof yield await".split(" "),
);

class Masker {
  readonly #text: string;
  readonly #out: string[];
  /** Open `${`: how many braces are open inside each. */
  readonly #templates: number[] = [];
  #at = 0;
  /** The code seen last, spaces not counted: decides what a slash means. */
  #before = "";

  constructor(text: string) {
    this.#text = text;
    this.#out = text.split("");
  }

  run(): string {
    while (this.#at < this.#text.length) this.#step();
    return this.#out.join("");
  }

  #step(): void {
    const { [this.#at]: char = "", [this.#at + 1]: next = "" } = this.#text;
    if (char === "/" && next === "/") this.#blankUntil(this.#text.indexOf("\n", this.#at));
    else if (char === "/" && next === "*") this.#blankUntil(this.#endOf("*/"));
    else if (char === '"' || char === "'") this.#string(char);
    else if (char === "`") this.#template();
    else if (char === "/" && this.#regexMayStart()) this.#regex();
    else if (char === "}" && this.#templates.at(-1) === 0) {
      this.#templates.pop();
      this.#template();
    } else this.#code(char);
  }

  #code(char: string): void {
    const open = this.#templates.length - 1;
    if (open >= 0 && char === "{") this.#templates[open] = (this.#templates[open] ?? 0) + 1;
    if (open >= 0 && char === "}") this.#templates[open] = (this.#templates[open] ?? 0) - 1;
    if (/\S/.test(char)) this.#before = (this.#before + char).slice(-20);
    else if (/\w$/.test(this.#before)) this.#before += " ";
    this.#at += 1;
  }

  #string(quote: string): void {
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote && this.#text[this.#at] !== "\n") {
      this.#blank(this.#text[this.#at] === "\\" ? 2 : 1);
    }
    this.#endLiteral();
  }

  /** From a backtick, or from the brace that ends `${…}`, to the next `${` or the closing backtick. */
  #template(): void {
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== "`") {
      if (this.#text.startsWith("${", this.#at)) {
        this.#templates.push(0);
        this.#at += 2;
        this.#before = "(";
        return;
      }
      this.#blank(this.#text[this.#at] === "\\" ? 2 : 1);
    }
    this.#endLiteral();
  }

  #regexMayStart(): boolean {
    const before = this.#before.trimEnd();
    const word = /[\w$]+$/.exec(before)?.[0];
    if (word !== undefined) return wordsBeforeRegex.has(word);
    return !/[)\]}"'`]$/.test(before);
  }

  #regex(): void {
    let inClass = false;
    this.#at += 1;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || char === "\n" || (char === "/" && !inClass)) break;
      if (char === "[") inClass = true;
      if (char === "]") inClass = false;
      this.#blank(char === "\\" ? 2 : 1);
    }
    this.#endLiteral();
  }

  #endLiteral(): void {
    this.#at += 1;
    this.#before = '"';
  }

  #blank(count: number): void {
    this.#blankUntil(this.#at + count);
  }

  #blankUntil(end: number): void {
    const stop = end < 0 ? this.#text.length : Math.min(end, this.#text.length);
    for (; this.#at < stop; this.#at += 1) {
      if (this.#text[this.#at] !== "\n") this.#out[this.#at] = " ";
    }
  }

  #endOf(mark: string): number {
    const found = this.#text.indexOf(mark, this.#at + mark.length);
    return found < 0 ? -1 : found + mark.length;
  }
}
