import type { Schema } from "../sqlite/database.ts";

/**
 * state.db: what is not the log. Damage to the log or its quota never takes this along.
 *
 * `quarantine` keeps the bytes of what could not be decoded. `journal_id` + `seq` name the message, so
 * that quarantining again after a crash changes nothing. `death` counts how often the process died while
 * it decoded a message.
 *
 * `dead_letter` keeps what InfluxDB has refused: a row for each line, with the message it was made of. `uptime_ms`,
 * `boot`, `clock_trusted`, `retained` and `first_place` are the message's, so that it can be put back as it was received; rows of
 * the quarantine that are older than these columns have NULL.
 *
 * `device`, `gateway` and `stats_sum` (sums of gateway statistics that are still open) are what has been
 * learned from the log up to `projection.seq` of the journal `projection.journal_id`; they change together
 * with it. Lists and maps are JSON. `projection.log_time_ms`, `uptime_ms` and `boot` are the log time after
 * that message; sums of messages received before `sums_from_ms` are not to be made. A gateway with an
 * `unshown_due_ms` has a state that no row shows yet (`registry/gateway-record.ts`).
 *
 * `client` is the client ids that have connected, with the topic filters in the broker's session.
 *
 * `influx_column` is what was last known of the columns in InfluxDB, for each database that was written to;
 * `type` is one of telemetry's column types.
 *
 * `salvage` is what went with journals that were moved aside, by the name of the moved file (`salvages.ts`).
 *
 * `start` is the newest runs of the daemon, by `key` in their order. `ending` is clean, crash or unknown, and
 * unknown while it runs; `is_calm` says whether it grew old enough to be part of no crash loop.
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
     CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE device (
       dev_eui TEXT PRIMARY KEY,
       device_name TEXT NOT NULL,
       profile_id TEXT NOT NULL,
       profile_name TEXT NOT NULL,
       application_id TEXT NOT NULL,
       application_name TEXT NOT NULL,
       tenant_id TEXT NOT NULL,
       tenant_name TEXT NOT NULL,
       tags TEXT NOT NULL,
       first_seen_ms INTEGER NOT NULL,
       last_seen_ms INTEGER NOT NULL,
       last_event TEXT NOT NULL,
       last_uplink_ms INTEGER,
       interval_ms REAL,
       interval_samples_ms TEXT NOT NULL,
       dev_addr TEXT,
       session_since_ms INTEGER,
       session_last_uplink_ms INTEGER,
       last_f_cnt INTEGER,
       gateways TEXT NOT NULL,
       power_at_ms INTEGER,
       battery_percent REAL,
       external_power INTEGER,
       battery_unavailable INTEGER,
       margin_db REAL,
       row_day INTEGER,
       change_row_ms INTEGER,
       row_owed INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE gateway (
       gateway_id TEXT PRIMARY KEY,
       first_seen_ms INTEGER NOT NULL,
       last_seen_ms INTEGER NOT NULL,
       online INTEGER,
       online_since_ms INTEGER,
       last_stats_ms INTEGER,
       latitude REAL,
       longitude REAL,
       altitude REAL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE stats_sum (
       gateway_id TEXT NOT NULL,
       bucket_ms INTEGER NOT NULL,
       delay INTEGER NOT NULL,
       source TEXT NOT NULL,
       closes_ms INTEGER NOT NULL,
       count INTEGER NOT NULL,
       times_ns TEXT NOT NULL,
       rx_received INTEGER NOT NULL,
       rx_received_ok INTEGER NOT NULL,
       tx_received INTEGER NOT NULL,
       tx_emitted INTEGER NOT NULL,
       tx_by_status TEXT NOT NULL,
       duty_cycle TEXT NOT NULL,
       metadata TEXT NOT NULL,
       latitude REAL,
       longitude REAL,
       altitude REAL,
       PRIMARY KEY (gateway_id, bucket_ms, delay)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE projection (
       name TEXT PRIMARY KEY,
       journal_id TEXT NOT NULL,
       seq INTEGER NOT NULL,
       log_time_ms INTEGER NOT NULL,
       uptime_ms INTEGER NOT NULL,
       boot INTEGER NOT NULL,
       sums_from_ms INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE influx_column (
       database TEXT NOT NULL,
       table_name TEXT NOT NULL,
       column_name TEXT NOT NULL,
       type TEXT NOT NULL,
       PRIMARY KEY (database, table_name, column_name)
     ) STRICT, WITHOUT ROWID;`,
    `ALTER TABLE client ADD COLUMN filters TEXT NOT NULL DEFAULT '[]';`,
    // Statistics up to the newest were known by its time alone.
    `ALTER TABLE gateway ADD COLUMN shown_online INTEGER;
     ALTER TABLE gateway ADD COLUMN shown_since_ms INTEGER;
     ALTER TABLE gateway ADD COLUMN unshown_time_ns TEXT;
     ALTER TABLE gateway ADD COLUMN unshown_source TEXT;
     ALTER TABLE gateway ADD COLUMN unshown_due_ms INTEGER;
     ALTER TABLE gateway ADD COLUMN state_topics TEXT NOT NULL DEFAULT '{}';
     ALTER TABLE gateway ADD COLUMN stats_times_ms TEXT NOT NULL DEFAULT '[]';
     ALTER TABLE gateway ADD COLUMN stats_forgotten_ms INTEGER;
     ALTER TABLE gateway ADD COLUMN stats_source TEXT NOT NULL DEFAULT '';
     UPDATE gateway SET stats_forgotten_ms = last_stats_ms;`,
    `CREATE TABLE start (
       key INTEGER PRIMARY KEY,
       boot_id TEXT NOT NULL,
       uptime_ms INTEGER NOT NULL,
       started_ms INTEGER NOT NULL,
       version TEXT NOT NULL,
       ending TEXT NOT NULL,
       is_calm INTEGER NOT NULL,
       part TEXT,
       code TEXT,
       message TEXT,
       UNIQUE (boot_id, uptime_ms)
     ) STRICT;`,
    // What was quarantined before is taken to have been received by a right clock.
    `ALTER TABLE quarantine ADD COLUMN uptime_ms INTEGER;
     ALTER TABLE quarantine ADD COLUMN boot INTEGER;
     ALTER TABLE quarantine ADD COLUMN clock_trusted INTEGER NOT NULL DEFAULT 1;
     ALTER TABLE quarantine ADD COLUMN retained INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE quarantine ADD COLUMN first_place INTEGER;
     CREATE INDEX quarantine_code ON quarantine (code);
     CREATE TABLE dead_letter (
       key INTEGER PRIMARY KEY,
       journal_id TEXT NOT NULL,
       seq INTEGER NOT NULL,
       source TEXT NOT NULL,
       topic TEXT NOT NULL,
       payload BLOB NOT NULL,
       received_ms INTEGER NOT NULL,
       uptime_ms INTEGER,
       boot INTEGER,
       clock_trusted INTEGER NOT NULL,
       retained INTEGER NOT NULL,
       first_place INTEGER,
       database TEXT NOT NULL,
       line TEXT NOT NULL,
       device TEXT,
       code TEXT NOT NULL,
       reason TEXT NOT NULL,
       dead_ms INTEGER NOT NULL,
       UNIQUE (journal_id, seq, database, line)
     ) STRICT;
     CREATE INDEX dead_letter_code ON dead_letter (code);
     CREATE INDEX dead_letter_device ON dead_letter (device);
     CREATE INDEX dead_letter_database ON dead_letter (database);
     CREATE TABLE salvage (file TEXT PRIMARY KEY, lost INTEGER NOT NULL, evicted INTEGER NOT NULL,
       evicted_minor INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  ],
};
