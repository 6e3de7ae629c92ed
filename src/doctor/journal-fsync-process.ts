import { closeSync, fsyncSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../lib/fault.ts";

/**
 * The program that journal-fsync.ts runs: appends 4 KiB to a new file and syncs it, again and again, as a commit
 * does to the WAL, and says of each how long it took, one number of ms a line. The file is gone when it ends.
 *
 * The file keeps its name meanwhile: btrfs skips the work for one without a name, f2fs does more of it.
 *
 * It alone makes and removes files, as on a disk that hangs even a removal comes back only with the disk. It ends
 * by itself: when it has measured, and when nobody listens any more, which the next number tells. So nobody has to
 * kill it, and what it has made is removed also when a disk comes back long after the doctor.
 */
const blockBytes = 4096;
const prefix = ".flightline-doctor-";

function measure(dir: string, maxCount: number, budgetMs: number): void {
  const block = Buffer.alloc(blockBytes, "flightline doctor\n");
  const file = join(dir, `${prefix}${process.pid}`);
  // Never somebody else's file, and no file through a link.
  const fd = openSync(file, "wx", 0o600);
  try {
    const endMs = performance.now() + budgetMs;
    // The first one also makes the file: a commit does not.
    writeSync(fd, block);
    fsyncSync(fd);
    for (let n = 0; n < maxCount && performance.now() < endMs; n += 1) {
      const startMs = performance.now();
      writeSync(fd, block);
      fsyncSync(fd);
      // At once, and not as process.stdout does: it fails here when the doctor is gone.
      writeSync(1, `${(performance.now() - startMs).toFixed(4)}\n`);
    }
  } finally {
    rmSync(file, { force: true });
    closeSync(fd);
  }
}

/** What such a program has left that was killed, or lost its power. */
function sweep(dir: string): void {
  // What is wrong with the directory shows when it is written to.
  for (const name of ignoringFaults(() => readdirSync(dir)) ?? []) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    if (!/^\d+$/.test(pid) || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    ignoringFaults(() => rmSync(join(dir, name), { force: true }));
  }
}

function ignoringFaults<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

// A Ctrl-C is for the whole group. Whoever started this lets go of it then, and it ends as described above.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const [dir = "", maxCount = "", budgetMs = ""] = process.argv.slice(2);
try {
  sweep(dir);
  measure(dir, Number(maxCount), Number(budgetMs));
} catch (error) {
  if (errorCode(error) !== "EPIPE") throw error;
}
