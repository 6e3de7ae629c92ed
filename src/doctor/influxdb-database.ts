/** The database that is written to: whether it exists and how long it keeps rows. Nothing is changed. */
import { Fault } from "../lib/fault.ts";
import type { InfluxHttp, TimedAnswer } from "./influxdb-http.ts";
import { shownSpan, type Lines } from "./lines.ts";
import { jsonIn, memberOf, type Server } from "./influxdb-server.ts";

/** Lists the databases: the cheapest request of Core and Enterprise that wants a token. Others do not have it. */
export const databasesPath = "/api/v3/configure/database?format=json";

/** Of Core; Enterprise has 100, or as many as it was told. */
const coreDatabases = 5;

/** Undefined: the answer is no list. The server's own database does not count. */
export function databasesIn({ status, body }: TimedAnswer): readonly string[] | undefined {
  const rows = status === 200 ? jsonIn(body) : undefined;
  if (!Array.isArray(rows)) return undefined;
  const names = rows.map((row: unknown) => memberOf(row, "iox::database"));
  return names.filter((name) => typeof name === "string").filter((name) => name !== "_internal");
}

/** "forever"; undefined: it was not told. */
export type Retention = number | "forever" | undefined;

/** Asks the server's own table, which wants an admin token, and then InfluxQL, which tells it from 3.8.2 on. */
export async function retentionOf(
  http: InfluxHttp,
  database: string,
  signal: AbortSignal,
): Promise<Retention> {
  // A database name has no quotes (influx/config.ts).
  const sql = `SELECT retention_period_ns FROM system.databases WHERE database_name = '${database}' AND NOT deleted`;
  const own = await ask(http, "sql", { db: "_internal", q: sql }, signal);
  if (own !== undefined) {
    const ns = memberOf(own, "retention_period_ns");
    // A column that is null is left out.
    return typeof ns === "number" ? ns / 1e6 : "forever";
  }
  const policy = await ask(http, "influxql", { db: database, q: "SHOW RETENTION POLICIES" }, signal);
  const duration = memberOf(policy, "duration");
  return typeof duration === "string" ? policyMs(duration) : undefined;
}

/** The first row, if there is an answer with one. */
async function ask(
  http: InfluxHttp,
  language: "sql" | "influxql",
  question: { readonly db: string; readonly q: string },
  signal: AbortSignal,
): Promise<unknown> {
  const body = { ...question, format: "json" };
  const answer = await http.ask({ method: "POST", path: `/api/v3/query_${language}`, body }, signal);
  if (answer instanceof Fault || answer.status !== 200) return undefined;
  const rows = jsonIn(answer.body);
  return Array.isArray(rows) ? (rows as readonly unknown[])[0] : undefined;
}

/** "168h0m0s", as InfluxDB 1 wrote it; "0s" keeps everything. */
function policyMs(text: string): Retention {
  const [, hours, minutes, seconds] = /^(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/.exec(text) ?? [];
  if (hours === undefined && minutes === undefined && seconds === undefined) return undefined;
  const ms = Number(hours ?? 0) * 3_600_000 + Number(minutes ?? 0) * 60_000 + Number(seconds ?? 0) * 1000;
  return ms === 0 ? "forever" : ms;
}

const unitSeconds: Readonly<Record<string, number>> = {
  h: 3600,
  d: 86_400,
  w: 604_800,
  // A twelfth of a year of 365.25 days, to InfluxDB.
  mo: 2_630_016,
  y: 31_557_600,
};

/** What `retention` in the configuration comes to. */
export function configuredMs(retention: string): number {
  const parts = retention.matchAll(/(\d+)(mo|[hdwy])/g);
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (unitSeconds[unit ?? ""] ?? 0) * 1000,
    0,
  );
}

/** An outage over a weekend is an ordinary one: what waited for that long must still be seen when it arrives. */
const leastUsefulMs = 72 * 3_600_000;

export interface DatabaseContext {
  readonly database: string;
  /** As configured. */
  readonly wanted: string | undefined;
  readonly edition: Server["edition"];
  /** Undefined: they were not told. */
  readonly names: readonly string[] | undefined;
  readonly retention: Retention;
}

/** The line `database`. */
export function tellDatabase(lines: Lines, context: DatabaseContext): void {
  const { database, names, retention } = context;
  if (names?.includes(database) === false) tellMissing(lines, context, names.length);
  else if (names === undefined && retention === undefined) {
    lines.skipped(
      "database",
      "not told over HTTP by this server, or not to this token: see what Flight says",
    );
  } else tellRetention(lines, context);
}

/** The line `limits`. */
export function tellCoreLimits(lines: Lines, names: readonly string[] | undefined): void {
  const used = names === undefined ? "" : `${names.length} of ${coreDatabases} databases; `;
  const text = `${used}a query reads 432 Parquet files at most, which hold about 72 hours`;
  lines.ok("limits", text, names && { databases: names.length });
}

function tellMissing(lines: Lines, { database, wanted, edition }: DatabaseContext, count: number): void {
  if (edition === "core" && count >= coreDatabases) {
    lines.fault("database", limitReached(database));
    return;
  }
  if (wanted === undefined) {
    const hint = `set retention beside database, or create it yourself: influxdb3 create database ${database} --retention-period 90d`;
    lines.warning(
      "database",
      `${database} does not exist: the first write creates it, and it then keeps rows for ever`,
      hint,
    );
  } else if (edition === "enterprise") {
    const hint = `see that the token is an admin token, or create it yourself: influxdb3 create database ${database} --retention-period ${wanted}`;
    lines.warning(
      "database",
      `${database} does not exist: Flightline creates it when it starts, if it may`,
      hint,
    );
  } else {
    lines.ok(
      "database",
      `${database} does not exist yet: Flightline creates it when it starts, to keep rows ${wanted}`,
    );
  }
}

function tellRetention(lines: Lines, { database, wanted, retention }: DatabaseContext): void {
  if (retention === undefined) {
    lines.ok("database", `${database} exists; how long it keeps rows is not told`);
    return;
  }
  const keeps = retention === "forever" ? "for ever" : shownSpan(retention);
  const figures = retention === "forever" ? {} : { retentionMs: retention };
  if (wanted !== undefined && configuredMs(wanted) !== retention) {
    const text = `${database} keeps rows ${keeps}, not ${wanted} as configured: a database that exists is left as it is`;
    const hint = `influxdb3 update database ${database} --retention-period ${wanted}, or correct retention`;
    lines.warning("database", text, hint, figures);
  } else if (retention !== "forever" && retention < leastUsefulMs) {
    const text = `${database} keeps rows ${keeps} only: what waits here for longer, in an outage, is taken and never seen`;
    const hint = `influxdb3 update database ${database} --retention-period 7d, or longer`;
    lines.warning("database", text, hint, figures);
  } else {
    const late = retention === "forever" ? "" : "; what arrives later than that is taken and never seen";
    lines.ok("database", `${database} exists and keeps rows ${keeps}${late}`, figures);
  }
}

function limitReached(database: string): Fault {
  return new Fault({
    code: "database_limit_reached",
    layer: "write",
    disposition: "fatal",
    message: `the database ${database} does not exist, and InfluxDB has as many as it may have`,
    hint: "delete one (influxdb3 delete database NAME), or name one that exists in influxdb.database; Core has room for 5",
  });
}
