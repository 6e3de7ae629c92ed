/** How the unit and its neighbours are: running, stopped, in a restart loop. Pure. */
import { isLoopback } from "../net/loopback.ts";
import { urlHost } from "../net/url-host.ts";
import type { StartStatus } from "../status/daemon-status.ts";
import type { Unit } from "../systemd/units.ts";
import type { Finding } from "./finding.ts";
import { shownSpan } from "./lines.ts";
import type { Shown } from "./systemd-show.ts";

/** A restart that is longer ago is history. */
const recentMs = 24 * 3_600_000;

export interface UnitContext {
  /** Since boot. */
  readonly uptimeMs: number;
  /** Of the daemon of this configuration that answers, wherever it was started. */
  readonly daemonPid: number | undefined;
  /** Newest first, by the daemon. */
  readonly starts: readonly StartStatus[];
}

/** Undefined: the unit is known to systemd. `daemonPid`: as in `UnitContext`. */
export function judgeLoad(
  { Id, LoadState }: Shown,
  daemonPid: UnitContext["daemonPid"],
): Finding | undefined {
  const check = "systemd.unit";
  if (LoadState === "loaded") return undefined;
  if (LoadState === "not-found" && daemonPid !== undefined) {
    // The manager of a user, a container's, or a shell: it cannot be told from here, and may be meant.
    const text = `${Id} is not installed; the daemon that answers (pid ${daemonPid}) was started by something else, which must start it again when it ends`;
    return { check, severity: "skipped", text };
  }
  if (LoadState === "not-found") {
    const text = `${Id} is not installed: nothing starts flightline at boot, and nobody watches it`;
    return {
      check,
      severity: "warning",
      text,
      hint: "sudo ./scripts/install in a checkout; docs/systemd.md",
    };
  }
  if (LoadState === "masked") {
    const text = `${Id} is masked: systemd refuses to start it`;
    return { check, severity: "failure", text, hint: `sudo systemctl unmask ${Id}` };
  }
  const text = `${Id} cannot be loaded (${LoadState})`;
  return { check, severity: "failure", text, hint: `systemd-analyze verify ${Id} names the line` };
}

export function judgeUnit(shown: Shown, context: UnitContext): Finding[] {
  const findings = [judgeActive(shown, context), ...judgeEnabled(shown)];
  if (shown.NeedDaemonReload !== "yes") return findings;
  const text = "its files have changed since systemd read them: what is said of it here is the old state";
  return [
    ...findings,
    { check: "systemd.files", severity: "warning", text, hint: "sudo systemctl daemon-reload" },
  ];
}

function judgeActive(shown: Shown, context: UnitContext): Finding {
  const check = "systemd.unit";
  const { Id, ActiveState, SubState, Result } = shown;
  const restarts = Number(shown.NRestarts) || 0;
  const figures = { unit: Id, activeState: ActiveState, subState: SubState, result: Result, restarts };
  const look = `journalctl -u ${Id} -n 50`;
  if (ActiveState === "failed") return { check, severity: "failure", ...failedText(shown), figures };
  if (SubState.startsWith("auto-restart")) {
    const text = `${Id} ended (${exitText(shown)}) and waits for its ${ordinal(restarts + 1)} restart`;
    return { check, severity: "failure", text, hint: look, figures };
  }
  if (ActiveState === "inactive") {
    const others =
      context.daemonPid === undefined
        ? ""
        : `; the daemon that answers (pid ${context.daemonPid}) was started by hand`;
    const text = `${Id} is stopped${others}`;
    const hint =
      context.daemonPid === undefined
        ? `sudo systemctl enable --now ${Id}`
        : "only systemd starts it again after a crash";
    return { check, severity: "warning", text, hint, figures };
  }
  const isOther = context.daemonPid !== undefined && String(context.daemonPid) !== shown.MainPID;
  if (ActiveState === "active" && isOther) {
    const text = `${Id} runs as pid ${shown.MainPID}, and the daemon of this configuration is another one, pid ${context.daemonPid}`;
    return {
      check,
      severity: "warning",
      text,
      hint: `systemctl cat ${Id} shows which configuration is the unit's`,
      figures,
    };
  }
  if (ActiveState !== "active") {
    return { check, severity: "warning", text: `${Id} is ${ActiveState} (${SubState})`, hint: look, figures };
  }
  return judgeRestarts(shown, context, restarts, figures);
}

function judgeRestarts(
  shown: Shown,
  { uptimeMs, starts }: UnitContext,
  restarts: number,
  figures: NonNullable<Finding["figures"]>,
): Finding {
  const check = "systemd.unit";
  const agoMs = Math.max(0, uptimeMs - Number(shown.ExecMainStartTimestampMonotonic) / 1000);
  const since = `active for ${shownSpan(agoMs)}`;
  if (restarts === 0)
    return { check, severity: "ok", text: `${shown.Id} is ${since}, never restarted`, figures };
  const count = restarts === 1 ? "once" : `${restarts} times`;
  const text = `${shown.Id} is ${since}, restarted ${count} by systemd since somebody started it${endText(starts)}`;
  const hint = `journalctl -u ${shown.Id} -p warning, and flightline status --all for the runs before this one`;
  return { check, severity: agoMs < recentMs ? "warning" : "ok", text, hint, figures };
}

