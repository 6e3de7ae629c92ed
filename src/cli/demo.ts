import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, openApp } from "../app.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { sleep } from "../lib/abort.ts";
import { assert, Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import { parseDurationMs } from "../lib/units.ts";
import { type Account, takeAccount } from "../sandbox/account.ts";
import { MemoryLedger } from "../sandbox/ledger.ts";
import { type Sandbox, sandboxDatabase, startSandbox } from "../sandbox/sandbox.ts";
import type { Snapshot } from "../status/snapshot.ts";
import { total } from "../pipeline/counters.ts";
import { DemoScreen, introduction, summary } from "./demo-screen.ts";
import { type DemoCourse, type DemoResult, whyNoProof } from "./demo-verdict.ts";
import { describeFault } from "./describe-fault.ts";
import { exitCode, type Run } from "./io.ts";
import { isWithin, mistakeInTraffic } from "./traffic.ts";
import { version } from "./version.ts";

export interface DemoOptions {
  /** A duration; undefined: until interrupted. */
  readonly for: string | undefined;
  readonly devices: number;
  /** Between two uplinks of a device, as a duration. */
  readonly interval: string;
  /** One JSON line at the end and nothing else on standard output. */
  readonly json: boolean;
}

const refreshMs = 500;
const connectDeadlineMs = 15_000;
/** After the devices have stopped: time for what is still under way. */
const settleDeadlineMs = 20_000;
/** What the devices' PUBACKs say is with the broker: it must have got here, too. */
const quietMs = 1500;
/** A timer holds no more: 24 days and some hours. */
const longestDays = 24;

/**
 * `flightline demo`: broker, InfluxDB stand-in, devices and the daemon in one process and one temporary
 * folder. At the end the stand-in is read back over HTTP and compared with what the devices published.
 * Exit code 0 only when something was published and all of it is there, once and as it was.
 */
export const demoCommand: Run<DemoOptions> = async (options, io) => {
  const mistake = mistakeInTraffic(options) ?? mistakeInFor(options.for);
  if (mistake !== undefined) {
    io.err(`${mistake}\n`);
    return exitCode.usage;
  }
  const intervalMs = parseDurationMs(options.interval) ?? 0;
  const forMs = options.for === undefined ? undefined : parseDurationMs(options.for);
  const folder = await mkdtemp(join(tmpdir(), "flightline-demo-"));
  const report = (fault: Fault): void => {
    io.err(describeFault(fault));
  };
  try {
    const sandbox = await startSandbox({ mqttPort: 0, influxdbPort: 0, broker: true, report });
    try {
      const config = await demoConfig(folder, sandbox, io.env);
      const app = openApp({ config, log: demoLog(report), version: version() });
      const screen = options.json ? undefined : new DemoScreen(io);
      if (screen !== undefined) io.out(introduction(sandbox, options.devices));
      const played = await play(app, sandbox, { ...options, intervalMs, forMs }, screen, io.signal);
      const whyNot = whyNoProof(played.result, played.course);
      io.out(options.json ? `${JSON.stringify(played.result)}\n` : summary(played.result, whyNot));
      if (whyNot === undefined) return exitCode.done;
      if (options.json) io.err(`${whyNot}\n`);
      return exitCode.failed;
    } finally {
      await sandbox.stop();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    report(error);
    return exitCode.failed;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

function mistakeInFor(duration: string | undefined): string | undefined {
  if (duration === undefined) return undefined;
  const longestMs = longestDays * 86_400_000;
  if (isWithin(parseDurationMs(duration) ?? -1, 0, longestMs)) return undefined;
  return `--for: expected a duration such as "15s" or "2m", at most ${longestDays}d.`;
}

interface Play {
  readonly devices: number;
  readonly intervalMs: number;
  readonly forMs: number | undefined;
}

async function play(
  app: App,
  sandbox: Sandbox,
  { devices: count, intervalMs, forMs }: Play,
  screen: DemoScreen | undefined,
  interrupted: AbortSignal,
): Promise<{ readonly result: DemoResult; readonly course: DemoCourse }> {
  const stop = new AbortController();
  const running = app.run(stop.signal);
  const ledger = new MemoryLedger();
  let last: Snapshot;
  let course: DemoCourse = { isConnected: false, isSettled: false };
  try {
    const connected = (): boolean => app.snapshot().sources.every(({ state }) => state === "connected");
    if (await until(connected, connectDeadlineMs)) {
      const devices = sandbox.startDevices({ count, intervalMs, ledger });
      const end =
        forMs === undefined ? interrupted : AbortSignal.any([interrupted, AbortSignal.timeout(forMs)]);
      while (!end.aborted) {
        await sleep(refreshMs, end);
        screen?.draw(ledger.publishedCount, app.snapshot());
      }
      screen?.say(
        `\nThe devices stop. Waiting for what is under way, at most ${settleDeadlineMs / 1000} s …\n`,
      );
      await devices.stop();
      const isSettled = await until(settledFor(quietMs, app), settleDeadlineMs);
      course = { isConnected: true, isSettled };
    }
    last = app.snapshot();
    screen?.draw(ledger.publishedCount, last);
  } finally {
    stop.abort(new Error("the demo is over"));
    await running;
  }
  const { failure } = await running;
  if (failure !== undefined) throw failure.error;
  const database = { influxUrl: sandbox.influxdb.url, database: sandboxDatabase };
  return { result: demoResult(ledger, last, await takeAccount(ledger.entries(), database)), course };
}

/** True when nothing new has come for a while and nothing of what came is waiting any more. */
function settledFor(ms: number, app: App): () => boolean {
  let committed = -1;
  let sinceMs = 0;
  return () => {
    const { counters, journal } = app.snapshot();
    const isQuiet = journal.waiting === 0 && journal.backlog === 0 && counters.committed === committed;
    committed = counters.committed;
    if (!isQuiet) sinceMs = performance.now();
    return isQuiet && performance.now() - sinceMs >= ms;
  };
}

function demoResult(
  ledger: MemoryLedger,
  { counters, journal, latencyMs }: Snapshot,
  account: Account,
): DemoResult {
  return {
    published: ledger.publishedCount,
    journalled: journal.lastSeq,
    written: account.written,
    quarantined: total(counters.quarantined),
    lost: account.lost,
    altered: account.altered,
    invented: account.invented,
    duplicates: account.duplicates,
    p99_ms: Math.round(latencyMs.p99 ?? 0),
  };
}

/** Whether it came true before the deadline. */
async function until(condition: () => boolean, deadlineMs: number): Promise<boolean> {
  const deadline = AbortSignal.timeout(deadlineMs);
  while (!condition()) {
    if (deadline.aborted) return false;
    await sleep(50, deadline);
  }
  return true;
}

/** The demo's daemon reads a file like any other, so that the demo shows what a user would get. */
async function demoConfig(folder: string, sandbox: Sandbox, env: NodeJS.ProcessEnv): Promise<Config> {
  const file = join(folder, "flightline.toml");
  await writeFile(
    file,
    `[[mqtt]]
url = "${sandbox.mqttUrl}"
[influxdb]
url = "${sandbox.influxdb.url}"
database = "${sandboxDatabase}"
[journal]
dir = "journal"
[clock]
ntp = "ignore"
`,
  );
  const loaded = loadConfig({ file, env });
  assert(
    loaded.ok,
    `the demo's own configuration is wrong:\n${loaded.ok ? "" : loaded.problems.map(formatProblem).join("")}`,
  );
  return loaded.config;
}

/** Only what a person should know; the rest is on the screen. */
function demoLog(report: (fault: Fault) => void): Log {
  const silent = (): void => undefined;
  return { debug: silent, info: silent, warn: silent, error: silent, fault: report };
}
