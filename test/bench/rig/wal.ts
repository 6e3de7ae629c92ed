/**
 * What a checkpoint has still to copy from a SQLite WAL into its database: each page once, however often
 * it was written. Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log, section 4.1.
 */
import { readFileSync } from "node:fs";

const headerBytes = 32;
const frameHeaderBytes = 24;
/** Of the header and of each frame that belongs to it: two salts, 8 bytes. */
const headerSaltAt = 16;
const frameSaltAt = 8;

export function pendingCheckpointBytes(databaseFile: string): number {
  const wal = readFileSync(`${databaseFile}-wal`);
  if (wal.length < headerBytes) return 0;
  const pageBytes = wal.readUInt32BE(8);
  const salt = wal.readBigUInt64BE(headerSaltAt);
  const pages = new Set<number>();
  for (
    let at = headerBytes;
    at + frameHeaderBytes + pageBytes <= wal.length;
    at += frameHeaderBytes + pageBytes
  ) {
    // Frames behind the end are left over from before the log began anew.
    if (wal.readBigUInt64BE(at + frameSaltAt) !== salt) break;
    pages.add(wal.readUInt32BE(at));
  }
  return pages.size * pageBytes;
}
