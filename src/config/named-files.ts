/** Which files a configuration consists of and names. What they hold is looked at elsewhere. */
import { resolve } from "node:path";
import { parse } from "smol-toml";
import { configSchema } from "./config.ts";
import { expandVariables } from "./expand.ts";
import { readSourceFiles, resolvePath } from "./files.ts";
import { mergeFiles } from "./merge.ts";
import { kindAt } from "./schema-tree.ts";
import { mapStrings, showPath, valueAt } from "./tree.ts";

export interface NamedFile {
  /** Absolute. */
  readonly path: string;
  /** `influxdb.token_file`; undefined: a file of the configuration itself. */
  readonly key: string | undefined;
}

/**
 * Of a configuration that has been loaded. Without those under ${CREDENTIALS_DIRECTORY}: systemd reads them for the
 * service, so their place here is not theirs there.
 */
export function filesOf(mainFile: string, env: NodeJS.ProcessEnv): NamedFile[] {
  const { sources } = readSourceFiles(mainFile);
  const merged = mergeFiles(sources.map(({ text }) => parse(text, { integersAsBigInt: "asNeeded" })));
  const own = sources.map(({ file }) => ({ path: resolve(file), key: undefined }));
  const named: NamedFile[] = [];
  mapStrings(expandVariables(merged.tree, env).tree, (text, path) => {
    const kind = kindAt(configSchema, path);
    const written = valueAt(merged.tree, path);
    const isCredential = typeof written === "string" && written.includes("${CREDENTIALS_DIRECTORY");
    if ((kind === "file" || kind === "secret_file") && text !== "" && !isCredential) {
      const namedIn = sources[merged.originOf(path)?.file ?? 0]?.file ?? mainFile;
      named.push({ path: resolve(resolvePath(text, namedIn)), key: showPath(path) });
    }
    return text;
  });
  return [...own, ...named];
}
