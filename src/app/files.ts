import type { Config } from "../config/config.ts";
import { makeDataDirectory } from "../journal/directory.ts";
import { Journal } from "../journal/journal.ts";
import { lockDirectory, unwritableFault } from "../journal/lock.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { errorCode, errorText, Fault } from "../lib/fault.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import { DecodeMarker } from "../pipeline/decode-marker.ts";
import { Deduplicator } from "../pipeline/deduplicator.ts";
import type { QuarantinedMessage } from "../pipeline/ports.ts";
import { recoverFromDeath, rememberTail } from "../pipeline/recovery.ts";
import { sourcesApart } from "../pipeline/route.ts";
import { installationId } from "../state/client-id.ts";
import { quarantineEvictedFault } from "../state/faults.ts";
import { State } from "../state/state.ts";
import { readBootId } from "../systemd/boot-id.ts";
import type { AppOptions } from "./options.ts";

/** The data directory, and what the last process left in it. */
export interface Files {
  readonly journal: Journal;
  readonly state: State;
  readonly marker: DecodeMarker;
  readonly quarantine: (entries: readonly QuarantinedMessage[]) => void;
  /** Part of the client ids. */
  readonly installation: string;
  readonly isAfterUncleanStop: boolean;
}

const repeatFaultMs = 60_000;
/** Events remembered for recognising redeliveries: twenty full receive windows. */
const rememberedEvents = 20_000;

/** What is open is closed by `opened`. Faults: journal_unwritable, journal_locked (both fatal). */
export function openFiles({ config, log, runtimeDir }: AppOptions, opened: DisposableStack): Files {
  const { dir } = config.journal;
  makeDataDirectory(dir);
  const { isAfterUncleanStop } = opened.adopt(lockDirectory(dir), (lock) => {
    lock.release();
  });
  const journal = opened.adopt(Journal.open(config.journal, clock, readBootId()), close);
  const state = opened.adopt(State.open(dir, clock.nowMs()), close);
  const installation = atDirectory(dir, () => installationId(dir));
  for (const fault of [...journal.openingFaults, ...state.openingFaults, installation.fault]) {
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
    installation: installation.id,
    isAfterUncleanStop,
  };
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
  const throttle = new FaultThrottle(repeatFaultMs);
  let unsaid = 0;
  return (entries) => {
    const rows = entries.map(({ message, fault }) => ({
      ...message,
      code: fault.code,
      reason: fault.message,
    }));
    unsaid += state.quarantine(journalId, rows, clock.nowMs());
    if (unsaid === 0 || throttle.admit("evicted", clock.uptimeMs()) === undefined) return;
    log.fault(quarantineEvictedFault(unsaid));
    unsaid = 0;
  };
}

function close(file: { close(): void }): void {
  file.close();
}
