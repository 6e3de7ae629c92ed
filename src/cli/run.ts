import { type App, openApp } from "../app.ts";
import { installCrashRecord } from "../app/crash-handlers.ts";
import { configRedactor } from "../app/redaction.ts";
import type { Changes } from "../app/reload.ts";
import type { Config } from "../config/config.ts";
import { loadConfig, type LoadResult } from "../config/load.ts";
import { formatProblem, type Problem } from "../config/problem.ts";
import { once } from "../lib/abort.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Decode } from "../pipeline/ports.ts";
import type { Start } from "../state/starts.ts";
import { runtimeDirectory } from "../status/control-path.ts";
import { runningPart } from "../supervision/child-run.ts";
import type { SupervisorOutcome } from "../supervision/supervisor.ts";
import { readBootId } from "../systemd/boot-id.ts";
import {
  extendTimeout,
  type Notifier,
  notifyReady,
  notifyReloading,
  notifyStopping,
  openNotifier,
} from "../systemd/notify.ts";
import { tlsFindings } from "./check-tls.ts";
import { exitCode, type Io } from "./io.ts";
import { createLog, isForJournald } from "./logging.ts";
import { version } from "./version.ts";

export interface RunOptions {
  /** Path of flightline.toml. */
  readonly config: string;
  /** Takes the listener of SIGHUP. */
  readonly onHangup?: (listener: () => void) => void;
  /** Tests plant a decoder of their own. */
  readonly decode?: Decode;
}

/** For a journal of some GiB on a slow card. */
const openingMs = 300_000;

/**
 * libuv reads it when it first needs a thread. It looks up names on half of its threads, and a name for which no DNS
 * server answers holds one for half a minute: with four, two such names keep all others waiting, localhost too.
 */
const threads = "16";

/**
 * `flightline run`: the daemon. Ends on SIGTERM or SIGINT with 0, on a failed critical part with 1, 78 for a
 * bad configuration. SIGHUP: the configuration is read again.
 */
export async function runCommand(options: RunOptions, io: Io): Promise<number> {
  process.env["UV_THREADPOOL_SIZE"] ??= threads;
  const load = () => loadConfig({ file: options.config, env: io.env });
  const loaded = load();
  if (!loaded.ok) {
    io.err(loaded.problems.map(formatProblem).join(""));
    return exitCode.config;
  }
  const { config } = loaded;
  const known: KnownConfigs = { present: config, former: config };
  const environment = { isTerminal: io.isTerminal, underSystemd: io.env["JOURNAL_STREAM"] !== undefined };
  const log = createLog(config.log, environment);
  const start = thisStart();
  const { node } = config;
  log.info(`flightline ${version()} starts`, { node, pid: process.pid, node_js: process.version });
  tellTlsFindings(config, log);
  const notifier = openNotifier(io.env);
  extendTimeout(notifier, openingMs);
  const hooks = io.process;
  const crash =
    hooks &&
    installCrashRecord({
      dir: config.journal.dir,
      start,
      part: runningPart,
      redact: configRedactor(known),
      clock,
      isForJournald: isForJournald(config.log, environment),
      exit: (code) => {
        hooks.exit(code);
      },
    });
  try {
    const app = openApp({
      config,
      log,
      version: version(),
      runtimeDir: runtimeDirectory(io.env),
      start,
      notifier,
      recordCrash: crash?.record,
      decode: options.decode,
    });
    once(io.signal, () => {
      notifyStopping(notifier);
    });
    options.onHangup?.(() => {
      // The service manager has been told of a stop, which is not taken back.
      if (io.signal.aborted) return;
      // A rejection is a bug: it ends the process, as any other that nobody handles.
      void reload(app, load, log, notifier, known, io.signal);
    });
    const outcome = await app.run(io.signal, hooks?.urgent);
    return codeOf(outcome, hooks?.urgent.aborted === true, log);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.fault(error);
    return exitCode.failed;
  } finally {
    await notifier.close();
  }
}

/** Connections read the files again: what is wrong with one may be mended while we run. */
function tellTlsFindings(config: Config, log: Log): void {
  for (const { severity, fault, key } of tlsFindings(config, clock.nowMs())) {
    if (severity !== "note") log.fault(fault, { key });
  }
}

function thisStart(): Start {
  return {
    bootId: readBootId(),
    uptimeMs: clock.uptimeMs(),
    startedAtMs: clock.nowMs(),
    version: version(),
  };
}

function codeOf({ failure, stragglers }: SupervisorOutcome, isUrgent: boolean, log: Log): number {
  for (const part of stragglers) log.warn("did not end in time", { part });
  if (failure === undefined && isUrgent) {
    log.warn("stopped at once: what was under way stays in the journal");
    return exitCode.failed;
  }
  if (failure === undefined) {
    log.info("stopped");
    return exitCode.done;
  }
  return exitCode.failed;
}

/** The configurations whose secrets may stand in a crash. */
interface KnownConfigs {
  present: Config;
  former: Config;
}

/** A configuration with mistakes leaves everything as it is. */
async function reload(
  app: App,
  load: () => LoadResult,
  log: Log,
  notifier: Notifier,
  known: KnownConfigs,
  stop: AbortSignal,
): Promise<void> {
  notifyReloading(notifier);
  const loaded = load();
  if (loaded.ok) {
    known.former = known.present;
    known.present = loaded.config;
    const changes = await app.reload(loaded.config);
    // The daemon ends, and has told the service manager so.
    if (changes === undefined || stop.aborted) return;
    tellReloaded(changes, log);
    tellTlsFindings(loaded.config, log);
  } else app.refuseReload(rejectedFault(loaded.problems));
  notifyReady(notifier);
}

function tellReloaded({ added, changed, removed, delivery }: Changes, log: Log): void {
  const names = (sources: readonly { readonly name: string }[]): string | undefined =>
    sources.length === 0 ? undefined : sources.map(({ name }) => name).join(" ");
  const isNothing = added.length + changed.length + removed.length === 0 && !delivery;
  log.info(isNothing ? "read the configuration again: nothing has changed" : "reloaded the configuration", {
    added: names(added),
    changed: names(changed),
    removed: removed.length === 0 ? undefined : removed.join(" "),
    databases_and_tables: delivery ? "opened anew" : undefined,
  });
  for (const source of removed) {
    log.warn("the broker keeps what comes for a source that is gone, until its session expires", { source });
  }
}

function rejectedFault(problems: readonly Problem[]): Fault {
  const texts = problems.map((problem) => formatProblem(problem).trim().replaceAll(/\s+/g, " "));
  return new Fault({
    code: "reload_rejected",
    layer: "config",
    disposition: "drop",
    message: `the new configuration has mistakes, and the old one stays: ${texts.join("; ")}`,
    hint: "flightline check names each mistake with its file and line; then systemctl reload flightline",
  });
}
