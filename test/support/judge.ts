/**
 * The judge of every end-to-end test: reads the database back and compares it with what was published. It
 * shares no code with `telemetry` or `influx`, and it only knows InfluxDB's own HTTP interface.
 */
import { setTimeout as delay } from "node:timers/promises";
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

/** Looks again until nothing is lost any more, or time is up; gives the last verdict. */
export async function judgeWhenWritten(
  options: JudgeOptions & { readonly timeoutMs: number },
): Promise<Account> {
  const { timeoutMs, ...rest } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const verdict = await judge(rest);
    if (verdict.lost === 0 || performance.now() >= deadlineMs) return verdict;
    await delay(250);
  }
}
