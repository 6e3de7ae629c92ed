/**
 * Who has the journal, by the kernel's list of locks: nothing is opened and no lock is asked for, so that a daemon
 * that is just starting cannot be refused on account of this.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Finding } from "./finding.ts";

/** A line of /proc/locks: a lock that is held. */
interface HeldLock {
  readonly isExclusive: boolean;
  readonly pid: number;
  readonly inode: bigint;
  /** major:minor in hex, as it stands there. */
  readonly device: string;
}

/** `1: POSIX  ADVISORY  WRITE 1234 fe:01:131104 1073741824 1073742335`, proc(5). Who only waits has an arrow. Pure. */
export function parseLocks(text: string): HeldLock[] {
  const pattern = /^\d+: (?:POSIX|OFDLCK)\s+\S+\s+(READ|WRITE) (-?\d+) ([\da-f]+:[\da-f]+):(\d+) /gm;
  return [...text.matchAll(pattern)].map(([, kind, pid, device, inode]) => ({
    isExclusive: kind === "WRITE",
    pid: Number(pid),
    device: device ?? "",
    inode: BigInt(inode ?? 0),
  }));
}

export interface Holder {
  readonly pid: number;
  /** "flightline run", "sqlite3": what it was started as; "" when that cannot be read. */
  readonly name: string;
  readonly isDaemon: boolean;
}

export interface HolderFacts {
  /** Undefined: nobody. */
  readonly holder: Holder | undefined;
  /** Others that have a lock on the journal or on the index of its WAL. */
  readonly others: readonly Holder[];
  /** The holder of the directory has a lock on what is called journal.db. */
  readonly hasJournalOpen: boolean;
  /** Of flightline.pid; undefined: it is not there. */
  readonly pidFile: string | undefined;
}

/** Undefined where the kernel's list cannot be read. */
export async function whoHolds(dir: string, procDir = "/proc"): Promise<HolderFacts | undefined> {
  const text = await readFile(join(procDir, "locks"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const pidFile = await readFile(join(dir, "flightline.pid"), "utf8").catch(() => undefined);
  const locks = parseLocks(text);
  const lock = (await locksOn(join(dir, "flightline.lock"), locks, Number(pidFile))).find(
    ({ isExclusive }) => isExclusive,
  );
  const holder = lock === undefined ? undefined : await describe(lock.pid, procDir);
  const ofJournal = await pidsAt(join(dir, "journal.db"), locks, holder?.pid);
  const ofIndex = await pidsAt(join(dir, "journal.db-shm"), locks, holder?.pid);
  const others: Holder[] = [];
  for (const pid of ofJournal.union(ofIndex)) {
    const isOurs =
      holder !== undefined && (pid === holder.pid || (await parentOf(pid, procDir)) === holder.pid);
    if (!isOurs) others.push(await describe(pid, procDir));
  }
  return {
    holder,
    others,
    hasJournalOpen: holder !== undefined && ofJournal.has(holder.pid),
    pidFile: pidFile?.trim(),
  };
}

async function pidsAt(
  file: string,
  locks: readonly HeldLock[],
  knownPid: number | undefined,
): Promise<Set<number>> {
  return new Set((await locksOn(file, locks, knownPid)).map(({ pid }) => pid));
}

/** btrfs and overlay list another device than stat(2) tells: there the number of the file and of a known process must do. */
async function locksOn(
  file: string,
  locks: readonly HeldLock[],
  knownPid: number | undefined,
): Promise<HeldLock[]> {
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  if (found === undefined) return [];
  const device = deviceText(found.dev);
  return locks.filter(
    (lock) => lock.inode === found.ino && (lock.device === device || lock.pid === knownPid),
  );
}

/** As gnu_dev_major(3) takes a dev_t apart. Pure. */
export function deviceText(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return [major, minor].map((part) => part.toString(16).padStart(2, "0")).join(":");
}

async function describe(pid: number, procDir: string): Promise<Holder> {
  const text = await readFile(join(procDir, String(pid), "cmdline"), "utf8").catch(() => "");
  return { pid, ...nameOf(text.split("\0").filter((word) => word !== "")) };
}

/** Pure. */
export function nameOf(words: readonly string[]): Pick<Holder, "name" | "isDaemon"> {
  const programs = words.map((word) => word.slice(word.lastIndexOf("/") + 1));
  const isDaemon =
    words.includes("run") && programs.some((name) => /^(?:main\.[jt]s|flightline)$/.test(name));
  return { name: isDaemon ? "flightline run" : (programs[0] ?? ""), isDaemon };
}

/** proc_pid_stat(5): the second field has parentheses, and may have more of them within. */
async function parentOf(pid: number, procDir: string): Promise<number | undefined> {
  const text = await readFile(join(procDir, String(pid), "stat"), "utf8").catch(() => "");
  const [, parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return parent === undefined ? undefined : Number(parent);
}

/** Pure. `daemonPid`: of the daemon of this directory that has answered. */
export function judgeHolders(facts: HolderFacts | undefined, daemonPid: number | undefined): Finding[] {
  const check = "journal.lock";
  if (facts === undefined)
    return [{ check, severity: "skipped", text: "not tried: /proc/locks cannot be read" }];
  const others = facts.others.map((other): Finding => {
    return {
      check: "journal.others",
      severity: "warning",
      text: `${nameAndPid(other)} has the journal open too: a write of it blocks commits, and while it reads, the WAL cannot begin anew`,
      hint: "end it when it is done; a copy of the file without its -wal lacks the newest commits",
      figures: { pid: other.pid, name: other.name },
    };
  });
  return [judgeLock(facts, daemonPid), ...others];
}

function judgeLock({ holder, pidFile }: HolderFacts, daemonPid: number | undefined): Finding {
  const check = "journal.lock";
  if (holder !== undefined) {
    const figures = { pid: holder.pid, name: holder.name };
    if (holder.isDaemon || holder.pid === daemonPid) {
      return { check, severity: "ok", text: `held by flightline run, pid ${holder.pid}`, figures };
    }
    return {
      check,
      severity: "failure",
      text: `${nameAndPid(holder)} holds the directory, which is not flightline run: the daemon cannot start`,
      hint: "end it, or give the daemon a [journal] dir of its own",
      code: "journal_locked",
      figures,
    };
  }
  if (daemonPid !== undefined) {
    // Locks of processes in another PID namespace are not listed.
    const text = `held by the daemon that answers, pid ${daemonPid}, whose lock is not to be seen from here`;
    return { check, severity: "ok", text };
  }
  if (pidFile !== undefined) {
    return {
      check,
      severity: "warning",
      text: `nobody holds the directory, and the last daemon (pid ${pidFile === "" ? "unknown" : pidFile}) has not released it: it was killed, crashed, or lost its power`,
      hint: "the next start checks the journal; journalctl -u flightline -b -1 shows the time before a restart of the machine",
    };
  }
  return { check, severity: "ok", text: "free: no daemon has the directory" };
}

function nameAndPid({ name, pid }: Holder): string {
  return name === "" ? `a process of another user (pid ${pid})` : `${name} (pid ${pid})`;
}
