import { closeSync, fsyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import { dieWithParent } from "../supervision/die-with-parent.ts";

/**
 * The program that journal-fsync.ts runs: appends 4 KiB to a new file and syncs it, again and again, as a commit
 * does to the WAL, and says of each how long it took, one number of ms a line. The file is gone when it ends.
 *
 * The file keeps its name meanwhile: btrfs skips the work for one without a name, f2fs does more of it.
 */
const blockBytes = 4096;

function measure(file: string, maxCount: number, budgetMs: number): void {
  const block = Buffer.alloc(blockBytes, "flightline doctor\n");
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
      process.stdout.write(`${(performance.now() - startMs).toFixed(4)}\n`);
    }
  } finally {
    unlinkSync(file);
    closeSync(fd);
  }
}

const [file = "", maxCount = "", budgetMs = "", parent = ""] = process.argv.slice(2);
if (dieWithParent(Number(parent))) measure(file, Number(maxCount), Number(budgetMs));
