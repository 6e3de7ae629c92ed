import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Committer } from "../journal/committer.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { firstGap } from "../lib/intervals.ts";
import type { ClockWatch } from "../pipeline/clock-trust.ts";
import { total } from "../pipeline/counters.ts";
import type { DecodedEvents } from "../pipeline/decoded.ts";
import type { NodeReportDeps } from "../pipeline/node-report.ts";
import { Projector } from "../pipeline/project.ts";
import { OwnRows } from "../pipeline/project-rows.ts";
import type { NodeFigures } from "../registry/rows.ts";
import { influxdbState, type Snapshot } from "../status/snapshot.ts";
import type { Files } from "./files.ts";
import type { AppOptions, Shared } from "./options.ts";

/** What keeps the registry, and the report about ourselves. */
export interface OpenRegistry {
  readonly projector: Projector;
  readonly nodeReport: NodeReportDeps;
}

interface Rest {
  readonly committer: Committer;
  readonly clockWatch: ClockWatch;
  readonly decoded: DecodedEvents;
  readonly shared: Shared;
  readonly snapshot: () => Snapshot;
}

export function openRegistry(
  { config, log, version }: AppOptions,
  { journal, state }: Files,
  { committer, clockWatch, decoded, shared, snapshot }: Rest,
): OpenRegistry {
  const rows = new OwnRows({ committer, clock, clockWatch });
  const settings = config.telemetry;
  const projector = new Projector({
    log: committer,
    journalId: journal.id,
    store: state.registry,
    events: decoded,
    rows,
    clockTrust: clockWatch,
    offsetMs: (bootKey) => journal.boots.offsetMs(bootKey),
    settings,
    clock,
    logger: log,
    activity: shared.activity,
  });
  const startedMs = clock.uptimeMs();
  const figures = (): NodeFigures => ({
    ...figuresOf(snapshot()),
    version,
    uptimeS: Math.round(clock.uptimeMs() - startedMs) / 1000,
    oldestUnsentS: oldestUnsentS(committer),
    clockTrusted: clockWatch.isTrusted,
    diskFreeBytes: freeBytes(config.journal.dir),
    journalBytes: journalBytes(config.journal.dir),
    memoryRssBytes: process.memoryUsage.rss(),
  });
  return { projector, nodeReport: { node: config.node, figures, rows, clock, clockWatch, settings } };
}

function figuresOf(snapshot: Snapshot) {
  const { counters, journal, sources } = snapshot;
  return {
    backlog: journal.backlog,
    evicted: journal.evicted,
    quarantined: total(counters.quarantined),
    received: counters.received,
    committed: counters.committed,
    written: counters.written,
    duplicates: counters.duplicates,
    retries: counters.retries,
    held: counters.held,
    qos0Received: counters.receivedQos0,
    influxdb: influxdbState(snapshot),
    brokersConnected: sources.filter(({ state }) => state === "connected").length,
    brokers: sources.length,
  };
}

function oldestUnsentS(committer: Committer): number | undefined {
  const gap = firstGap([committer.settled], 1, committer.lastSeq);
  const oldest = gap === undefined ? undefined : committer.read(gap.lo, gap.hi, 1)[0];
  return oldest === undefined ? undefined : Math.max(0, clock.nowMs() - oldest.receivedMs) / 1000;
}

/** A directory that cannot be asked has other faults, which are reported where they matter. */
function freeBytes(dir: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

function journalBytes(dir: string): number | undefined {
  const sizes = ["journal.db", "journal.db-wal"].map(
    (name) => statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
