import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "../lib/fault.ts";

/**
 * A database that cannot be used any more, and how it makes room for a new one: its three files are renamed
 * together, whatever happens in between. A mark beside it (`journal.damaged` for `journal.db`) says so: who finds
 * damage while the file is in use leaves the mark, and the next one to open the file moves it.
 *
 * The mark goes when all three have moved and before there is a new file, so while it is there every file is
 * an old one.
 */
export interface Mark {
  readonly why: string;
  /** Where the files go; undefined until somebody begins to move them. */
  readonly target?: string | undefined;
}

/** What belongs to one database; apart they are worth nothing. */
const suffixes = ["", "-wal", "-shm"] as const;

export function isCorruption(error: unknown): boolean {
  const code = errorCode(error);
  return code === "SQLITE_NOTADB" || code?.startsWith("SQLITE_CORRUPT") === true;
}

function markFileOf(file: string): string {
  return `${file.replace(/\.db$/, "")}.damaged`;
}

/** Durable when it returns; where that cannot be, whoever reads the damage next finds it again. */
export function markDamaged(file: string, why: string): void {
  if (markOf(file) === undefined) writeMark(file, { why });
}

/** What the mark beside the file says; undefined: there is none. */
export function markOf(file: string): Mark | undefined {
  const mark = markFileOf(file);
  if (!existsSync(mark)) return undefined;
  try {
    const said: unknown = JSON.parse(readFileSync(mark, "utf8"));
    if (typeof said === "object" && said !== null && "why" in said && typeof said.why === "string") {
      const target = "target" in said && typeof said.target === "string" ? said.target : undefined;
      return { why: said.why, target };
    }
  } catch {
    // Half a mark is a mark.
  }
  return { why: "is damaged" };
}

/** Returns where the files are now. Throws the file system's own errors; called again it goes on. */
export function moveAside(file: string, mark: Mark, nowMs: number): string {
  const target = mark.target ?? freeName(file, nowMs);
  writeMark(file, { ...mark, target });
  for (const suffix of suffixes) {
    if (existsSync(file + suffix) && !existsSync(target + suffix)) renameSync(file + suffix, target + suffix);
  }
  syncDirectory(dirname(file));
  rmSync(markFileOf(file), { force: true });
  return target;
}

function freeName(file: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[:.]/g, "-");
  const first = `${file}.unusable-${stamp}`;
  // A machine that boots in the same wrong minute each time must not overwrite what it moved before.
  let target = first;
  for (let n = 2; suffixes.some((suffix) => existsSync(target + suffix)); n += 1) target = `${first}-${n}`;
  return target;
}

function writeMark(file: string, mark: Mark): void {
  try {
    writeFileSync(markFileOf(file), JSON.stringify(mark), { mode: 0o640, flush: true });
    syncDirectory(dirname(file));
  } catch {
    // A full or read-only disk. Without a mark the files can still be moved, if anything can be done at all.
  }
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
