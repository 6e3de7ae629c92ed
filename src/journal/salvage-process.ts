/**
 * The program that salvage.ts runs: for each byte on its standard input one frame on its standard output, until
 * the input ends. A process of its own, because the file is damaged, its disk may hang, and reading all of it
 * takes minutes.
 */
import { readSync, writeSync } from "node:fs";
import { setPriority } from "node:os";
import { dieWithParent } from "../supervision/die-with-parent.ts";
import type { Position } from "./salvage-file.ts";
import { packFrame } from "./salvage-frames.ts";
import { salvageFrames } from "./salvage-source.ts";

const lowestPriority = 19;
const [file = "", parent = "", after = ""] = process.argv.slice(2);

function isAskedForMore(): boolean {
  return readSync(0, Buffer.alloc(1), 0, 1, null) === 1;
}

function write(bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
}

if (dieWithParent(Number(parent))) {
  try {
    setPriority(lowestPriority);
  } catch {
    // A hardened unit forbids it. Who asks waits between two frames all the same.
  }
  const frames = salvageFrames(file, after === "" ? undefined : (JSON.parse(after) as Position));
  while (isAskedForMore()) {
    const { done, value } = frames.next();
    if (done === true) break;
    write(packFrame(value));
  }
}
