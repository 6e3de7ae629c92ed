import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { firstGap } from "../lib/intervals.ts";
import { total } from "../pipeline/counters.ts";
import type { MessageLog } from "../pipeline/ports.ts";
import { type OffsetOf, receivedTime } from "../pipeline/received-time.ts";
import type { NodeFigures } from "../registry/rows.ts";
import { connectedCount, influxdbState, type Snapshot } from "../status/snapshot.ts";

export interface FiguresDeps {
  readonly version: string;
  /** On the monotonic clock. */
  readonly startedMs: number;
  /** The directory of the databases. */
  readonly dir: string;
  readonly log: MessageLog;
  readonly offsetMs: OffsetOf;
  readonly clock: Clock;
  readonly clockWatch: { readonly isTrusted: boolean };
  snapshot(): Snapshot;
}

/** What the table about ourselves says, at the time of the call. */
export function nodeFigures(deps: FiguresDeps): () => NodeFigures {
  const { version, startedMs, dir, clock, clockWatch } = deps;
  return () => ({
    ...figuresOf(deps.snapshot()),
    version,
    uptimeS: Math.round(clock.uptimeMs() - startedMs) / 1000,
    oldestUnsentS: oldestUnsentS(deps),
    clockTrusted: clockWatch.isTrusted,
    diskFreeBytes: freeBytes(dir),
    journalBytes: journalBytes(dir),
    memoryRssBytes: process.memoryUsage.rss(),
  });
}

function figuresOf(snapshot: Snapshot) {
  const { counters, journal, registry, sources } = snapshot;
  return {
    backlog: journal.backlog,
    evicted: journal.evicted,
    quarantined: total(counters.quarantined),
    received: counters.received,
    committed: counters.committed,
    written: counters.written,
    ownWritten: counters.ownWritten,
    projected: counters.projected,
    duplicates: counters.duplicates,
    retainedUntimed: counters.retained,
    statsLeftOut: registry.statsLeftOut,
    retries: counters.retries,
    held: counters.held,
    waitingForClock: counters.waitingForClock,
    qos0Received: counters.receivedQos0,
    influxdb: influxdbState(snapshot),
    brokersConnected: connectedCount(snapshot),
    brokers: sources.length,
  };
}

/** Undefined also while it cannot be told, because the clock is wrong, or was when the message came. */
function oldestUnsentS({ log, offsetMs, clock, clockWatch }: FiguresDeps): number | undefined {
  const gap = firstGap([log.settled], 1, log.lastSeq);
  const oldest = gap === undefined ? undefined : log.read(gap.lo, gap.hi, 1)[0];
  if (oldest === undefined || !clockWatch.isTrusted) return undefined;
  const { receivedNs, receivedTrusted } = receivedTime(oldest, offsetMs);
  if (!receivedTrusted) return undefined;
  return Math.max(0, clock.nowMs() - Number(receivedNs / 1_000_000n)) / 1000;
}

/** A directory that cannot be asked has other faults, which are reported where they matter. */
function orUndefined<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

function freeBytes(dir: string): number | undefined {
  return orUndefined(() => {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  });
}

function journalBytes(dir: string): number | undefined {
  return orUndefined(() => {
    const sizeOf = (name: string): number => statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
    return sizeOf("journal.db") + sizeOf("journal.db-wal");
  });
}
