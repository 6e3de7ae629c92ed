import type { Schema } from "../sqlite/database.ts";

/**
 * state.db: what is not the log. Damage to the log or its quota never takes this along.
 *
 * `quarantine` keeps the bytes of what could not be decoded. `journal_id` + `seq` name the message, so
 * that quarantining again after a crash changes nothing. `death` counts how often the process died while
 * it decoded a message.
 */
export const stateTables: Schema = {
  applicationId: 0x464c5331,
  migrations: [
    `CREATE TABLE quarantine (
       key INTEGER PRIMARY KEY,
       journal_id TEXT NOT NULL,
       seq INTEGER NOT NULL,
       source TEXT NOT NULL,
       topic TEXT NOT NULL,
       payload BLOB NOT NULL,
       received_ms INTEGER NOT NULL,
       code TEXT NOT NULL,
       reason TEXT NOT NULL,
       quarantined_ms INTEGER NOT NULL,
       UNIQUE (journal_id, seq)
     ) STRICT;
     CREATE TABLE death (journal_id TEXT NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL,
       PRIMARY KEY (journal_id, seq)) STRICT, WITHOUT ROWID;
     CREATE TABLE client (client_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
     CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  ],
};
