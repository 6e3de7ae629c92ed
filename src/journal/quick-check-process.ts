import Database from "better-sqlite3";
import { setPriority } from "node:os";
import { errorCode } from "../lib/fault.ts";

/**
 * The program that quick-check.ts runs: says "sound" or "damaged" about the database named by its argument,
 * or nothing when it cannot tell.
 */
const lowestPriority = 19;

function check(file: string): "sound" | "damaged" | undefined {
  try {
    const database = new Database(file, { readonly: true, timeout: 5000 });
    return database.pragma("quick_check(1)", { simple: true }) === "ok" ? "sound" : "damaged";
  } catch (error) {
    const code = errorCode(error);
    return code?.startsWith("SQLITE_CORRUPT") === true || code === "SQLITE_NOTADB" ? "damaged" : undefined;
  }
}

setPriority(lowestPriority);
process.stdout.write(check(process.argv[2] ?? "") ?? "");
