/**
 * The judge of every end-to-end test: reads the database back and compares it with what was published. It
 * shares no code with `telemetry` or `influx`, and it only knows InfluxDB's own HTTP interface.
 */
import { takeAccount } from "../../src/sandbox/account.ts";
import type { Account } from "../../src/sandbox/account.ts";
import { readLedger } from "../../src/sandbox/ledger.ts";
import type { LedgerEntry } from "../../src/sandbox/ledger.ts";

export interface JudgeOptions {
  /** The entries, or the path of the ndjson file that another process has written. */
  readonly ledger: Iterable<LedgerEntry> | string;
  readonly influxUrl: string;
  readonly database: string;
  readonly token?: string;
}

/** One look. Take it when the writer has nothing left to write. */
export async function judge(options: JudgeOptions): Promise<Account> {
  const { ledger, ...database } = options;
  const entries = typeof ledger === "string" ? (await readLedger(ledger)).entries() : ledger;
  return await takeAccount(entries, database);
}
