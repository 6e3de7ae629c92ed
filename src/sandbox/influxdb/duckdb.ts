/**
 * DuckDB, loaded when the sandbox needs it: it is an optional dependency of 70 MB, and the daemon never
 * touches it. The engine is opened without file access, network and extensions beyond its own file.
 */
import type * as duckDb from "@duckdb/node-api";

import { Fault, errorText } from "../../lib/fault.ts";

export type DuckDb = typeof duckDb;
export type { DuckDBAppender, DuckDBConnection, DuckDBInstance, DuckDBValue } from "@duckdb/node-api";

/** Throws the fault `sandbox_duckdb_missing`. */
export async function loadDuckDb(
  load: () => Promise<DuckDb> = async () => await import("@duckdb/node-api"),
): Promise<DuckDb> {
  try {
    return await load();
  } catch (cause) {
    throw new Fault({
      code: "sandbox_duckdb_missing",
      layer: "host",
      disposition: "fatal",
      message: `the sandbox keeps its data in DuckDB, which cannot be loaded: ${errorText(cause)}`,
      hint: "run: npm install @duckdb/node-api",
      cause,
    });
  }
}

export const engineOptions: Readonly<Record<string, string>> = {
  threads: "2",
  memory_limit: "512MB",
  enable_external_access: "false",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
};

/** A name in a statement. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
