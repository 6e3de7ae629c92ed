import { readFileSync } from "node:fs";

/** From package.json, which is two levels above this file in src/ and in dist/ alike. */
export function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
