/**
 * `flightline doctor`: looks at everything that Flightline needs here, and says of each thing whether it is well,
 * or what is wrong and what to do about it. It takes nothing from a daemon that runs, and leaves nothing behind.
 */
import type { Config } from "../config/config.ts";
import { loadConfig, type LoadResult } from "../config/load.ts";
import { filesOf } from "../config/named-files.ts";
import { examineAccess } from "../doctor/configuration-access.ts";
import { examineConfiguration, type TlsRemark } from "../doctor/configuration.ts";
import { examineDaemon, type Judgement } from "../doctor/daemon.ts";
import { type DoctorLimits, type Part, runDoctor } from "../doctor/doctor.ts";
import { partsOf, type PartsDeps } from "../doctor/parts.ts";
import { type Shown, summarise } from "../doctor/verdict.ts";
import { once } from "../lib/abort.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { errorCode } from "../lib/fault.ts";
import { defined } from "../lib/schema.ts";
import type { StatusAnswer } from "../status/control-client.ts";
import type { DaemonStatus } from "../status/daemon-status.ts";
import { problemOf, tlsFindings } from "./check-tls.ts";
import { DoctorScreen, type ScreenOptions } from "./doctor-screen.ts";
import { exitCode, type Io } from "./io.ts";
import { harmless } from "./mapping-layout.ts";
import { type FindOptions, findStatus, type Place, placesOf } from "./status-find.ts";
import { colours, noColours } from "./status-layout.ts";
import { verdictOf } from "./status-verdict.ts";
import { version } from "./version.ts";

export interface DoctorOptions extends Omit<FindOptions, "socket"> {
  readonly json: boolean;
  /** Of the terminal, where there is one. */
  readonly columns: number | undefined;
}

export interface DoctorDeps {
  /** Undefined: the configuration could not be loaded. */
  readonly partsOf: (config: Config | undefined, deps: PartsDeps) => readonly Part[];
  readonly limits?: DoctorLimits;
}

/**
 * libuv reads it when it first needs a thread. It looks up names on half of its threads, and a name for which no
 * DNS server answers holds one for half a minute: with four, two such names have all others wait, localhost too.
 */
const threads = "64";

/** Exit code: done without a failure, failed with one, config where the configuration cannot be loaded. */
export async function doctorCommand(
  options: DoctorOptions,
  io: Io,
  deps: DoctorDeps = { partsOf },
): Promise<number> {
  const startedMs = clock.uptimeMs();
  process.env["UV_THREADPOOL_SIZE"] ??= threads;
  const screen = new DoctorScreen(lookFor(options, io));
  // Whoever asks twice does not want to wait for a part that does not stop.
  const { process: hooks } = io;
  const forget = hooks === undefined ? undefined : once(hooks.urgent, () => hooks.exit(exitCode.failed));
  try {
    const loaded = loadConfig({ file: options.config, env: io.env });
    const found = await runDoctor({
      parts: allParts(loaded, options, io, deps),
      show: (finding, id) => options.json || screen.show(finding, id),
      wait: (titles) => options.json || screen.wait(titles),
      signal: io.signal,
      ...defined({ limits: deps.limits }),
    });
    const tookMs = clock.uptimeMs() - startedMs;
    const summary = summarise(found);
    if (options.json) sayJson(found, summary.failures === 0, tookMs, io);
    else screen.end(summary, tookMs);
    if (!loaded.ok) return exitCode.config;
    return summary.failures === 0 ? exitCode.done : exitCode.failed;
  } catch (error) {
    screen.clear();
    if (!io.signal.aborted || error !== io.signal.reason) throw error;
    // The reader of the pipe may have gone: then there is nobody to tell.
    if (errorCode(error) !== "EPIPE") io.err("interrupted: not everything has been looked at\n");
    return exitCode.failed;
  } finally {
    forget?.();
  }
}

function allParts(loaded: LoadResult, options: DoctorOptions, { env }: Io, deps: DoctorDeps): Part[] {
  const { config: file, serviceSocket } = options;
  const config = loaded.ok ? loaded.config : undefined;
  const { places } = placesOf({ ...options, socket: undefined }, env);
  // A configuration that cannot be loaded names no place: then the service is the one that is meant.
  const ask = askerOf(places.length > 0 ? places : [{ path: serviceSocket, dataDir: undefined }]);
  const remarks = config === undefined ? [] : remarksOn(config, file);
  const dataDir = config?.journal.dir;
  const daemon = examineDaemon({ ask, judge: judgementOf, version: version(), dataDir });
  return [
    {
      id: "configuration",
      title: "configuration",
      examine: examineConfiguration(
        file,
        loaded,
        remarks,
        async (signal) => await examineAccess({ mainFile: file, files: filesOf(file, env) }, signal),
      ),
    },
    { id: "daemon", title: "daemon", examine: daemon },
    ...deps.partsOf(config, {
      // What cannot be said of it is the daemon part's to tell.
      daemon: async (signal) =>
        await ask(signal).then(
          ({ status }) => status,
          () => undefined,
        ),
    }),
  ];
}

/** The parts have one signal, and one answer between them. */
function askerOf(places: readonly Place[]): (signal: AbortSignal) => Promise<StatusAnswer> {
  let answer: Promise<StatusAnswer> | undefined;
  return async (signal) => await (answer ??= findStatus(places, { signal }));
}

/** As `flightline check` sees the TLS files. */
function remarksOn(config: Config, file: string): TlsRemark[] {
  return tlsFindings(config, clock.nowMs()).map((finding) => ({
    severity: finding.severity,
    problem: problemOf(finding, file),
    code: finding.fault.code,
  }));
}

/** As `flightline status` judges. */
function judgementOf(status: DaemonStatus): Judgement {
  const verdict = verdictOf(status);
  if (verdict.kind === "trouble") return { causes: verdict.causes, doubts: [] };
  return { causes: [], doubts: verdict.kind === "well" ? verdict.doubts : [verdict.cause] };
}

function sayJson(findings: readonly Shown[], ok: boolean, tookMs: number, io: Io): void {
  io.out(`${harmless(JSON.stringify({ ok, tookMs: Math.round(tookMs), findings }))}\n`);
}

function lookFor({ columns }: DoctorOptions, io: Io): ScreenOptions {
  const out = (text: string): void => io.out(text);
  if (!io.isTerminal) return { out, paint: noColours, width: undefined, canErase: false };
  const isDumb = io.env["TERM"] === "dumb";
  // https://no-color.org
  const isPlain = isDumb || (io.env["NO_COLOR"] ?? "") !== "";
  // 0 is what a terminal says that has never been told its size.
  return { out, paint: isPlain ? noColours : colours, width: columns || 80, canErase: !isDumb };
}
