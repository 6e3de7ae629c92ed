/** What the TLS files of a configuration are like, and the lines that name them. */
import { parse } from "smol-toml";
import type { Config } from "../config/config.ts";
import { readSourceFiles } from "../config/files.ts";
import { locatorOf } from "../config/locate.ts";
import { mergeFiles } from "../config/merge.ts";
import type { Problem } from "../config/problem.ts";
import { showPath, type Path } from "../config/tree.ts";
import { examineTls, type TlsFinding } from "../net/tls-files.ts";

interface LocatedFinding extends TlsFinding {
  readonly path: Path;
  /** `influxdb.ca_file` */
  readonly key: string;
}

/** The files are read now. */
export function tlsFindings(
  { influx, mqtt }: Pick<Config, "influx" | "mqtt">,
  nowMs: number,
): LocatedFinding[] {
  const tables: readonly { readonly path: Path; readonly tls: Config["influx"]["tls"] }[] = [
    ...mqtt.map(({ tls }, index) => ({ path: ["mqtt", index], tls })),
    { path: ["influxdb"], tls: influx.tls },
  ];
  return tables.flatMap(({ path: table, tls }) =>
    examineTls(tls, nowMs).map((finding) => {
      const path = [...table, finding.setting];
      return { ...finding, path, key: showPath(path) };
    }),
  );
}

/** Where a finding is, of a configuration whose main file has been loaded. */
export function problemOf({ path, key, setting, fault }: LocatedFinding, mainFile: string): Problem {
  const { sources } = readSourceFiles(mainFile);
  const merged = mergeFiles(sources.map(({ text }) => parse(text, { integersAsBigInt: "asNeeded" })));
  const origin = merged.originOf(path);
  const source = origin && sources[origin.file];
  const { message, hint } = fault;
  return {
    file: source?.file ?? mainFile,
    ...(source && locatorOf(source.text)(origin.path)),
    key,
    // The key stands in front of it already.
    message: message.startsWith(`${setting} `) ? message.slice(setting.length + 1) : message,
    ...(hint === undefined ? {} : { hint }),
  };
}
