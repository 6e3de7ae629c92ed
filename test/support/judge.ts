/**
 * The judge of every end-to-end test: reads the database back and compares it with what was published. It
 * shares no code with `telemetry` or `influx`, and it only knows InfluxDB's own HTTP interface.
 */
import { takeAccount } from "../../src/sandbox/account.ts";
import type { Account } from "../../src/sandbox/account.ts";
import { queryRows, tableNames } from "../../src/sandbox/influx-reader.ts";
import { readLedger } from "../../src/sandbox/ledger.ts";
import type { LedgerEntry } from "../../src/sandbox/ledger.ts";
import { type Kept, type Published, Verdicts } from "./proof-verdicts.ts";
import type { Verdict } from "./proof-verdicts.ts";

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

export interface JudgeEventsOptions {
  readonly published: Iterable<Published>;
  /** What the program says of the events that are not in InfluxDB. */
  readonly kept: Kept;
  readonly influxUrl: string;
  readonly database: string;
}

/** Each event, with every column of its rows: in InfluxDB as it was sent, accounted for elsewhere, or lost. */
export async function judgeEvents({ published, kept, ...db }: JudgeEventsOptions): Promise<Verdict> {
  const verdicts = new Verdicts(published);
  for (const table of await tableNames(db)) {
    if (!/^(?:uplink|uplink_rx|telemetry_[a-z0-9_]*)$/.test(table)) continue;
    for await (const row of queryRows(db, `SELECT * FROM "${table}"`)) verdicts.row(table, row);
  }
  return verdicts.close(kept);
}
