import { closeSync, openSync, statfsSync, statSync, truncateSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";

const usualBytes = 8 * 1024 * 1024;
/** Of a small disk it is no larger part. */
const diskShare = 1 / 8;
/** It comes back when so many times its size would be free beside it. */
const spareFactor = 3;
/** Where less of its size is free, opening the databases may fail. */
const shortShare = 1 / 4;
const chunkBytes = 256 * 1024;

/**
 * A file that takes space so that there is some when the disk is full: on a full disk SQLite can neither delete
 * nor checkpoint, so nothing could make room. It is given up for that, which leaves an empty file so that the next
 * process knows; and made again when there is space.
 */
export class Ballast {
  readonly #dir: string;
  readonly #file: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.#file = join(dir, "ballast");
  }

  get state(): "there" | "given_up" | "never_made" {
    const size = statSync(this.#file, { throwIfNoEntry: false })?.size;
    if (size === undefined) return "never_made";
    return size > 0 ? "there" : "given_up";
  }

  /** False: there is none, or it cannot be changed. */
  giveUp(): boolean {
    if (this.state !== "there") return false;
    try {
      truncateSync(this.#file, 0);
      return true;
    } catch {
      // A read-only disk. Whoever wanted to write says so.
      return false;
    }
  }

  /** So little is free beside it that SQLite might not even open its files. */
  get isDiskShort(): boolean {
    const { freeBytes, bytes } = this.#sizes();
    return freeBytes < shortShare * bytes;
  }

  /** Makes it, if it is missing and the disk has room. Returns whether it is there. */
  restore(): boolean {
    if (this.state === "there") return true;
    try {
      const { freeBytes, bytes } = this.#sizes();
      if (freeBytes < (1 + spareFactor) * bytes) return false;
      this.#make(bytes);
      return true;
    } catch {
      // It went full meanwhile, or cannot be written. Half of it would hold space for nothing.
      this.giveUp();
      return false;
    }
  }

  /** What is free on its disk, and how large it is there. */
  #sizes(): { readonly freeBytes: number; readonly bytes: number } {
    const { bavail, blocks, bsize } = statfsSync(this.#dir);
    const bytes = Math.min(usualBytes, Math.floor(blocks * bsize * diskShare));
    return { freeBytes: bavail * bsize, bytes };
  }

  /** Of noise: some file systems keep neither zeros nor repetition. */
  #make(bytes: number): void {
    const noise = randomBytes(chunkBytes);
    const fd = openSync(this.#file, "w", 0o640);
    try {
      for (let at = 0; at < bytes; at += chunkBytes) {
        noise.writeUInt32LE(at, 0);
        const wanted = Math.min(chunkBytes, bytes - at);
        if (writeSync(fd, noise, 0, wanted) < wanted) throw new Error("ENOSPC");
      }
    } finally {
      closeSync(fd);
    }
  }
}
