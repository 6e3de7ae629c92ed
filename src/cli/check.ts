/** `flightline check`: is the configuration right? With the parser that `run` uses. */
import { loadConfig, type LoadResult } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { exitCode, type Run } from "./io.ts";

export const checkCommand: Run<{ config: string; json: boolean }> = async ({ config: file, json }, io) => {
  const result = loadConfig({ file, env: io.env });
  io.out(json ? `${JSON.stringify(report(result))}\n` : describe(file, result));
  return result.ok ? exitCode.done : exitCode.config;
};

function report(result: LoadResult): object {
  if (!result.ok) return result;
  return {
    ok: true,
    files: result.files,
    sources: result.config.mqtt.map(({ name, url }) => ({ name, url })),
  };
}

function describe(file: string, result: LoadResult): string {
  if (!result.ok) return result.problems.map(formatProblem).join("");
  const { config, files } = result;
  const sources = count(config.mqtt.length, "source");
  const from = files.length === 1 ? "" : `, ${count(files.length - 1, "file")} of conf.d`;
  return `${file}: ok (${sources}, database ${config.influx.database} at ${config.influx.url}${from})\n`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
