/**
 * Is a daemon running, and what does it say of itself? Asked over its control socket, as `flightline status` does;
 * nothing of it is opened or locked.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, Fault } from "../lib/fault.ts";
import type { StatusAnswer } from "../status/control-client.ts";
import type { DaemonStatus } from "../status/daemon-status.ts";
import type { Examination, Finding } from "./finding.ts";

/** Something that the daemon complains of. */
export interface Complaint {
  readonly message: string;
  readonly code: string | undefined;
  readonly hint: string | undefined;
}

/** What `flightline status` makes of a status, lowest layer first. */
export interface Judgement {
  readonly causes: readonly Complaint[];
  /** The work goes on all the same. */
  readonly doubts: readonly Complaint[];
}

export interface DaemonDeps {
  /** Rejects with the signal's reason or a Fault: daemon_absent, or what is wrong where there is one. */
  readonly ask: (signal: AbortSignal) => Promise<Pick<StatusAnswer, "status">>;
  readonly judge: (status: DaemonStatus) => Judgement;
  /** Of this command. */
  readonly version: string;
  /** `[journal] dir`; undefined where the configuration cannot be loaded. */
  readonly dataDir: string | undefined;
}

/** `flightline status` shows as many. */
const maxComplaints = 4;
const startHint = "start it: sudo systemctl start flightline; if it ends again, see journalctl -u flightline";

export function examineDaemon({ ask, judge, version, dataDir }: DaemonDeps): Examination {
  return async (report, signal) => {
    let status: DaemonStatus;
    try {
      ({ status } = await ask(signal));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      report(error.code === "daemon_absent" ? await absent(error, dataDir) : unheard(error));
      return;
    }
    report(running(status));
    if (status.version !== version) report(otherVersion(status.version, version));
    for (const finding of complaints(judge(status))) report(finding);
  };
}

function running({ version, pid, uptimeMs, node, dataDir }: DaemonStatus): Finding {
  return {
    check: "daemon.running",
    severity: "ok",
    text: `flightline ${version} has been running for ${roughly(uptimeMs)}, pid ${pid}, node ${node}`,
    figures: { version, pid, uptimeMs, node, dataDir },
  };
}

async function absent(fault: Fault, dataDir: string | undefined): Promise<Finding> {
  const check = "daemon.running";
  const { code, message } = fault;
  switch (dataDir === undefined ? "unknown" : await hasRunIn(dataDir)) {
    case "never":
      return { check, severity: "skipped", text: "no daemon runs, and none has run here before" };
    case "before":
      return {
        check,
        severity: "warning",
        text: `no daemon runs, and one has before: its journal is in ${dataDir ?? ""}`,
        hint: startHint,
        code,
      };
    default:
      return { check, severity: "skipped", text: message, hint: startHint, code };
  }
}

/** Not every user may look. */
async function hasRunIn(dataDir: string): Promise<"before" | "never" | "unknown"> {
  try {
    await stat(join(dataDir, "journal.db"));
    return "before";
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "never" : "unknown";
  }
}

/** One is there: where only this user may not ask it, nothing is wrong with it. */
function unheard({ code, message, hint }: Fault): Finding {
  const severity = code === "control_forbidden" ? "warning" : "failure";
  return { check: "daemon.running", severity, text: message, hint, code };
}

function otherVersion(running: string, ours: string): Finding {
  return {
    check: "daemon.version",
    severity: "warning",
    text: `the daemon that runs is flightline ${running}, and this command is ${ours}`,
    hint: "after an update: sudo systemctl restart flightline; nothing is lost by that",
    figures: { running, ours },
  };
}

function complaints({ causes, doubts }: Judgement): Finding[] {
  const check = "daemon.troubles";
  if (causes.length + doubts.length === 0)
    return [{ check, severity: "ok", text: "it has nothing to complain of" }];
  const all = [
    ...causes.map((cause): Finding => ({ check, severity: "failure", ...said(cause) })),
    ...doubts.map((doubt): Finding => ({ check, severity: "warning", ...said(doubt) })),
  ];
  const left = all.length - maxComplaints;
  if (left <= 0) return all;
  const severity = causes.length > maxComplaints ? "failure" : "warning";
  const text = `it complains of ${left} more`;
  return [
    ...all.slice(0, maxComplaints),
    { check, severity, text, hint: "flightline status --all shows them", figures: { left } },
  ];
}

function said({ message, code, hint }: Complaint): Pick<Finding, "text" | "hint" | "code"> {
  return { text: `it says: ${message}`, hint, code };
}

/** In the largest unit of which there are two: "90 s", "100 min", "30 h", "3 days". */
function roughly(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
