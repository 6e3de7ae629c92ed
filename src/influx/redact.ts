/**
 * A function that takes `token` out of a text in every form in which a server or a proxy repeats a
 * request: each character as it is, or escaped for JSON, HTML or a URL. Pure.
 */
export function redactor(token: string): (text: string) => string {
  // Two letters stand in the words of any text: cutting them out would show what they are.
  if (token.length < leastChars) return (text) => text;
  const pattern = new RegExp(Array.from(token, anyForm).join(""), "g");
  return (text) => text.replaceAll(pattern, "[secret]");
}

const leastChars = 3;

/** The same for several of them. */
export function redactorOf(secrets: Iterable<string>): (text: string) => string {
  // Of two secrets one may be a part of the other.
  const longestFirst = [...new Set(secrets)].sort((one, other) => other.length - one.length);
  const redactors = longestFirst.map((secret) => redactor(secret));
  return (text) => redactors.reduce((rest, redact) => redact(rest), text);
}

const htmlNames: Readonly<Record<string, string>> = {
  "&": "amp",
  "<": "lt",
  ">": "gt",
  '"': "quot",
  "'": "apos",
};

function anyForm(character: string): string {
  const code = character.charCodeAt(0);
  const digits = code.toString(16).padStart(2, "0");
  const hex = eitherCase(digits);
  const forms = [`\\\\?\\x${digits}`, `\\\\u00${hex}`, `%${hex}`, `&#0*${code};`, `&#[xX]0*${hex};`];
  const name = htmlNames[character];
  if (name !== undefined) forms.unshift(`&${name};`);
  return `(?:${forms.join("|")})`;
}

function eitherCase(hex: string): string {
  return hex.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}
