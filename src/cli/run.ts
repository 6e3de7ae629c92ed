import { openApp } from "../app.ts";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { Fault } from "../lib/fault.ts";
import type { Decode } from "../pipeline/ports.ts";
import type { PartsOutcome } from "../supervision/parts.ts";
import { exitCode, type Io } from "./io.ts";
import { createLog } from "./logging.ts";
import { version } from "./version.ts";

export interface RunOptions {
  /** Path of flightline.toml. */
  readonly config: string;
  /** Tests plant a decoder of their own. */
  readonly decode?: Decode;
}

/** `flightline run`: the daemon. Ends on SIGTERM or SIGINT with 0, on a failed part with 1, 78 for a bad configuration. */
export async function runCommand(options: RunOptions, io: Io): Promise<number> {
  const loaded = loadConfig({ file: options.config, env: io.env });
  if (!loaded.ok) {
    io.err(loaded.problems.map(formatProblem).join(""));
    return exitCode.config;
  }
  const { config } = loaded;
  const log = createLog(config.log, {
    isTerminal: io.isTerminal,
    underSystemd: io.env["JOURNAL_STREAM"] !== undefined,
  });
  log.info(`flightline ${version()} starts`, {
    node: config.node,
    pid: process.pid,
    node_js: process.version,
  });
  let outcome: PartsOutcome;
  try {
    const app = openApp({
      config,
      log,
      version: version(),
      runtimeDir: runtimeDir(io.env),
      decode: options.decode,
    });
    outcome = await app.run(io.signal);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.fault(error);
    return exitCode.failed;
  }
  for (const part of outcome.stragglers) log.warn("did not end in time", { part });
  const { failure } = outcome;
  if (failure === undefined) {
    log.info("stopped");
    return exitCode.done;
  }
  if (!(failure.error instanceof Fault)) throw failure.error;
  log.fault(failure.error, { part: failure.part });
  return exitCode.failed;
}

/** systemd gives a colon-separated list when the unit has several. */
function runtimeDir(env: NodeJS.ProcessEnv): string | undefined {
  const first = env["RUNTIME_DIRECTORY"]?.split(":")[0];
  return first === "" ? undefined : first;
}
