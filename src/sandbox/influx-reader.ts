/**
 * Reads tables back over InfluxDB 3's own HTTP interface (`POST /api/v3/query_sql`, one JSON object per
 * line), so that the same account works against the stand-in and against a real server.
 */
import { Fault } from "../lib/fault.ts";
import { linesOf } from "./lines.ts";

/** A column that is null or was never written is absent or null. */
export type Row = Readonly<Record<string, unknown>>;

export interface Database {
  readonly influxUrl: string;
  readonly database: string;
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The rows of one statement, one at a time; none when the database does not exist. */
export async function* queryRows(db: Database, sql: string): AsyncGenerator<Row, void, undefined> {
  const response = await fetch(new URL("/api/v3/query_sql", db.influxUrl), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(db.token === undefined ? {} : { authorization: `Bearer ${db.token}` }),
    },
    body: JSON.stringify({ db: db.database, q: sql, format: "jsonl" }),
    signal: db.signal ?? null,
  });
  // There is no such database, so nobody has written anything yet.
  if (response.status === 404) {
    await response.body?.cancel();
    return;
  }
  if (!response.ok || response.body === null) {
    throw new Fault({
      code: "sandbox_query_failed",
      layer: "flight",
      disposition: "retry",
      message: `InfluxDB answered ${response.status} to "${sql}": ${(await response.text()).slice(0, 500)}`,
    });
  }
  for await (const line of linesOf(response.body)) yield JSON.parse(line) as Row;
}

/** The tables that hold data. InfluxDB lists its own beside them, in other schemas than `iox`. */
export async function tableNames(db: Database): Promise<Set<string>> {
  const names = new Set<string>();
  const tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'";
  for await (const row of queryRows(db, tables)) names.add(String(row["table_name"]));
  return names;
}

/**
 * Nanoseconds since 1970 of a time column: `2026-11-22T08:00:00.123456789`, UTC, with as many digits as it
 * needs. Undefined when the value is none.
 */
export function timeNsOf(value: unknown): bigint | undefined {
  if (typeof value !== "string") return undefined;
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00(?::?00)?)?$/.exec(value);
  if (match === null) return undefined;
  const [, date, time, fraction = ""] = match;
  const seconds = Date.parse(`${date}T${time}Z`) / 1000;
  return Number.isNaN(seconds)
    ? undefined
    : BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}
