import type Database from "better-sqlite3";
import { errorCode, Fault } from "../lib/fault.ts";
import type { DeviceRecord, GatewayRecord, StatsSum } from "../registry/records.ts";
import { writeFailed } from "./faults.ts";
import {
  deviceFromRow,
  deviceToRow,
  gatewayFromRow,
  gatewayToRow,
  type Row,
  sumFromRow,
  sumToRow,
} from "./registry-rows.ts";
import { changedRowBytes } from "../sqlite/database.ts";

/** How far the log has been read, and what the time was there. */
export interface Position {
  readonly journalId: string;
  /** Everything up to here is in the records. */
  readonly seq: number;
  /** The log time after that message, and what it is counted on from. */
  readonly logTimeMs: number;
  readonly uptimeMs: number;
  readonly bootKey: number;
  /** Sums of what was received before this (log time) could not be complete and are not made. */
  readonly sumsFromMs: number;
}

export interface StoredRegistry {
  readonly devices: readonly DeviceRecord[];
  readonly gateways: readonly GatewayRecord[];
  /** That are still open. */
  readonly sums: readonly StatsSum[];
  /** Undefined: nothing was ever saved. */
  readonly position: Position | undefined;
}

export type SumKey = Pick<StatsSum, "gatewayId" | "bucketMs" | "delay">;

export interface RegistryChanges {
  readonly devices: readonly DeviceRecord[];
  readonly gateways: readonly GatewayRecord[];
  readonly sums: readonly StatsSum[];
  readonly removedDevices: readonly string[];
  readonly removedGateways: readonly string[];
  readonly removedSums: readonly SumKey[];
  readonly position: Position;
}

const projectionName = "registry";

/**
 * The tables `device`, `gateway`, `stats_sum` and `projection` of state.db: what was learned from the log,
 * and up to where.
 *
 * Invariant: records, open sums and the position change in one transaction, so that reading the log on from
 * the position gives what reading it from the beginning would have given.
 */
export class RegistryStore {
  readonly #database: Database.Database;
  /** Tells the owner of the file how much a save has added to its WAL. */
  readonly #wrote: (bytes: number) => void;
  readonly #putDevice: Database.Statement<[Row]>;
  readonly #putGateway: Database.Statement<[Row]>;
  readonly #putSum: Database.Statement<[Row]>;
  readonly #putPosition: Database.Statement<[Row]>;
  readonly #dropDevice: Database.Statement<[string]>;
  readonly #dropGateway: Database.Statement<[string]>;
  readonly #dropSum: Database.Statement<[string, number, number]>;
  readonly #addEvicted: Database.Statement<[number]>;
  /** What the file held when it was opened, until somebody asks for it. */
  #opened: StoredRegistry | undefined;
  #evicted: number;

