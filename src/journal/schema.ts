import type { Schema } from "../sqlite/database.ts";

/**
 * The journal file.
 *
 * `message` is the log: append only, no index beside the key (a status column or a unique key multiplies
 * the bytes written per message by ten). Which messages are done is kept in `settled` as closed intervals
 * of seq, a handful of rows. The highest seq ever given stays known through `settled`, and through the counter
 * `last_seq` when the quota has emptied the log, so a seq is never given twice.
 *
 * `boot.offset_ms` = wall clock − uptime, written once the clock of that boot is known to be right: it
 * gives messages that were received under a wrong clock their true time. `boot.decided` = 1 when that is
 * final, be it a number or NULL (patience ran out first), so that a message has the same time at each replay.
 */
export const journalTables: Schema = {
  applicationId: 0x464c4a31,
  migrations: [
    `CREATE TABLE message (
       seq INTEGER PRIMARY KEY,
       source TEXT NOT NULL,
       topic TEXT NOT NULL,
       payload BLOB NOT NULL,
       received_ms INTEGER NOT NULL,
       uptime_ms INTEGER NOT NULL,
       boot INTEGER NOT NULL,
       flags INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE settled (lo INTEGER PRIMARY KEY, hi INTEGER NOT NULL) STRICT;
     CREATE TABLE boot (key INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, offset_ms INTEGER,
       decided INTEGER NOT NULL) STRICT;
     CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE identity (id TEXT NOT NULL) STRICT;`,
    `ALTER TABLE boot ADD COLUMN running_ms INTEGER;`,
  ],
};
