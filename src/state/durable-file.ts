import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes a small file so that it is durable when this returns, and whole after a power cut: the old one or the
 * new one. Throws the file system's own errors, and leaves no half of a file behind on a disk that is full.
 */
export function writeDurably(file: string, text: string): void {
  const unfinished = `${file}.new`;
  try {
    writeFileSync(unfinished, text, { mode: 0o640, flush: true });
    renameSync(unfinished, file);
    const folder = openSync(dirname(file), "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    removeQuietly(unfinished);
    throw error;
  }
}

function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // The next one writes over it.
  }
}
