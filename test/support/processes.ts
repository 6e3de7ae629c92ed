/**
 * Looks after the processes of a test run, through /proc (Linux).
 *
 * node:test waits for ever for a file that does not end, and does not see what a test left running.
 * Whoever starts a run puts a mark into its environment; every process below inherits it.
 */
import { readdirSync, readFileSync } from "node:fs";

export interface Process {
  readonly pid: number;
  readonly parentPid: number;
  readonly argv: readonly string[];
}

export const runMark = "FLIGHTLINE_TEST_RUN";

/** Processes that were started with the mark in their environment, those that are ending not counted. */
export function processesWithMark(mark: string): Process[] {
  const needle = `${runMark}=${mark}\0`;
  return listProcesses((pid) => read(pid, "environ").includes(needle));
}

export function childrenOf(parentPid: number): Process[] {
  return listProcesses((_pid, parent) => parent === parentPid);
}

/** The file that a test process runs: its last argument. */
export function testFileOf(process: Process): string {
  return process.argv.at(-1) ?? "";
}

function listProcesses(wanted: (pid: number, parentPid: number) => boolean): Process[] {
  const found: Process[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const { state, parentPid } = status(pid);
    if (state === "Z" || state === "X" || state === "" || !wanted(pid, parentPid)) continue;
    const argv = read(pid, "cmdline")
      .split("\0")
      .filter((argument) => argument !== "");
    found.push({ pid, parentPid, argv });
  }
  return found;
}

/** proc(5): "pid (name) state ppid …"; the name may itself hold spaces and brackets. */
function status(pid: number): { state: string; parentPid: number } {
  const text = read(pid, "stat");
  const [state = "", parentPid = "0"] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, parentPid: Number(parentPid) };
}

/** Empty when the process has gone, or belongs to somebody else. */
function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}
