/** Journals that were moved aside, and what is true of each: by their first bytes, no database is opened. */
import { closeSync, openSync, readSync } from "node:fs";
import { unfinishedSalvages } from "../journal/salvage-progress.ts";
import { journalTables } from "../journal/schema.ts";
import { errorCode } from "../lib/fault.ts";
import type { MovedJournal } from "../status/buffer-wire.ts";

/** https://www.sqlite.org/fileformat.html#the_database_header */
const headerBytes = 100;
const userVersionAt = 60;
const applicationIdAt = 68;

/** Those that have not been read to their end, the oldest first. */
export function movedJournals(dir: string): readonly MovedJournal[] {
  return unfinishedSalvages(dir).map((file) => ({ file, state: stateOf(headerOf(file)) }));
}

function stateOf(header: Buffer | undefined): MovedJournal["state"] {
  // Without its header it may be ours all the same: its pages tell whoever reads it.
  if (header?.toString("latin1", 0, 16) !== "SQLite format 3\0") return "unread";
  if (header.readUInt32BE(applicationIdAt) !== journalTables.applicationId) return "foreign";
  return header.readUInt32BE(userVersionAt) > journalTables.migrations.length ? "newer" : "unread";
}

/** Undefined: there are none, or they cannot be read. */
function headerOf(file: string): Buffer | undefined {
  const header = Buffer.alloc(headerBytes);
  try {
    const fd = openSync(file, "r");
    try {
      return readSync(fd, header, 0, headerBytes, 0) === headerBytes ? header : undefined;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}
