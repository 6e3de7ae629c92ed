/** What there is to say of the configuration file, when it has been loaded and when it cannot be. */
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { readSourceFiles, type SourceFile } from "../config/files.ts";
import type { LoadResult } from "../config/load.ts";
import { formatProblem, type Problem } from "../config/problem.ts";
import { errorCode } from "../lib/fault.ts";
import type { TlsConfig } from "../net/config.ts";
import type { Examination, Finding } from "./finding.ts";

/** About a TLS file that the configuration names; with an error no connection comes about. */
export interface TlsRemark {
  readonly severity: "error" | "warning" | "note";
  readonly problem: Problem;
  readonly code: string;
}

/**
 * `remarks`: looked up with a configuration that could be loaded. `examineAccess`: whether the service may read it;
 * asked of such a one only.
 */
export function examineConfiguration(
  file: string,
  result: LoadResult,
  remarks: readonly TlsRemark[],
  examineAccess: (signal: AbortSignal) => Promise<readonly Finding[]> = async () => [],
): Examination {
  return async (report, signal) => {
    if (!result.ok) {
      for (const finding of ofProblems(result.problems, file)) report(finding);
      report({
        check: "configuration.rest",
        severity: "skipped",
        text: "journal, brokers, InfluxDB and Flight: not tried: the configuration that names them cannot be loaded",
      });
      return;
    }
    report(loaded(file, result.config, result.files.length));
    for (const remark of remarks) report(ofRemark(remark));
    const files = tlsFiles(result.config);
    if (remarks.every(({ severity }) => severity === "note") && files > 0) {
      report({
        check: "configuration.tls",
        severity: "ok",
        text: `${count(files, "file")} for TLS, all usable`,
        figures: { files },
      });
    }
    for (const finding of await examineAccess(signal)) report(finding);
  };
}

function loaded(file: string, { mqtt, influx, routes }: Config, files: number): Finding {
  const parts = [
    count(mqtt.length, "source"),
    `database ${influx.database} at ${influx.url}`,
    ...(routes.length === 0 ? [] : [count(routes.length, "route")]),
    ...(files === 1 ? [] : [`${count(files - 1, "file")} of conf.d`]),
  ];
  return {
    check: "configuration.file",
    severity: "ok",
    text: `${file}: ${parts.join(", ")}`,
    figures: { file, files, sources: mqtt.length, routes: routes.length },
  };
}

function ofProblems(problems: readonly Problem[], mainFile: string): Finding[] {
  const { sources } = readSourceFiles(mainFile);
  const seen = new Set<string>();
  return problems.flatMap((problem) => {
    const isCredential = namesCredential(problem, sources);
    const about = JSON.stringify([problem.file, problem.key]);
    // Without the variable there is no such file either: that is said once.
    if (isCredential && seen.has(about)) return [];
    seen.add(about);
    const hint = isCredential ? credentialsHint : (accessHint(problem) ?? problem.hint);
    const text = sentence(problem);
    return [{ check: "configuration.file", severity: "failure", text, hint, figures: place(problem) }];
  });
}

const severities = { error: "failure", warning: "warning", note: "ok" } as const;

function ofRemark({ severity, problem, code }: TlsRemark): Finding {
  return {
    check: "configuration.tls",
    severity: severities[severity],
    text: sentence(problem),
    hint: problem.hint,
    code,
    figures: place(problem),
  };
}

/** `FILE:LINE: KEY: message` */
function sentence({ file, line, key, message }: Problem): string {
  return formatProblem({ file, key, message, ...(line === undefined ? {} : { line }) }).trimEnd();
}

function place({ file, line, key }: Problem): Record<string, string | number> {
  return { file, key, ...(line === undefined ? {} : { line }) };
}

function namesCredential({ file, line }: Problem, sources: readonly SourceFile[]): boolean {
  const written = sources.find((source) => source.file === file)?.text.split("\n")[(line ?? 0) - 1];
  return written?.includes("${CREDENTIALS_DIRECTORY") === true;
}

/** What LoadCredential= names is read by systemd, and shown to the service in a directory of its own. */
const credentialsHint =
  "systemd gives credentials to the service only, so a shell reads the files behind them, as root (which ones: " +
  "systemctl cat flightline, LoadCredential=): sudo CREDENTIALS_DIRECTORY=/etc/flightline flightline doctor";

/** For a file that is there, and for others. */
function accessHint({ file, line }: Problem): string | undefined {
  if (line !== undefined) return undefined;
  try {
    accessSync(file, constants.R_OK);
    return undefined;
  } catch (error) {
    if (errorCode(error) !== "EACCES") return undefined;
    return `run this command with sudo, or see who may read it: ls -la ${dirname(file)}`;
  }
}

function tlsFiles({ influx, mqtt }: Config): number {
  const files = [influx, ...mqtt].flatMap(({ tls }) => filesOf(tls));
  return new Set(files).size;
}

function filesOf({ caFile, certFile, keyFile }: TlsConfig): string[] {
  return [caFile, certFile, keyFile].filter((file) => file !== undefined);
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
