import type Database from "better-sqlite3";
import { salvageUnwritten } from "./faults.ts";

/** Of a journal that was moved aside. */
export interface SalvageLosses {
  /** Messages that were owed and could not be read. */
  readonly lost: number;
  /** Its own count of what its quota had evicted. */
  readonly evicted: number;
  /** Those of them that were logs, txacks and statistics. */
  readonly evictedMinor: number;
}

/**
 * The table `salvage` of state.db: what went with journals that are no longer in use. A new journal counts from 0, and
 * the moved files may be deleted; what is not in InfluxDB must be accounted for all the same.
 */
export class Salvages {
  readonly #database: Database.Database;
  readonly #insert: Database.Statement<[string, number, number, number]>;
  #total: SalvageLosses;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#insert = database.prepare("INSERT OR REPLACE INTO salvage VALUES (?, ?, ?, ?)");
    this.#total = this.#sum();
  }

  /** Of all of them, ever. */
  get total(): SalvageLosses {
    return this.#total;
  }

  /**
   * The salvage of this file (its name) has come to its end; the same one again changes nothing. Durable when it
   * returns. Faults: state_full (retry), journal_write_failed (restart); nothing was stored.
   */
  record(file: string, { lost, evicted, evictedMinor }: SalvageLosses): void {
    try {
      this.#insert.run(file, lost, evicted, evictedMinor);
    } catch (error) {
      throw salvageUnwritten(error);
    }
    this.#total = this.#sum();
  }

  #sum(): SalvageLosses {
    const sums = this.#database.prepare<[], SalvageLosses>(
      `SELECT coalesce(sum(lost), 0) AS lost, coalesce(sum(evicted), 0) AS evicted,
         coalesce(sum(evicted_minor), 0) AS evictedMinor FROM salvage`,
    );
    return sums.get() ?? { lost: 0, evicted: 0, evictedMinor: 0 };
  }
}
