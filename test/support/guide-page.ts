/** What docs/tables.md says: the columns of each table, and queries as Grafana's InfluxDB data source sends them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const page = join(import.meta.dirname, "../../docs/tables.md");

export interface GuideTable {
  readonly table: string;
  readonly columns: readonly string[];
}

const names = ["device_name", "application_name", "profile_name", "tenant_name"];

/** The last column of the page's table. *Names* stands for four; what a `<…>` is part of is many. */
export function guideColumns(): GuideTable[] {
  const rows = readFileSync(page, "utf8").matchAll(/^\| `([^`]+)` \|.*\|([^|]+)\|$/gm);
  return [...rows].map(([, table = "", cell = ""]) => {
    const columns = [...cell.matchAll(/`(\w+)`/g)].map(([, column = ""]) => column);
    if (cell.includes("*names*")) columns.push(...names);
    return { table, columns: columns.toSorted() };
  });
}

export interface GuideQuery {
  /** "1. The newest value of each device" */
  readonly heading: string;
  readonly sql: string;
}

/** Every block of SQL, with the heading above it. */
export function guideQueries(): GuideQuery[] {
  const blocks = /^#+ (.*)$|^```sql\n([\s\S]*?)^```$/gm;
  const queries: GuideQuery[] = [];
  let heading = "";
  for (const [, newHeading, sql] of readFileSync(page, "utf8").matchAll(blocks)) {
    if (sql === undefined) heading = newHeading ?? "";
    else queries.push({ heading, sql });
  }
  return queries;
}

/** What a dashboard gives to a query. */
export interface Dashboard {
  /** RFC 3339, UTC, whole seconds. */
  readonly from: string;
  readonly to: string;
  readonly intervalS: number;
}

/**
 * Grafana puts in texts, nothing more (pkg/tsdb/influxdb/fsql/macro.go; the time filter is that of its plugin
 * SDK, data/sqlutil/macros.go). Throws where a macro is left.
 */
export function withoutMacros(sql: string, { from, to, intervalS }: Dashboard): string {
  const expanded = sql
    .replaceAll(
      /\$__timeFilter\(([^()]*)\)/g,
      (_, column: string) => `${column} >= '${from}' AND ${column} <= '${to}'`,
    )
    .replaceAll(
      /\$__dateBin\(([^()]*)\)/g,
      (_, column: string) =>
        `date_bin(interval '${intervalS} second', ${column}, timestamp '1970-01-01T00:00:00Z')`,
    );
  if (expanded.includes("$__")) throw new Error(`a macro that nobody knows here: ${expanded}`);
  return expanded;
}
