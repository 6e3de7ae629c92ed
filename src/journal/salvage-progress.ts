import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Position } from "./salvage-file.ts";
import type { SalvageEnd } from "./salvage-frames.ts";

/**
 * How far the salvage of a moved journal is, in a small file beside it (`….progress`), and that it is over
 * (`….salvaged`, which stays with the moved file).
 *
 * The note comes after the messages: after a crash some of them may be in the log and not in the note. They are
 * recognised there, behind `seq`, which was the newest of the log when the note was made.
 */
export interface Progress {
  /** Undefined: nothing was put back yet. */
  readonly position?: Position | undefined;
  readonly journalId: string;
  readonly seq: number;
}

/**
 * Journals of that directory that were moved aside and have not been read to their end, the oldest first. Of one
 * there may be only the WAL.
 */
export function unfinishedSalvages(dir: string): string[] {
  const moved = readdirSync(dir).flatMap((name) => movedName.exec(name)?.[1] ?? []);
  return [...new Set(moved)]
    .filter((name) => !existsSync(join(dir, `${name}.salvaged`)))
    .sort()
    .map((name) => join(dir, name));
}

const movedName = /^(journal\.db\.unusable-.*Z(?:-\d+)?)(?:-wal)?$/;

export function readProgress(file: string): Progress | undefined {
  try {
    return JSON.parse(readFileSync(`${file}.progress`, "utf8")) as Progress;
  } catch {
    // None, or half of one: from the beginning; what is in the log already is recognised.
    return undefined;
  }
}

/** Throws the file system's own errors; then the old note counts. */
export function noteProgress(file: string, progress: Progress): void {
  writeDurably(`${file}.progress`, JSON.stringify(progress));
}

export function noteEnd(file: string, end: SalvageEnd): void {
  writeDurably(`${file}.salvaged`, JSON.stringify(end));
  rmSync(`${file}.progress`, { force: true });
}

function writeDurably(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o640, flush: true });
  renameSync(`${file}.new`, file);
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
