/**
 * How long a commit takes on this disk: 4 KiB and an fsync in the directory itself, in a process of its own, so
 * that neither what else is examined falsifies it nor a disk that hangs can hold the doctor up.
 */
import { spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { commitDueInMs, groupCountFor } from "../journal/commit-policy.ts";
import { afterDelay, once, settledWithin } from "../lib/abort.ts";
import { errorCode } from "../lib/fault.ts";
import type { Finding } from "./finding.ts";
import { median, roundedMs, shownMs } from "./lines.ts";

const maxCount = 20;
const budgetMs = 2000;
/** One fsync may take longer than the budget. */
const stepMs = 5000;
/** The most for the process to remove its file once nobody listens; on a disk that hangs it does so later. */
const leaveMs = 1000;

export interface FsyncRun {
  readonly tookMs: readonly number[];
  /**
   * "ended": as it should; "late": an fsync did not return in time; else what the process said when it
   * failed, or the signal that ended it.
   */
  readonly end: "ended" | "late" | "aborted" | { readonly failed: string } | { readonly killedBy: string };
}

interface FsyncOptions {
  readonly stepMs?: number;
  /** Tests put a slow one in its place. */
  readonly program?: string;
}

/**
 * Waits for nothing that a disk can hold up. The file that is made goes with the process, also when the disk comes
 * back after all; only one that was killed leaves it, to the next one.
 */
export async function measureFsync(
  dir: string,
  signal: AbortSignal,
  options: FsyncOptions = {},
): Promise<FsyncRun> {
  if (signal.aborted) return { tookMs: [], end: "aborted" };
  const late = new AbortController();
  const stopWaiting = afterDelay(options.stepMs ?? stepMs, () => late.abort());
  try {
    const limit = AbortSignal.any([signal, late.signal]);
    const run = await runProcess(options.program ?? ownProgram(), dir, limit);
    return run.end === "aborted" && !signal.aborted ? { ...run, end: "late" } : run;
  } finally {
    stopWaiting();
  }
}

/** The same file in src and in dist, as what this one is: TypeScript or JavaScript. */
function ownProgram(): string {
  return fileURLToPath(new URL(`./journal-fsync-process${extname(import.meta.filename)}`, import.meta.url));
}

async function runProcess(program: string, dir: string, limit: AbortSignal): Promise<FsyncRun> {
  const args = [program, dir, String(maxCount), String(budgetMs)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const { promise, resolve } = Promise.withResolvers<FsyncRun["end"]>();
  let said = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(0, 10_000);
  });
  child.on("error", (error) => {
    resolve({ failed: errorCode(error) ?? "it cannot be started" });
  });
  child.on("close", (code, killedBy) => {
    if (limit.aborted) resolve("aborted");
    else if (killedBy !== null) resolve({ killedBy });
    else
      resolve(
        code === 0 ? "ended" : { failed: /\bE[A-Z0-9]{2,}\b/.exec(complaint)?.[0] ?? "it ended early" },
      );
  });
  const stopListening = once(limit, () => {
    // Not killed, which would leave its file: it ends when it finds nobody listening, and a disk that hangs would
    // hold up a kill just as long.
    child.unref();
    child.stdout.destroy();
    child.stderr.destroy();
    void settledWithin(promise, leaveMs).then(() => resolve("aborted"));
  });
  try {
    const end = await promise;
    const tookMs = said.split("\n").filter((line) => line !== "");
    return { tookMs: tookMs.map(Number), end };
  } finally {
    stopListening();
  }
}

/** Above it a commit rests for 2 s at most and yet blocks a tenth of the time: PUBACKs come seconds late. */
const slowMs = 200;
/** No disk answers faster; the memory of one does, when a cache without a battery or a virtual machine lies. */
const unbelievableMs = 0.02;
const enoughPerSecond = 10_000;

interface FsyncFacts extends FsyncRun {
  readonly isInMemory: boolean;
  readonly commitIntervalMs: number;
}

