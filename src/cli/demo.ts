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
import { type DemoResult, DemoScreen, introduction, summary } from "./demo-screen.ts";
import { exitCode, type Run } from "./io.ts";

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

/**
 * `flightline demo`: broker, InfluxDB stand-in, devices and the daemon in one process and one temporary
 * folder. At the end the stand-in is read back over HTTP and compared with what the devices published.
 * Exit code 0 only when nothing was lost, altered, invented or doubled.
 */
export const demoCommand: Run<DemoOptions> = async (options, io) => {
  const intervalMs = parseDurationMs(options.interval);
  const forMs = options.for === undefined ? undefined : parseDurationMs(options.for);
  if (intervalMs === undefined || (options.for !== undefined && forMs === undefined)) {
    io.err("--interval and --for take a duration such as 500ms, 15s or 2m\n");
    return exitCode.usage;
  }
  const folder = await mkdtemp(join(tmpdir(), "flightline-demo-"));
  const report = (fault: Fault): void => {
    io.err(`${fault.message}\n    ${fault.hint ?? ""}\n`);
  };
  try {
    const sandbox = await startSandbox({ mqttPort: 0, influxdbPort: 0, broker: true, report });
    try {
      const config = await demoConfig(folder, sandbox, io.env);
      const app = openApp({ config, log: demoLog(report) });
      const screen = options.json ? undefined : new DemoScreen(io);
      if (screen !== undefined) io.out(introduction(sandbox, options.devices));
      const result = await play(app, sandbox, { ...options, intervalMs, forMs }, screen, io.signal);
      io.out(options.json ? `${JSON.stringify(result)}\n` : summary(result));
      const isRight = result.lost + result.altered + result.invented + result.duplicates === 0;
      return isRight ? exitCode.done : exitCode.failed;
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
): Promise<DemoResult> {
  const stop = new AbortController();
  const running = app.run(stop.signal);
  const ledger = new MemoryLedger();
  let last: Snapshot;
  try {
    await until(() => app.snapshot().sources.every(({ state }) => state === "connected"), connectDeadlineMs);
    const devices = sandbox.startDevices({ count, intervalMs, ledger });
    const end =
      forMs === undefined ? interrupted : AbortSignal.any([interrupted, AbortSignal.timeout(forMs)]);
    while (!end.aborted) {
      await sleep(refreshMs, end);
      screen?.draw(ledger.publishedCount, app.snapshot());
    }
    await devices.stop();
    await until(() => isSettled(app.snapshot(), ledger), settleDeadlineMs);
    last = app.snapshot();
    screen?.draw(ledger.publishedCount, last);
  } finally {
    stop.abort(new Error("the demo is over"));
    await running;
  }
  const { failure } = await running;
  if (failure !== undefined) throw failure.error;
  const database = { influxUrl: sandbox.influxdb.url, database: sandboxDatabase };
  return demoResult(ledger, last, await takeAccount(ledger.entries(), database));
}

/** Everything that the broker took has come, and nothing of it is waiting any more. */
function isSettled({ counters, journal }: Snapshot, ledger: MemoryLedger): boolean {
  const uplinks = counters.written + counters.duplicates;
  return uplinks >= ledger.acknowledgedCount && journal.waiting === 0 && journal.backlog === 0;
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

async function until(condition: () => boolean, deadlineMs: number): Promise<void> {
  const deadline = AbortSignal.timeout(deadlineMs);
  while (!condition() && !deadline.aborted) await sleep(50, deadline);
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
