/**
 * Compares what was published with what the database holds. It knows the tables from their description,
 * not from the code that writes them, so that it cannot share a mistake with it.
 *
 * For each published uplink there must be exactly
 * - one row of `uplink`, found by its `deduplication_id`, at the event's own nanosecond;
 * - one row of `uplink_rx` per receiving gateway, and, when it had an object, one row of
 *   `telemetry_<profile>`, both found by device and time.
 *
 * All counts are of events, except `invented` and `duplicates`, which are of rows.
 */
import { Accountant } from "./accountant.ts";
import type { Account } from "./accountant.ts";
import { queryRows, tableNames } from "./influx-reader.ts";
import type { Database } from "./influx-reader.ts";
import type { LedgerEntry } from "./ledger.ts";

export type { Account } from "./accountant.ts";

/** Reads each table once, row by row. Call it when the writer has nothing left to write. */
export async function takeAccount(entries: Iterable<LedgerEntry>, db: Database): Promise<Account> {
  const accountant = new Accountant(entries);
  const tables = await tableNames(db);
  if (tables.has("uplink")) {
    for await (const row of queryRows(db, 'SELECT * FROM "uplink"')) accountant.uplink(row);
  }
  if (tables.has("uplink_rx")) {
    for await (const row of queryRows(db, 'SELECT * FROM "uplink_rx"')) accountant.reception(row);
  }
  for (const table of tables) {
    if (!/^telemetry_[a-z0-9_]*$/.test(table)) continue;
    for await (const row of queryRows(db, `SELECT * FROM "${table}"`)) accountant.telemetry(table, row);
  }
  return accountant.close();
}
