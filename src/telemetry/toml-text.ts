/** Names, texts and comments as TOML has them. Pure. */

const bareName = /^[A-Za-z0-9_-]+$/;
const writableName = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/** Whether the configuration takes it as the name of a key or column. */
export function isWritableName(name: string): boolean {
  return writableName.test(name) && name !== "__proto__";
}

/** A key. Of a name that is writable. */
export function tomlName(name: string): string {
  return bareName.test(name) ? name : tomlText(name);
}

/** A basic string, of a name that is writable: JSON's escapes are TOML's too. */
export function tomlText(text: string): string {
  return JSON.stringify(text);
}

export function tomlComment(text: string): string {
  return `# ${text.replaceAll(/\p{Cc}/gu, " ")}`;
}
