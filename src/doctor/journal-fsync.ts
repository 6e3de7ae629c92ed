/**
 * How long a commit takes on this disk: 4 KiB and an fsync in the directory itself, in a process of its own, so
 * that neither what else is examined falsifies it nor a disk that hangs can hold the doctor up.
 */
import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { commitDueInMs, groupCountFor } from "../journal/commit-policy.ts";
import { once, settledWithin } from "../lib/abort.ts";
import { errorCode } from "../lib/fault.ts";
import type { Finding } from "./finding.ts";
import { median, roundedMs, shownMs } from "./lines.ts";

const prefix = ".flightline-doctor-";
const maxCount = 20;
const budgetMs = 2000;
/** One fsync may take longer than the budget. */
const stepMs = 5000;
/** For removing the file from a disk that hangs: then the kernel does it later. */
const removeMs = 1000;

export interface FsyncRun {
  readonly tookMs: readonly number[];
  /** "ended": as it should; "late": an fsync did not return in time; else what the process said when it failed. */
  readonly end: "ended" | "late" | "aborted" | { readonly failed: string };
}

interface FsyncOptions {
  readonly stepMs?: number;
  /** Tests put a slow one in its place. */
  readonly program?: string;
}

/** Leaves no file behind, however it ends. */
export async function measureFsync(
  dir: string,
  signal: AbortSignal,
  options: FsyncOptions = {},
): Promise<FsyncRun> {
  if (signal.aborted) return { tookMs: [], end: "aborted" };
  await sweep(dir);
  const file = join(dir, `${prefix}${process.pid}`);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(options.stepMs ?? stepMs)]);
  try {
    const run = await runProcess(options.program ?? ownProgram(), file, limit);
    return run.end === "aborted" && !signal.aborted ? { ...run, end: "late" } : run;
  } finally {
    // It has removed it itself, unless it was killed.
    await settledWithin(
      rm(file, { force: true }).catch(() => undefined),
      removeMs,
    );
  }
}

/** The same file in src and in dist, as what this one is: TypeScript or JavaScript. */
function ownProgram(): string {
  return fileURLToPath(new URL(`./journal-fsync-process${extname(import.meta.filename)}`, import.meta.url));
}

/** What a doctor has left that was killed together with its child. */
async function sweep(dir: string): Promise<void> {
  // What is wrong with the directory shows when it is written to.
  const names = (await readdir(dir).catch(() => [])).filter((name) => name.startsWith(prefix));
  for (const name of names) {
    if (isAlive(Number(name.slice(prefix.length)))) continue;
    await rm(join(dir, name), { force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

async function runProcess(program: string, file: string, limit: AbortSignal): Promise<FsyncRun> {
  const args = [program, file, String(maxCount), String(budgetMs), String(process.pid)];
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
  child.on("close", (code) => {
    resolve(code === 0 ? "ended" : { failed: /\bE[A-Z0-9]{2,}\b/.exec(complaint)?.[0] ?? "it ended early" });
  });
  const stopListening = once(limit, () => {
    // Not waited for: in the middle of an fsync it dies only when the disk answers.
    child.kill("SIGKILL");
    child.unref();
    child.stdout.destroy();
    child.stderr.destroy();
    resolve("aborted");
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
  const look = "look at the kernel log for disk errors (dmesg), and at what else writes there (iotop)";
  if (end === "late") {
    const text = `an fsync of 4 KiB did not return within ${stepMs / 1000} s: the daemon stands still that long at each commit`;
    return { check, severity: "failure", text, hint: look };
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
