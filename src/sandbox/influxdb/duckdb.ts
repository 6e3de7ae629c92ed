/**
 * DuckDB, loaded when the sandbox needs it: it is an optional dependency of 70 MB, and the daemon never
 * touches it. The engine is opened without file access, network and extensions beyond its own file.
 */
import { join } from "node:path";

import type * as duckDb from "@duckdb/node-api";
import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";

import { Fault, errorText } from "../../lib/fault.ts";
import { makeDataDirectory } from "../data-directory.ts";

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

const engineOptions: Readonly<Record<string, string>> = {
  threads: "2",
  memory_limit: "512MB",
  enable_external_access: "false",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
  // As in DataFusion: 7 / 2 is 3, and NULL is larger than any value.
  integer_division: "true",
  default_null_order: "nulls_last_on_asc_first_on_desc",
};

export interface OpenedEngine {
  readonly duckDb: DuckDb;
  readonly instance: DuckDBInstance;
  readonly writer: DuckDBConnection;
}

/** Throws the faults `sandbox_duckdb_missing` and `sandbox_data_unusable`. */
export async function openEngine(directory: string | undefined): Promise<OpenedEngine> {
  const duckDb = await loadDuckDb();
  if (directory !== undefined) await makeDataDirectory(directory);
  try {
    const path = directory === undefined ? ":memory:" : join(directory, "influxdb.duckdb");
    const instance = await duckDb.DuckDBInstance.create(path, { ...engineOptions });
    return { duckDb, instance, writer: await instance.connect() };
  } catch (cause) {
    throw new Fault({
      code: "sandbox_data_unusable",
      layer: "host",
      disposition: "fatal",
      message: `the sandbox cannot open its data in ${directory ?? "memory"}: ${errorText(cause)}`,
      hint: "stop the sandbox that uses this directory, or name another one with --data",
      cause,
    });
  }
}

/** A name in a statement. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
