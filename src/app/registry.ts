import type { Committer } from "../journal/committer.ts";
import { systemClock as clock } from "../lib/clock.ts";
import type { Beat } from "../lib/pulse.ts";
import type { ClockWatch } from "../pipeline/clock-trust.ts";
import type { DecodedEvents } from "../pipeline/decoded.ts";
import type { NodeReportDeps } from "../pipeline/node-report.ts";
import { Projector } from "../pipeline/project.ts";
import { OwnRows } from "../pipeline/project-rows.ts";
import type { OffsetOf } from "../pipeline/received-time.ts";
import type { Snapshot } from "../status/snapshot.ts";
import type { Files } from "./files.ts";
import { nodeFigures } from "./node-figures.ts";
import type { AppOptions, Shared } from "./options.ts";

/** What keeps the registry, and the report about ourselves. */
export interface OpenRegistry {
  /** The present one: each run has its own, which begins where the last one saved. */
  readonly projector: Projector;
  readonly project: (drain: AbortSignal, abort: AbortSignal, beat: Beat) => Promise<void>;
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
  const offsetMs: OffsetOf = (bootKey) => journal.boots.offsetMs(bootKey);
  const open = (): Projector =>
    new Projector({
      log: committer,
      journalId: journal.id,
      store: state.registry,
      events: decoded,
      rows,
      clockTrust: clockWatch,
      offsetMs,
      settings,
      clock,
      logger: log,
      activity: shared.activity,
    });
  let projector = open();
  let isFresh = true;
  const { node, nodeIntervalMs: intervalMs } = config;
  const figures = nodeFigures({
    version,
    startedMs: shared.startedMs,
    dir: config.journal.dir,
    log: committer,
    offsetMs,
    clock,
    clockWatch,
    snapshot,
  });
  const isAway = (): boolean => snapshot().databases[0]?.state === "away";
  const trustedUntilMs = journal.lastTrustedMs;
  const nodeReport = {
    node,
    intervalMs,
    figures,
    isAway,
    rows,
    clock,
    clockWatch,
    trustedUntilMs,
    settings,
  };
  return {
    get projector() {
      return projector;
    },
    async project(drain, abort, beat) {
      // What a run that failed had half done in memory is forgotten, as a crash would.
      if (!isFresh) projector = open();
      isFresh = false;
      await projector.run(drain, abort, beat);
    },
    nodeReport,
  };
}
