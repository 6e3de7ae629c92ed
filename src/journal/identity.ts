import type Database from "better-sqlite3";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fault } from "../lib/fault.ts";
import { vanishedFault } from "./directory.ts";
import { unfinishedSalvages } from "./salvage-progress.ts";

export interface Identity {
  readonly id: string;
  /** What to report, if anything. */
  readonly fault: Fault | undefined;
}

/**
 * SQLite opens a zero-length or missing file as a new, empty database without a word. The journal's id is
 * therefore kept twice, in the file and in `journal.id` beside it; when they differ, a journal with
 * messages in it has gone, and that is said.
 *
 * `alreadyReported`: the old file was moved aside, which explains it. So does one that was moved by a start which
 * did not come further.
 */
export function recoverIdentity(
  database: Database.Database,
  dir: string,
  alreadyReported: boolean,
): Identity {
  const marker = join(dir, "journal.id");
  const expected = existsSync(marker) ? readFileSync(marker, "utf8").trim() : undefined;
  const stored = database.prepare<[], { id: string }>("SELECT id FROM identity").get();
  const id = stored?.id ?? randomUUID();
  if (stored === undefined) database.prepare("INSERT INTO identity (id) VALUES (?)").run(id);
  if (expected === id) return { id, fault: undefined };
  writeFileSync(marker, `${id}\n`);
  const isExplained = alreadyReported || (stored === undefined && unfinishedSalvages(dir).length > 0);
  if (expected === undefined || expected === "" || isExplained) return { id, fault: undefined };
  return { id, fault: vanishedFault(dir) };
}
