import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../lib/fault.ts";
import { unwritableFault } from "./lock.ts";

/** For the owner, and for reading by the group. */
const directoryMode = 0o750;

/** The data directory and what is missing above it. Fault: journal_unwritable. */
export function makeDataDirectory(dir: string): void {
  try {
    makeDirectory(dir);
  } catch (error) {
    throw unwritableFault(dir, error);
  }
}

/**
 * One level at a time: Node's recursive mkdir never ends where making a directory is answered with ENOENT
 * although the one above it is there, as /proc does.
 */
function makeDirectory(dir: string): void {
  if (isDirectory(dir)) return;
  const parent = dirname(dir);
  if (parent !== dir) makeDirectory(parent);
  try {
    mkdirSync(dir, { mode: directoryMode });
  } catch (error) {
    // Somebody else may have made it in between.
    if (!isDirectory(dir)) throw error;
  }
}

/** `journal.id` says that there was a journal, and it is not this one. */
export function vanishedFault(dir: string): Fault {
  return new Fault({
    code: "journal_vanished",
    layer: "journal",
    disposition: "drop",
    message: `the journal in ${dir} was replaced or emptied from outside; what it held is gone`,
    hint: "check the file system for damage, and that nothing else cleans this directory",
  });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
