/** A pipe whose reader stands still, as `less` does. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { waitFor } from "./wait.ts";

/** For the standard output of a child: its end for reading is ours, stays open, and nobody reads. */
export function unreadPipe(t: TestContext): number {
  const path = mkdtempSync(join(tmpdir(), "flightline-pipe-"));
  const file = join(path, "pipe");
  execFileSync("/bin/sh", ["-c", `mkfifo "$0"`, file]);
  const pipe = openSync(file, "r+");
  rmSync(path, { recursive: true });
  t.after(() => {
    closeSync(pipe);
  });
  return pipe;
}

/** The process has written a good part of what a pipe takes, 64 KiB as a rule, and writes no more. */
export async function standsStill(pid: number): Promise<void> {
  let last = -1;
  const isFull = (): boolean => {
    const before = last;
    last = Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
    return last === before && last >= 32 * 1024;
  };
  await waitFor(isFull, { timeoutMs: 20_000, everyMs: 200, what: "a full pipe" });
}
