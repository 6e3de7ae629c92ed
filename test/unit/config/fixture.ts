import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadConfig, type LoadResult } from "../../../src/config/load.ts";

/** The least that is right. */
export const minimal = `
[[mqtt]]
url = "mqtt://127.0.0.1:1883"
[influxdb]
url = "http://127.0.0.1:8181"
database = "lorawan"
`;

/** A directory of configuration that is removed when the test ends. */
export class ConfigDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "flightline-config-"));
  readonly main = join(this.path, "flightline.toml");

  /** By path relative to the directory. */
  write(files: Readonly<Record<string, string | Uint8Array>>): void {
    for (const [name, content] of Object.entries(files)) {
      const file = join(this.path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }

  load(env: NodeJS.ProcessEnv = {}): LoadResult {
    return loadConfig({ file: this.main, env });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Loads one file of this text. */
export function loadText(text: string, env: NodeJS.ProcessEnv = {}): LoadResult {
  using directory = new ConfigDirectory();
  directory.write({ "flightline.toml": text });
  return directory.load(env);
}

/** `line key message` of each problem, or nothing when it is right. */
export function complaints(result: LoadResult): string[] {
  if (result.ok) return [];
  return result.problems.map(({ line, key, message }) => `${line ?? "-"} ${key} ${message}`);
}
