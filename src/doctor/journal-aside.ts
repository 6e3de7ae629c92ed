/**
 * What stands beside the two databases and may want somebody: the ballast, marks of damage, and databases that were
 * moved aside. By names, sizes and first bytes alone: no database is opened. What needs nobody has no line, but for
 * moved files, which take space.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Ballast } from "../journal/ballast.ts";
import { unfinishedSalvages } from "../journal/salvage-progress.ts";
import { errorCode } from "../lib/fault.ts";
import { formatBytes } from "../lib/units.ts";
import { markOf } from "../sqlite/damage.ts";
import type { Schema } from "../sqlite/database.ts";
import type { Finding } from "./finding.ts";
import { headOf, type JournalHead } from "./journal-file.ts";

export interface AsideFacts {
  readonly isBallastGivenUp: boolean;
  /** Databases that were found damaged, and are still in their place. */
  readonly marked: readonly { readonly file: string; readonly why: string }[];
  /** Journals that were moved aside and have not been read to their end. */
  readonly unread: readonly { readonly file: string; readonly head: JournalHead | undefined }[];
  /** Other databases that were moved aside, with all that belongs to them. */
  readonly kept: { readonly count: number; readonly bytes: number; readonly hasState: boolean };
}

/** Undefined: the directory cannot be read. */
export async function lookAside(dir: string): Promise<AsideFacts | undefined> {
  try {
    return await factsOf(dir);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

async function factsOf(dir: string): Promise<AsideFacts> {
  const unread = unfinishedSalvages(dir);
  const files = (await readdir(dir))
    .filter((name) => /^(?:journal|state)\.db\.unusable-/.test(name))
    .map((name) => ({ file: join(dir, name), of: join(dir, name.replace(belongings, "")) }))
    .filter(({ of }) => !unread.includes(of));
  const sizes = await Promise.all(files.map(async ({ file }) => await sizeOf(file)));
  const kept = [...new Set(files.map(({ of }) => of))];
  return {
    isBallastGivenUp: new Ballast(dir).state === "given_up",
    marked: ["journal.db", "state.db"].flatMap((name) => {
      const file = join(dir, name);
      const mark = markOf(file);
      return mark === undefined ? [] : [{ file, why: mark.why }];
    }),
    unread: await Promise.all(
      unread.map(async (file) => ({ file, head: await headOf(file).catch(() => undefined) })),
    ),
    kept: {
      count: kept.length,
      bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
      hasState: kept.some((file) => file.startsWith(join(dir, "state.db"))),
    },
  };
}

/** What a database and its salvage have in other files. */
const belongings = /(?:-wal|-shm|\.progress|\.salvaged)(?:\.new)?$/;

/** 0: it is gone meanwhile. */
async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  return found?.size ?? 0;
}

/** Pure. `isHeld`: a daemon has the directory. */
export function judgeAside(facts: AsideFacts | undefined, isHeld: boolean, schema: Schema): Finding[] {
  if (facts === undefined) return [];
  return [
    ...(facts.isBallastGivenUp ? [ballastGivenUp()] : []),
    ...facts.marked.map(({ file, why }) => damaged(file, why, isHeld)),
    ...facts.unread.map(({ file, head }) => unreadJournal(file, head, isHeld, schema)),
    ...(facts.kept.count === 0 ? [] : [keptFiles(facts.kept)]),
  ];
}

function ballastGivenUp(): Finding {
  return {
    check: "journal.ballast",
    severity: "warning",
    text: "the disk was full, and the ballast was given up for it: the journal does not grow any more",
    hint: "free space on the disk that holds [journal] dir: once there is room the ballast comes back, and the journal grows again",
    code: "disk_full",
  };
}

const diskHint = "look at the kernel log for disk errors (sudo dmesg)";

function damaged(file: string, why: string, isHeld: boolean): Finding {
  return {
    check: "journal.damage",
    severity: "failure",
    text: `${file} ${why}: the next start moves it aside and begins a new one`,
    hint: isHeld
      ? `restart flightline if it does not do so itself; ${diskHint}`
      : `start flightline: what is whole in a journal is sent on; ${diskHint}`,
    code: "journal_damaged",
  };
}

function unreadJournal(
  file: string,
  head: JournalHead | undefined,
  isHeld: boolean,
  { applicationId, migrations }: Schema,
): Finding {
  const check = "journal.salvage";
  const isOther = head !== undefined && head.applicationId !== 0 && head.applicationId !== applicationId;
  if (isOther) {
    const text = `${file} is another program's database, which lay where the journal belongs`;
    return {
      check,
      severity: "warning",
      text,
      hint: "take it away, and see which program wrote it there",
    };
  }
  const version = head?.schemaVersion ?? 0;
  if (head?.applicationId === applicationId && version > migrations.length) {
    return {
      check,
      severity: "warning",
      text: `${file} was written by a newer flightline (schema ${version}, this one knows ${migrations.length}): what waited in it is not sent`,
      hint: "install the newer version again, which sends it; or delete the file, if nobody needs it",
      code: "database_moved_aside",
    };
  }
  if (isHeld) {
    const text = `${file} is being read, and what it owes is sent on; flightline logs the sum`;
    return { check, severity: "ok", text };
  }
  return {
    check,
    severity: "warning",
    text: `${file} was moved aside and has not been read to its end: messages in it are not sent yet`,
    hint: "start flightline: it goes on where it was",
    code: "database_moved_aside",
  };
}

function keptFiles({ count, bytes, hasState }: AsideFacts["kept"]): Finding {
  const what =
    count === 1 ? "a database that was moved aside takes" : `${count} databases that were moved aside take`;
  const held = hasState ? "; only sqlite3 reads quarantine and dead letters in those of state.db" : "";
  return {
    check: "journal.moved_aside",
    severity: "ok",
    text: `${what} ${formatBytes(bytes)}, and may be deleted when nobody needs ${count === 1 ? "it" : "them"} (*.unusable-*)${held}`,
    figures: { count, bytes },
  };
}
