import Database from "better-sqlite3";
import { setPriority } from "node:os";
import { errorCode } from "../lib/fault.ts";
import { dieWithParent } from "../supervision/die-with-parent.ts";

/**
 * The program that quick-check.ts runs: says "sound" or "damaged" about the database named by its argument,
 * or nothing when it cannot tell.
 *
 * While any connection is open SQLite trusts the index of the WAL that they share; only the first one to
 * open a database reads the WAL itself. A check that outlives a killed daemon would hide from the next one
 * what its last commit has just written: so it dies with the daemon.
 */
const lowPriority = 10;

function check(file: string): "sound" | "damaged" | undefined {
  try {
    const database = new Database(file, { readonly: true, timeout: 5000 });
    return database.pragma("quick_check(1)", { simple: true }) === "ok" ? "sound" : "damaged";
  } catch (error) {
    const code = errorCode(error);
    return code?.startsWith("SQLITE_CORRUPT") === true || code === "SQLITE_NOTADB" ? "damaged" : undefined;
  }
}

const [file = "", parent = ""] = process.argv.slice(2);
if (dieWithParent(Number(parent))) {
  try {
    setPriority(lowPriority);
  } catch {
    // A hardened unit forbids it. The check is bounded in time all the same.
  }
  process.stdout.write(check(file) ?? "");
}
