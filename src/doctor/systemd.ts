/**
 * What systemd does for Flightline on this machine, the clock, and the neighbours that systemd runs too. It only
 * asks: no unit is started, stopped or read anew.
 */
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import type { DaemonStatus } from "../status/daemon-status.ts";
import { clockSyncProbe } from "../systemd/clock-sync.ts";
import type { ClockConfig } from "../systemd/config.ts";
import { readUnits } from "../systemd/units.ts";
import type { Examination, Finding } from "./finding.ts";
import { shownSpan } from "./lines.ts";
import { accountNames } from "./journal-directory.ts";
import { judgeUnitDirectory, settingPaths } from "./systemd-directory.ts";
import { judgeSettings } from "./systemd-settings.ts";
import { type Shown, showUnit } from "./systemd-show.ts";
import { judgeLoad, judgeNeighbours, judgeUnit, needsHere } from "./systemd-state.ts";

export interface SystemdDeps {
  /** What a running daemon says of itself; undefined where none answers. Never rejects. */
  readonly daemon: (signal: AbortSignal) => Promise<DaemonStatus | undefined>;
  /** `[journal] dir`. */
  readonly dataDir: string;
  readonly clock: ClockConfig;
  /** URLs. */
  readonly peers: { readonly brokers: readonly string[]; readonly databases: readonly string[] };
  /** Instead of the program of that name in PATH. */
  readonly systemctl?: string;
  /** sd_booted(3). */
  readonly bootedDir?: string;
  readonly persistentLogDir?: string;
  readonly isClockSynchronised?: () => boolean | undefined;
}

const serviceUnit = "flightline.service";

export function examineSystemd(deps: SystemdDeps): Examination {
  return async (report, signal) => {
    report(judgeClock((deps.isClockSynchronised ?? clockSyncProbe())(), deps.clock));
    if (!(await exists(deps.bootedDir ?? "/run/systemd/system"))) {
      report({
        check: "systemd.unit",
        severity: "skipped",
        text: "this machine is not run by systemd: whoever starts flightline must start it again when it ends",
      });
      return;
    }
    const answer = await deps.daemon(signal);
    const daemon = answer?.dataDir === deps.dataDir ? answer : undefined;
    const unit = daemon?.units?.find(({ isOurs }) => isOurs)?.unit ?? serviceUnit;
    if (signal.aborted) return;
    const shown = await showUnit(unit, signal, { systemctl: deps.systemctl });
    if (signal.aborted) return;
    if ("why" in shown) {
      const text = `not tried: systemctl show ${unit}: ${shown.why}`;
      report({ check: "systemd.unit", severity: "skipped", text, hint: "run this command with sudo" });
    } else {
      await examineUnit(shown.shown, daemon, deps, report);
    }
    await examineNeighbours(deps, report, signal);
  };
}

type Report = (finding: Finding) => void;

async function examineUnit(
  shown: Shown,
  daemon: DaemonStatus | undefined,
  { dataDir, persistentLogDir = "/var/log/journal" }: SystemdDeps,
  report: Report,
): Promise<void> {
  const unloaded = judgeLoad(shown, daemon?.pid);
  if (unloaded !== undefined) {
    report(unloaded);
    return;
  }
  const context = {
    uptimeMs: systemClock.uptimeMs(),
    daemonPid: daemon?.pid,
    starts: daemon?.starts ?? [],
  };
  const state = judgeUnit(shown, context);
  for (const finding of [...state, ...judgeSettings(shown)]) report(finding);
  const found = await stat(dataDir).catch(() => undefined);
  const owner = found === undefined ? undefined : (await accountNames())(found.uid);
  const realPaths = await realPathsOf([dataDir, ...settingPaths(shown)]);
  report(judgeUnitDirectory(shown, { dataDir, owner, ownerId: found?.uid, realPaths }));
  // Only where there is something to look up in it.
  if (state.every(({ severity }) => severity === "ok") || (await exists(persistentLogDir))) return;
  report({
    check: "systemd.log",
    severity: "warning",
    text: "the log is kept in memory only: why flightline ended is forgotten at the next restart of the machine",
    hint: `sudo mkdir -p ${persistentLogDir} && sudo systemctl restart systemd-journald, if the flash can bear it`,
  });
}

async function realPathsOf(paths: readonly string[]): Promise<Map<string, string>> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await realPathOf(path)] as const)));
}

/** Also of one that is not there yet. */
async function realPathOf(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined || path === dirname(path)) return real ?? path;
  return join(await realPathOf(dirname(path)), basename(path));
}

async function examineNeighbours(deps: SystemdDeps, report: Report, signal: AbortSignal): Promise<void> {
  const { systemctl } = deps;
  const units = await readUnits(signal, systemctl === undefined ? {} : { systemctl });
  if (signal.aborted) return;
  if (units === undefined) {
    report({
      check: "systemd.neighbours",
      severity: "skipped",
      text: "not tried: systemctl does not answer",
      hint: "run this command with sudo",
    });
    return;
  }
  for (const finding of judgeNeighbours(units, needsHere(deps.peers), systemClock.uptimeMs()))
    report(finding);
}

/** Pure. */
export function judgeClock(isSynchronised: boolean | undefined, { ntp, patienceMs }: ClockConfig): Finding {
  const check = "systemd.clock";
  if (isSynchronised === undefined) {
    return {
      check,
      severity: "skipped",
      text: "not tried: the kernel cannot be asked for the state of its clock",
    };
  }
  if (isSynchronised) return { check, severity: "ok", text: "the clock is synchronised" };
  if (ntp === "ignore") {
    return {
      check,
      severity: "ok",
      text: 'the clock is not synchronised, which [clock] ntp = "ignore" takes as it is',
    };
  }
  return {
    check,
    severity: "warning",
    text: `the clock is not synchronised: what has no time of GPS waits up to ${shownSpan(patienceMs)} before it is written`,
    hint: 'timedatectl; sudo apt-get install systemd-timesyncd; without a network, set [clock] ntp = "ignore"',
  };
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