  constructor(database: Database.Database, wrote: (bytes: number) => void) {
    this.#database = database;
    this.#wrote = wrote;
    this.#putDevice = upsert(database, "device");
    this.#putGateway = upsert(database, "gateway");
    this.#putSum = upsert(database, "stats_sum");
    this.#putPosition = upsert(database, "projection");
    this.#dropDevice = database.prepare("DELETE FROM device WHERE dev_eui = ?");
    this.#dropGateway = database.prepare("DELETE FROM gateway WHERE gateway_id = ?");
    this.#dropSum = database.prepare(
      "DELETE FROM stats_sum WHERE gateway_id = ? AND bucket_ms = ? AND delay = ?",
    );
    this.#addEvicted = database.prepare(
      `INSERT INTO counter VALUES ('registry_evicted', ?)
         ON CONFLICT (name) DO UPDATE SET value = value + excluded.value`,
    );
    const evicted = database.prepare("SELECT value FROM counter WHERE name = 'registry_evicted'").pluck();
    this.#evicted = Number(evicted.get() ?? 0);
    // Now: damage that shows while the file is being opened has it moved aside.
    this.#opened = this.#readAll();
  }

  /** Devices and gateways that had to leave for others, ever. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Everything. A row that cannot be understood is left out: what it said is learned anew. */
  load(): StoredRegistry {
    const stored = this.#opened ?? this.#readAll();
    this.#opened = undefined;
    return stored;
  }

  #readAll(): StoredRegistry {
    const position = this.#database
      .prepare<[string], PositionRow>("SELECT * FROM projection WHERE name = ?")
      .get(projectionName);
    return {
      devices: this.#read("device", deviceFromRow),
      gateways: this.#read("gateway", gatewayFromRow),
      sums: this.#read("stats_sum", sumFromRow),
      position: position === undefined ? undefined : positionFromRow(position),
    };
  }

  #read<T>(table: string, fromRow: (row: Row) => T): T[] {
    const records: T[] = [];
    for (const row of this.#database.prepare<[], Row>(`SELECT * FROM ${table}`).iterate()) {
      try {
        records.push(fromRow(row));
      } catch (error) {
        // Somebody has edited it: no reason for the daemon not to start.
        if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      }
    }
    return records;
  }

  /**
   * Durable when it returns. Faults: registry_unsaved (retry), journal_write_failed (restart); nothing was
   * stored.
   */
  save(changes: RegistryChanges): void {
    const { devices, gateways, sums, removedDevices, removedGateways, removedSums, position } = changes;
    const evicted = removedDevices.length + removedGateways.length;
    try {
      this.#database.transaction(() => {
        for (const device of devices) this.#putDevice.run(deviceToRow(device));
        for (const gateway of gateways) this.#putGateway.run(gatewayToRow(gateway));
        for (const devEui of removedDevices) this.#dropDevice.run(devEui);
        for (const gatewayId of removedGateways) this.#dropGateway.run(gatewayId);
        for (const { gatewayId, bucketMs, delay } of removedSums) {
          this.#dropSum.run(gatewayId, bucketMs, delay);
        }
        for (const sum of sums) this.#putSum.run(sumToRow(sum));
        this.#putPosition.run(positionToRow(position));
        if (evicted > 0) this.#addEvicted.run(evicted);
      })();
    } catch (error) {
      throw saveFailed(error);
    }
    this.#evicted += evicted;
    // The times of its statistics are a page of their own.
    const gatewayRows = 2 * gateways.length;
    const rows = devices.length + gatewayRows + sums.length + removedSums.length + evicted + 1;
    this.#wrote(rows * changedRowBytes);
  }
}

interface PositionRow {
  readonly journal_id: string;
  readonly seq: number;
  readonly log_time_ms: number;
  readonly uptime_ms: number;
  readonly boot: number;
  readonly sums_from_ms: number;
}

function positionFromRow(row: PositionRow): Position {
  return {
    journalId: row.journal_id,
    seq: row.seq,
    logTimeMs: row.log_time_ms,
    uptimeMs: row.uptime_ms,
    bootKey: row.boot,
    sumsFromMs: row.sums_from_ms,
  };
}

function positionToRow(position: Position): Row & PositionRow {
  return {
    name: projectionName,
    journal_id: position.journalId,
    seq: position.seq,
    log_time_ms: position.logTimeMs,
    uptime_ms: position.uptimeMs,
    boot: position.bootKey,
    sums_from_ms: position.sumsFromMs,
  };
}

/** Writes a whole row, given by column. */
function upsert(database: Database.Database, table: string): Database.Statement<[Row]> {
  const columns = database
    .prepare(`SELECT * FROM ${table}`)
    .columns()
    .map(({ name }) => name);
  const values = columns.map((name) => `@${name}`).join(", ");
  return database.prepare(`INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES (${values})`);
}

function saveFailed(cause: unknown): Fault {
  const code = errorCode(cause);
  const isFull = code === "SQLITE_FULL";
  if (!isFull && code?.startsWith("SQLITE_BUSY") !== true) return writeFailed(cause);
  return new Fault({
    code: "registry_unsaved",
    layer: "journal",
    disposition: "retry",
    message: `${isFull ? "the disk is full" : "another program holds state.db locked"}: what is known of devices and gateways is kept in memory until it can be saved`,
    hint: isFull
      ? "free space on the disk that holds [journal] dir"
      : "end the program that has state.db open for writing: fuser state.db names it",
    cause,
  });
}
