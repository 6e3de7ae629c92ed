/**
 * `flightline check`: is the configuration right? With the parser that `run` uses, and a look at the TLS files, which `run`
 * reads for each connection: what would keep one from coming about is a problem here, and there a fault that may
 * pass.
 */
import { loadConfig, type LoadResult } from "../config/load.ts";
import { formatProblem, type Problem } from "../config/problem.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { problemOf, tlsFindings } from "./check-tls.ts";
import { exitCode, type Run } from "./io.ts";

export const checkCommand: Run<{ config: string; json: boolean }> = async ({ config: file, json }, io) => {
  const { result, remarks } = look(file, io.env);
  io.out(json ? `${JSON.stringify(report(result, remarks))}\n` : describe(file, result, remarks));
  return result.ok ? exitCode.done : exitCode.config;
};

/** What is worth a word and no problem. */
interface Remark extends Problem {
  readonly severity: "warning" | "note";
}

interface Looked {
  readonly result: LoadResult;
  readonly remarks: readonly Remark[];
}

function look(file: string, env: NodeJS.ProcessEnv): Looked {
  const loaded = loadConfig({ file, env });
  if (!loaded.ok) return { result: loaded, remarks: [] };
  const problems: Problem[] = [];
  const remarks: Remark[] = [];
  for (const finding of tlsFindings(loaded.config, clock.nowMs())) {
    const { severity } = finding;
    const problem = problemOf(finding, file);
    if (severity === "error") problems.push(problem);
    else remarks.push({ ...problem, severity });
  }
  return { result: problems.length === 0 ? loaded : { ok: false, problems }, remarks };
}

function report(result: LoadResult, remarks: readonly Remark[]): object {
  const more = remarks.length === 0 ? {} : { remarks };
  if (!result.ok) return { ...result, ...more };
  return {
    ok: true,
    files: result.files,
    sources: result.config.mqtt.map(({ name, url }) => ({ name, url })),
    ...more,
  };
}

function describe(file: string, result: LoadResult, remarks: readonly Remark[]): string {
  const said = remarks
    .map(({ severity, ...rest }) => formatProblem({ ...rest, message: `${severity}: ${rest.message}` }))
    .join("");
  if (!result.ok) return `${result.problems.map(formatProblem).join("")}${said}`;
  const { config, files } = result;
  const sources = count(config.mqtt.length, "source");
  const from = files.length === 1 ? "" : `, ${count(files.length - 1, "file")} of conf.d`;
  return `${said}${file}: ok (${sources}, database ${config.influx.database} at ${config.influx.url}${from})\n`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