/** Pure. */
export function judgeFsync({ tookMs, end, isInMemory, commitIntervalMs }: FsyncFacts): Finding {
  const check = "journal.fsync";
  const medianMs = median(tookMs);
  const look =
    "look at the kernel log for disk errors (sudo dmesg), and at what else writes there (sudo iotop)";
  if (end === "late") {
    const text = `an fsync of 4 KiB did not return within ${stepMs / 1000} s: the daemon stands still that long at each commit`;
    return { check, severity: "failure", text, hint: look };
  }
  if (typeof end === "object" && "killedBy" in end) {
    const text = `not measured: the process that does it was ended by ${end.killedBy}`;
    const hint = "try again; where memory is short the kernel ends processes, see sudo dmesg and free -m";
    return { check, severity: "warning", text, hint };
  }
  if (typeof end === "object") {
    const full = end.failed === "ENOSPC" || end.failed === "EDQUOT";
    const text = `a file in the journal's directory cannot be written and synced (${end.failed})`;
    const hint = full ? "free space on the disk that holds [journal] dir" : look;
    return { check, severity: "failure", text, hint, code: full ? "journal_full" : "journal_unwritable" };
  }
  if (medianMs === undefined)
    return { check, severity: "skipped", text: "not tried: stopped before the first fsync" };
  const worstMs = Math.max(...tookMs);
  const figures = { medianMs: roundedUs(medianMs), worstMs: roundedUs(worstMs), count: tookMs.length };
  const measured = `fsync takes ${shownUs(medianMs)}, ${shownUs(worstMs)} at worst (of ${tookMs.length})`;
  if (isInMemory) return { check, severity: "ok", text: `${measured}: this is memory`, figures };
  if (medianMs < unbelievableMs) {
    return {
      check,
      severity: "warning",
      text: `${measured}: no disk is as fast, so fsync seems to do nothing, and a power cut may take what was acknowledged`,
      hint: "a virtual disk with cache=unsafe, a libeatmydata or a mount without barriers does this",
      figures,
    };
  }
  const meaning = capacity(medianMs, commitIntervalMs);
  if (medianMs > slowMs) {
    return {
      check,
      severity: "warning",
      text: `${measured}: ${meaning.text}, and the daemon stands still during each commit`,
      hint: `put [journal] dir on a better disk (an SD card that is worn out gets slow like this), or ${look}`,
      figures: { ...figures, ...meaning.figures },
    };
  }
  const text = `${measured}: ${meaning.text}`;
  return { check, severity: "ok", text, figures: { ...figures, ...meaning.figures } };
}

/** What the commit policy makes of it, with the receive window that the daemon asks for unless told otherwise. */
function capacity(fsyncMs: number, intervalMs: number) {
  const groupCount = groupCountFor([{ window: 1000, isConnected: true }]);
  const settings = { intervalMs, groupCount, groupBytes: Infinity };
  const idle = { waitingBytes: 0, oldestMs: 0, newestMs: 0, lastEndMs: 0, usualTookMs: fsyncMs };
  const cycleMs = fsyncMs + (commitDueInMs({ ...idle, waitingCount: groupCount }, settings, 0) ?? 0);
  const pubackMs = Math.round(fsyncMs + (commitDueInMs({ ...idle, waitingCount: 1 }, settings, 0) ?? 0));
  const perSecond = Number(((groupCount * 1000) / cycleMs).toPrecision(2));
  const rate = perSecond >= enoughPerSecond ? "it limits nothing" : `good for ${perSecond} uplinks/s`;
  return {
    text: `${rate}, a PUBACK within ${shownMs(pubackMs)}`,
    figures: { uplinksPerSecond: perSecond, pubackMs },
  };
}

function roundedUs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** "7 µs", "0.2 ms", "35 ms". */
function shownUs(ms: number): string {
  return ms < 0.1 ? `${Math.round(ms * 1000)} µs` : shownMs(roundedMs(ms));
}
