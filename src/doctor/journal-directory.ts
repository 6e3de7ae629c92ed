/** The directory of the databases: is it there, may this user look into it, and will the daemon be able to write. */
import { constants } from "node:fs";
import { access, lstat, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCode } from "../lib/fault.ts";
import type { Finding } from "./finding.ts";

const check = "journal.directory";

/** Of what is at a path, or why nobody can say: an errno such as ENOENT. */
type Look = { readonly owner: number; readonly mode: number; readonly isDirectory: boolean } | string;

interface OwnedFile {
  readonly name: string;
  readonly owner: number;
}

export interface DirectoryFacts {
  readonly dir: string;
  readonly look: Look;
  /** Why this user may not read, write and search it, as an errno; undefined: it may. */
  readonly access: string | undefined;
  /** The lowest directory that is there, `dir` itself or one above it. */
  readonly nearest: string;
  /** As `access`, of `nearest`. */
  readonly nearestAccess: string | undefined;
  /** A symbolic link to nothing. */
  readonly isDangling: boolean;
  /** Those of the databases, the lock and the ballast that are there. */
  readonly files: readonly OwnedFile[];
  /** Effective, of this process. */
  readonly uid: number;
  readonly accountName: (uid: number) => string;
}

/** Whether the rest can be tried, besides what is to be said. */
export interface DirectoryVerdict {
  readonly finding: Finding;
  /** Undefined: the directory is there and can be looked into. */
  readonly obstacle: string | undefined;
}

const databaseFiles = ["journal", "state"].flatMap((name) =>
  ["", "-wal", "-shm"].map((suffix) => `${name}.db${suffix}`),
);

export async function lookAtDirectory(dir: string): Promise<DirectoryFacts> {
  const look = await lookAt(dir);
  const nearest = await nearestDirectory(dir);
  const names = [...databaseFiles, "flightline.lock", "ballast"];
  const files = await Promise.all(names.map(async (name) => ({ name, look: await lookAt(join(dir, name)) })));
  return {
    dir,
    look,
    access: await accessTo(dir),
    nearest,
    nearestAccess: await accessTo(nearest),
    isDangling: look === "ENOENT" && (await isLink(dir)),
    files: files.flatMap(({ name, look }) => (typeof look === "string" ? [] : [{ name, owner: look.owner }])),
    uid: process.geteuid?.() ?? -1,
    accountName: await accountNames(),
  };
}

async function lookAt(path: string): Promise<Look> {
  try {
    const found = await stat(path);
    return { owner: found.uid, mode: found.mode & 0o7777, isDirectory: found.isDirectory() };
  } catch (error) {
    return errorCode(error) ?? "EIO";
  }
}

async function accessTo(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return errorCode(error) ?? "EIO";
  }
}

async function nearestDirectory(dir: string): Promise<string> {
  for (let path = dir; ; path = dirname(path)) {
    const look = await lookAt(path);
    if ((typeof look !== "string" && look.isDirectory) || path === dirname(path)) return path;
  }
}

async function isLink(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isSymbolicLink() === true;
}

/** By passwd(5); a number that nobody there has stays one. */
export async function accountNames(): Promise<(uid: number) => string> {
  const lines = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n");
  const names = new Map(lines.map((line) => line.split(":")).map((cells) => [cells[2], cells[0]]));
  return (uid) => names.get(String(uid)) ?? String(uid);
}

/** Pure. */
export function judgeDirectory(facts: DirectoryFacts): DirectoryVerdict {
  const { dir, look } = facts;
  if (look === "EACCES") {
    const text = `not tried: ${facts.nearest} does not let this user pass`;
    return stopped("skipped", text, asRoot);
  }
  if (typeof look === "string") return judgeMissing(facts, look);
  if (!look.isDirectory) return unwritable(`${dir} is a file and no directory`, inTheWay);
  const owner = facts.accountName(look.owner);
  if (facts.access === "EACCES" && facts.uid !== look.owner) {
    const text = `not tried: ${dir} is for the user ${owner} (mode ${octal(look.mode)})`;
    return stopped("skipped", text, asRoot);
  }
  if (facts.access !== undefined) {
    return unwritable(
      `${dir} cannot be written (${facts.access})`,
      writeHints[facts.access] ?? modeHint(dir),
    );
  }
  return { finding: judgeOwners(facts, look.owner, look.mode), obstacle: undefined };
}

/** Its owner could look, but the files that the configuration names are often for root alone. */
const asRoot = "run this as root: sudo flightline doctor";
const inTheWay = "a file or a symbolic link to nothing is in the way: move it, or set another [journal] dir";
const writeHints: Readonly<Record<string, string>> = {
  EROFS: "its file system is mounted read-only: findmnt -T tells which, the kernel log why (sudo dmesg)",
};

function modeHint(dir: string): string {
  return `let its owner read, write and search it: sudo chmod u+rwx ${dir}`;
}

function judgeMissing(facts: DirectoryFacts, errno: string): DirectoryVerdict {
  const { dir, nearest, nearestAccess } = facts;
  if (facts.isDangling || errno === "ENOTDIR") {
    return unwritable(`${dir} is not there, and something else is in its place or above it`, inTheWay);
  }
  if (errno !== "ENOENT")
    return unwritable(`${dir} cannot be looked at (${errno})`, "see the kernel log: sudo dmesg");
  if (nearestAccess === "EROFS") {
    return unwritable(`${dir} is not there, and ${nearest} is read-only`, writeHints["EROFS"]);
  }
  const made = "the service makes it at its start when StateDirectory= names it";
  if (nearestAccess === undefined) {
    return stopped(
      "ok",
      `${dir} is not there yet; the first start makes it in ${nearest}, mode 750`,
      undefined,
    );
  }
  return stopped(
    "warning",
    `${dir} is not there yet, and this user may make nothing in ${nearest}`,
    `${made}; otherwise: sudo install -d -m 750 -o flightline -g flightline ${dir}`,
  );
}

/** Who started the daemon as root once has left files that the service cannot open. */
function judgeOwners(facts: DirectoryFacts, uid: number, mode: number): Finding {
  const { dir, files, accountName } = facts;
  const owner = accountName(uid);
  const figures = { dir, owner, mode: octal(mode) };
  const strange = files.filter((file) => file.owner !== uid);
  if (strange.length > 0) {
    const names = strange.map((file) => `${file.name} to ${accountName(file.owner)}`).join(", ");
    return {
      check,
      // Root opens whatever it belongs to.
      severity: uid === 0 ? "warning" : "failure",
      text: `${dir} belongs to ${owner}, but ${names}: a daemon of ${owner} cannot open that`,
      hint: `stop flightline, then: sudo chown -R ${owner}: ${dir}`,
      code: "journal_unwritable",
      figures,
    };
  }
  if ((mode & 0o002) !== 0) {
    const text = `${dir} (of ${owner}, mode ${octal(mode)}) can be written by everybody on this machine`;
    return { check, severity: "warning", text, hint: `sudo chmod 750 ${dir}`, figures };
  }
  return { check, severity: "ok", text: `${dir} belongs to ${owner}, mode ${octal(mode)}`, figures };
}

function stopped(severity: Finding["severity"], text: string, hint: string | undefined): DirectoryVerdict {
  const obstacle =
    severity === "skipped" ? "the directory cannot be looked into" : "the directory is not there";
  return { finding: { check, severity, text, hint }, obstacle };
}

function unwritable(text: string, hint: string | undefined): DirectoryVerdict {
  const finding: Finding = { check, severity: "failure", text, hint, code: "journal_unwritable" };
  return { finding, obstacle: "the directory cannot be written" };
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, "0");
}
