import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { Ballast } from "../journal/ballast.ts";
import { makeDataDirectory } from "../journal/directory.ts";
import { Journal } from "../journal/journal.ts";
import { lockDirectory, unwritableFault } from "../journal/lock.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { errorCode, errorText, Fault } from "../lib/fault.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import { DecodeMarker } from "../pipeline/decode-marker.ts";
import { Deduplicator } from "../pipeline/deduplicator.ts";
import type { DeadLetters, QuarantinedMessage } from "../pipeline/ports.ts";
import { recoverFromDeath, rememberTail } from "../pipeline/recovery.ts";
import { sourcesApart } from "../pipeline/route.ts";
import { installationId } from "../state/client-id.ts";
import { lettersEvictedFault, quarantineEvictedFault } from "../state/faults.ts";
import { State } from "../state/state.ts";
import { readBootId } from "../systemd/boot-id.ts";
import type { AppOptions } from "./options.ts";
import { type WatchedFile, watchedFile } from "./watch-files.ts";

/** The data directory, and what the last process left in it. */
export interface Files {
  readonly journal: Journal;
  readonly state: State;
  readonly marker: DecodeMarker;
  readonly quarantine: (entries: readonly QuarantinedMessage[]) => void;
  readonly deadLetters: DeadLetters;
  /** Part of the client ids. */
  readonly installation: string;
  readonly isAfterUncleanStop: boolean;
  readonly ballast: Ballast;
  readonly watched: readonly WatchedFile[];
}

const repeatFaultMs = 60_000;
/** Events remembered for recognising redeliveries: twenty full receive windows. */
const rememberedEvents = 20_000;
/** SQLite does not say of its -shm files why they cannot be had. */
const noSpaceCodes: ReadonlySet<string> = new Set([
  "ENOSPC",
  "SQLITE_FULL",
  "SQLITE_IOERR_SHMOPEN",
  "SQLITE_IOERR_SHMSIZE",
]);

/** What is open is closed by `opened`. Faults: journal_unwritable, journal_locked (both fatal). */
export function openFiles({ config, log, runtimeDir }: AppOptions, opened: DisposableStack): Files {
  const { dir } = config.journal;
  makeDataDirectory(dir);
  const { isAfterUncleanStop } = opened.adopt(lockDirectory(dir), (lock) => {
    lock.release();
  });
  const ballast = new Ballast(dir);
  ballast.restore();
  // Beforehand: that a damaged database is moved aside is said by the attempt that moves it, and by no other one.
  if (ballast.isDiskShort) ballast.giveUp();
  const withRoom = <T>(open: () => T): T => openWithRoom(ballast, open);
  const journal = opened.adopt(
    withRoom(() => Journal.open(config.journal, clock, readBootId())),
    close,
  );
  const state = opened.adopt(
    withRoom(() => State.open(dir, clock.nowMs())),
    close,
  );
  const installation = atDirectory(dir, () => withRoom(() => installationId(dir)));
  const stateLoss = state.openingFaults.length === 0 ? undefined : stateLostFault(dir);
  for (const fault of [...journal.openingFaults, ...state.openingFaults, stateLoss, installation.fault]) {
    if (fault !== undefined) log.fault(fault);
  }
  const quarantine = quarantineInto(state, journal.id, log);
  const marker = opened.adopt(openMarker(runtimeDir, dir, journal.id, log), close);
  const recordDeath = (seq: number): number => state.recordDeath(journal.id, seq);
  const death = recoverFromDeath(marker, journal, { recordDeath, quarantine });
  if (death !== undefined) log.fault(death);
  atDirectory(dir, () => {
    marker.arm();
  });
  return {
    journal,
    state,
    marker,
    quarantine,
    deadLetters: { bury: buryInto(state, journal.id, log) },
    installation: installation.id,
    isAfterUncleanStop,
    ballast,
    watched: ["journal.db", "state.db"].map((name) => watchedFile(join(dir, name))),
  };
}

/** On a full disk not even a database that is whole can be opened: the ballast is given up for that. */
function openWithRoom<T>(ballast: Ballast, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const code = errorCode(error instanceof Fault ? error.cause : error) ?? "";
    if (!noSpaceCodes.has(code) || !ballast.giveUp()) throw error;
    return open();
  }
}

/** What began anew with state.db: the log does not hold it. */
function stateLostFault(dir: string): Fault {
  return new Fault({
    code: "state_lost",
    layer: "journal",
    disposition: "drop",
    message: `state.db in ${dir} begins anew: the quarantine, the dead letters, the history of starts and what was known of devices and gateways are in the moved file`,
    hint: "devices and gateways are learned again from what comes; sqlite3 reads the moved file, as far as it is whole",
  });
}

/** Which sources it tells apart follows from the routes; what it knows, from the log. */
export function openDeduplicator({ routes }: Config, { journal }: Files): Deduplicator {
  const apart = sourcesApart(routes.map(({ match }) => match));
  const deduplicator = new Deduplicator(rememberedEvents, apart);
  rememberTail(deduplicator, journal, rememberedEvents);
  return deduplicator;
}

/** A hint of 44 bytes must not keep the daemon down: beside the journal it costs the disk a little. */
function openMarker(runtimeDir: string | undefined, dir: string, journalId: string, log: Log): DecodeMarker {
  if (runtimeDir !== undefined) {
    try {
      return new DecodeMarker(runtimeDir, journalId);
    } catch (error) {
      log.fault(runtimeUnwritable(runtimeDir, error));
    }
  }
  return atDirectory(dir, () => new DecodeMarker(dir, journalId));
}

function runtimeUnwritable(dir: string, cause: unknown): Fault {
  return new Fault({
    code: "runtime_dir_unwritable",
    layer: "host",
    disposition: "drop",
    message: `RUNTIME_DIRECTORY (${dir}) cannot be written: ${errorCode(cause) ?? errorText(cause)}`,
    hint: "see who owns it and whether it is full; what belongs there goes into [journal] dir meanwhile",
    cause,
  });
}

function atDirectory<T>(dir: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw unwritableFault(dir, error);
  }
}

/** Quarantining, and saying now and then what had to leave the quarantine for it. */
function quarantineInto(state: State, journalId: string, log: Log): Files["quarantine"] {
  const sayEvicted = evictionReport(quarantineEvictedFault, log);
  return (entries) => {
    const rows = entries.map(({ message, fault }) => ({
      ...message,
      code: fault.code,
      reason: fault.message,
    }));
    sayEvicted(state.quarantined.keep(journalId, rows, clock.nowMs()));
  };
}

/** The same for dead letters. */
function buryInto(state: State, journalId: string, log: Log): DeadLetters["bury"] {
  const sayEvicted = evictionReport(lettersEvictedFault, log);
  return (entries) => {
    const rows = entries.map(({ message, database, line, device, fault: { code, message: reason } }) => ({
      ...message,
      database,
      line,
      device,
      code,
      reason,
    }));
    sayEvicted(state.letters.bury(journalId, rows, clock.nowMs()));
  };
}

/** Says now and then how many there were. */
function evictionReport(faultOf: (count: number) => Fault, log: Log): (count: number) => void {
  const throttle = new FaultThrottle(repeatFaultMs);
  let unsaid = 0;
  return (count) => {
    unsaid += count;
    if (unsaid === 0 || throttle.admit("evicted", clock.uptimeMs()) === undefined) return;
    log.fault(faultOf(unsaid));
    unsaid = 0;
  };
}

function close(file: { close(): void }): void {
  file.close();
}
