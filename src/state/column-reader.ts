import Database from "better-sqlite3";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { errorCode, Fault } from "../lib/fault.ts";
import type { TableColumn } from "../telemetry/column-types.ts";
import { storedColumns } from "./schema-store.ts";
import { stateTables } from "./schema.ts";

/** A commit is over long before. */
const busyTimeoutMs = 5000;

/**
 * What state.db keeps of InfluxDB's columns, by the key of their database, for somebody who is not the daemon:
 * beside a running one, or after it has ended. As with the journal's reader, nobody waits for it, nothing is
 * written, and the file is closed when it returns. Faults: columns_unread.
 */
export function readColumns(
  dir: string,
  keys: readonly string[],
): ReadonlyMap<string, readonly TableColumn[]> {
  const file = join(dir, "state.db");
  if (!existsSync(file)) throw unread("there is no state.db yet");
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, fileMustExist: true, timeout: busyTimeoutMs });
    requireState(database);
    const columns = new Map<string, readonly TableColumn[]>();
    for (const key of keys) columns.set(key, storedColumns(database, key));
    return columns;
  } catch (error) {
    const code = errorCode(error);
    if (error instanceof Fault || code === undefined) throw error;
    throw unread(`state.db cannot be read (${code})`, error);
  } finally {
    database?.close();
  }
}

function requireState(database: Database.Database): void {
  const applicationId = database.pragma("application_id", { simple: true });
  if (applicationId !== stateTables.applicationId) throw unread(`state.db belongs to another program`);
  const version = Number(database.pragma("user_version", { simple: true }));
  const newest = stateTables.migrations.length;
  // The table is as old as the file: what an older flightline has written is read as well.
  if (version > newest) throw unread(`state.db has schema ${version}, newer than ${newest}`);
}

function unread(message: string, cause?: unknown): Fault {
  return new Fault({
    code: "columns_unread",
    layer: "journal",
    disposition: "drop",
    message,
    hint: "run this as the user that runs flightline, with the configuration that it runs with, once it has written to InfluxDB",
    cause,
  });
}
