/**
 * The disk of the journal and the journal on it: is there room, is it safe there, how fast is it, who has it. All
 * of it by looking on from outside, also while a daemon runs and before one ever did: no lock is taken, no database
 * is opened. Written is one small file, to measure, which is removed at once.
 */
import type { JournalConfig } from "../journal/config.ts";
import { automaticQuotaBytes } from "../journal/quota.ts";
import { journalTables } from "../journal/schema.ts";
import { errorCode } from "../lib/fault.ts";
import type { DaemonStatus } from "../status/daemon-status.ts";
import type { Examination, Finding } from "./finding.ts";
import { shownSpan } from "./lines.ts";
import { judgeAside, lookAside } from "./journal-aside.ts";
import { judgeDirectory, lookAtDirectory } from "./journal-directory.ts";
import {
  isInMemory,
  isTight,
  judgeMount,
  judgeSpace,
  mountOf,
  type SpaceFacts,
  spaceBelow,
} from "./journal-disk.ts";
import {
  type JournalFileFacts,
  judgeJournal,
  judgeSqlite,
  judgeWal,
  lookAtJournal,
  sqliteVersion,
} from "./journal-file.ts";
import { judgeFsync, measureFsync } from "./journal-fsync.ts";
import { judgeHolders, whoHolds } from "./journal-holders.ts";

export interface JournalDeps {
  /** What a running daemon says of itself; undefined where none answers. Never rejects. */
  readonly daemon: (signal: AbortSignal) => Promise<DaemonStatus | undefined>;
}

/** Not to be called in the process of a daemon: see journal-file.ts. */
export function examineJournal(config: JournalConfig, deps: JournalDeps): Examination {
  return async (report, signal) => {
    const answer = deps.daemon(signal);
    const facts = await lookAtDirectory(config.dir);
    const { finding, obstacle } = judgeDirectory(facts);
    report(finding);
    const found = obstacle === undefined ? await lookAtJournal(config.dir) : obstacle;
    const journal = typeof found === "string" ? undefined : found;
    const place = await examineDisk(config, facts.nearest, journal, report);
    if (signal.aborted) return;
    if (obstacle === undefined) await examineFsync(config, place, report, signal);
    else report(notTried("journal.fsync", obstacle));
    const status = await answer;
    const daemon = status?.dataDir === config.dir ? status : undefined;
    if (signal.aborted) return;
    if (obstacle === undefined) await examineFiles(config, found, daemon, report);
    else
      for (const check of ["journal.lock", "journal.file", "journal.wal"]) report(notTried(check, obstacle));
    report(judgeSqlite(sqliteVersion(), journal?.head));
    report(judgeBacklog(daemon));
  };
}

type Report = (finding: Finding) => void;

interface Place {
  readonly isInMemory: boolean;
  readonly isTight: boolean;
  readonly isReadOnly: boolean;
}

/** `nearest`: the directory, or the one in which it will be made. */
async function examineDisk(
  config: JournalConfig,
  nearest: string,
  journal: JournalFileFacts | undefined,
  report: Report,
): Promise<Place> {
  const mount = await mountOf(nearest).catch(() => undefined);
  report(judgeMount(mount, nearest));
  const isReadOnly = mount?.options.includes("ro") === true;
  const inMemory = mount !== undefined && isInMemory(mount);
  const below = await spaceBelow(nearest).catch((error: unknown) => errorCode(error) ?? "EIO");
  // /proc and the like have no size.
  if (typeof below === "string" || below.totalBytes === 0) {
    const why = typeof below === "string" ? `cannot be asked (${below})` : "tells no size";
    report(notTried("journal.space", `the file system of ${nearest} ${why}`));
    return { isInMemory: inMemory, isReadOnly, isTight: true };
  }
  const space: SpaceFacts = {
    ...below,
    quotaBytes: config.maxSizeBytes ?? automaticQuotaBytes(nearest),
    isQuotaConfigured: config.maxSizeBytes !== undefined,
    journalBytes: journal?.bytes ?? 0,
    walBytes: journal?.walBytes ?? 0,
  };
  report(judgeSpace(space));
  return { isInMemory: inMemory, isReadOnly, isTight: isTight(space) };
}

async function examineFsync(
  { dir, commitIntervalMs }: JournalConfig,
  place: Place,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  if (place.isReadOnly) report(notTried("journal.fsync", "the file system is mounted read-only"));
  else if (place.isTight)
    report(notTried("journal.fsync", "nothing is written to a disk that is nearly full"));
  else
    report(
      judgeFsync({ ...(await measureFsync(dir, signal)), isInMemory: place.isInMemory, commitIntervalMs }),
    );
}

async function examineFiles(
  { dir }: JournalConfig,
  found: JournalFileFacts | string,
  daemon: DaemonStatus | undefined,
  report: Report,
): Promise<void> {
  const holders = await whoHolds(dir);
  for (const finding of judgeHolders(holders, daemon?.pid)) report(finding);
  if (typeof found === "string") {
    for (const check of ["journal.file", "journal.wal"])
      report(notTried(check, `the journal cannot be read (${found})`));
    return;
  }
  const isHeld = holders?.holder !== undefined || daemon !== undefined;
  // One that answers is past its start, in which the lock comes before the journal.
  const isElsewhere = daemon !== undefined && daemon.pid === holders?.holder?.pid && !holders.hasJournalOpen;
  report(judgeJournal(found, isElsewhere ? "elsewhere" : isHeld ? "held" : "free", journalTables));
  report(judgeWal(found, isHeld));
  for (const finding of judgeAside(await lookAside(dir), isHeld, journalTables)) report(finding);
}

/** InfluxDB's own lines say why. */
const lateMs = 15 * 60_000;

/** Pure. */
export function judgeBacklog(daemon: DaemonStatus | undefined): Finding {
  const check = "journal.backlog";
  if (daemon === undefined) return notTried(check, "no daemon that has this journal answers");
  const { backlog, evicted, lastCommitMs } = daemon.snapshot.journal;
  const oldestMs = daemon.oldestUnsentAgoMs;
  const figures = { backlog, evicted, lastCommitMs, ...(oldestMs === undefined ? {} : { oldestMs }) };
  const lost = evicted === 0 ? "" : `; ${evicted} had to leave before that, ever, for want of room`;
  if (backlog === 0) return { check, severity: "ok", text: `nothing waits for InfluxDB${lost}`, figures };
  const age = oldestMs === undefined ? "" : `, the oldest for ${shownSpan(oldestMs)}`;
  const waits = `${backlog} messages wait for InfluxDB${age}${lost}`;
  if ((oldestMs ?? 0) < lateMs) return { check, severity: "ok", text: waits, figures };
  const hint = "see what is said of InfluxDB below, and flightline status";
  return { check, severity: "warning", text: waits, hint, figures };
}

function notTried(check: string, why: string): Finding {
  return { check, severity: "skipped", text: `not tried: ${why}` };
}