/** systemd forgets why, once the next run has begun: the daemon has kept it. */
function endText([last]: readonly StartStatus[]): string {
  if (last === undefined || last.end === "clean") return "";
  if (last.end === "unknown") return "; the run before was killed";
  return `; the run before crashed${last.part === undefined ? "" : ` in the part ${last.part}`}`;
}

function failedText(shown: Shown): Pick<Finding, "text" | "hint"> {
  const { Id, Result, ExecMainStatus, ExecMainCode } = shown;
  if (ExecMainCode === "1" && ExecMainStatus === "78") {
    const text = `${Id} has failed: its configuration has mistakes (exit status 78)`;
    return { text, hint: `sudo flightline check, then: sudo systemctl restart ${Id}` };
  }
  if (Result === "start-limit-hit") {
    const text = `${Id} has failed: it was started too often, and systemd has given up`;
    return { text, hint: `sudo systemctl reset-failed ${Id}; journalctl -u ${Id} tells why it ended` };
  }
  return { text: `${Id} has failed (${exitText(shown)})`, hint: `journalctl -u ${Id} -n 50` };
}

/** "watchdog", "exit-code: status 1", "signal: 9". The codes are those of SIGCHLD, sigaction(2). */
function exitText({ Result, ExecMainCode, ExecMainStatus }: Shown): string {
  if (Result === "exit-code") return `exit status ${ExecMainStatus}`;
  if (ExecMainCode === "2" || ExecMainCode === "3") return `${Result}, signal ${ExecMainStatus}`;
  return Result;
}

function ordinal(count: number): string {
  const ending = { one: "st", two: "nd", few: "rd", other: "th", zero: "th", many: "th" };
  return `${count}${ending[new Intl.PluralRules("en", { type: "ordinal" }).select(count)]}`;
}

function judgeEnabled({ Id, UnitFileState }: Shown): Finding[] {
  if (UnitFileState !== "disabled") return [];
  const text = `${Id} is not enabled: it does not start at boot`;
  return [{ check: "systemd.enabled", severity: "warning", text, hint: `sudo systemctl enable ${Id}` }];
}

/** Which neighbours the configuration needs on this machine. */
export interface NeedsHere {
  readonly broker: boolean;
  readonly database: boolean;
}

/** By the URLs of the sources and of the databases. */
export function needsHere(peers: {
  readonly brokers: readonly string[];
  readonly databases: readonly string[];
}): NeedsHere {
  return { broker: peers.brokers.some(isHere), database: peers.databases.some(isHere) };
}

function isHere(url: string): boolean {
  return URL.canParse(url) && isLoopback(urlHost(url));
}

/** One that is stopped and that nobody needs here is not worth a line. */
export function judgeNeighbours(units: readonly Unit[], needs: NeedsHere, uptimeMs: number): Finding[] {
  const findings = units
    .filter(({ role }) => role !== "own")
    .flatMap((unit) => judgeNeighbour(unit, isNeeded(unit, units, needs), uptimeMs) ?? []);
  if (findings.length > 0) return findings;
  const text = "neither mosquitto nor ChirpStack nor InfluxDB runs here as a unit of systemd";
  return [{ check: "systemd.neighbours", severity: "skipped", text }];
}

/** Of several for one role, as of InfluxDB 1 beside 3, one that runs is enough. */
function isNeeded(unit: Unit, units: readonly Unit[], needs: NeedsHere): boolean {
  const isRole = (unit.role === "broker" && needs.broker) || (unit.role === "database" && needs.database);
  return isRole && !units.some(({ role, activeState }) => role === unit.role && activeState === "active");
}

function judgeNeighbour(unit: Unit, isNeeded: boolean, uptimeMs: number): Finding | undefined {
  const { name, activeState, subState, result, restarts } = unit;
  const check = `systemd.neighbour.${name.replace(/\.service$/, "")}`;
  const figures = { unit: name, activeState, subState, result, restarts };
  const severity = isNeeded ? "failure" : "warning";
  const hint = `journalctl -u ${name} -n 50`;
  const agoMs = unit.sinceUptimeMs === undefined ? undefined : Math.max(0, uptimeMs - unit.sinceUptimeMs);
  if (activeState === "failed")
    return { check, severity, text: `${name} has failed (${result})`, hint, figures };
  if (subState.startsWith("auto-restart")) {
    const text = `${name} is started again and again: ${restarts} restarts, ${result} the last time`;
    return { check, severity, text, hint, figures };
  }
  if (activeState === "active") {
    const since = agoMs === undefined ? "" : ` for ${shownSpan(agoMs)}`;
    const count =
      restarts === 0 ? "" : `, restarted ${restarts === 1 ? "once" : `${restarts} times`} by systemd`;
    const isRecent = restarts > 0 && (agoMs ?? 0) < recentMs;
    const text = `${name} is active${since}${count}`;
    return { check, severity: isRecent ? "warning" : "ok", text, ...(isRecent ? { hint } : {}), figures };
  }
  if (!isNeeded) return undefined;
  const text = `${name} is ${activeState}, and the configuration names a ${unit.role} on this machine`;
  // It may run in a container.
  return { check, severity: "warning", text, hint: `sudo systemctl enable --now ${name}`, figures };
}
