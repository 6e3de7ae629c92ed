import { join } from "node:path";
import {
  closeDestinations,
  type OpenDestination,
  openDestinations,
  saveSchemas,
} from "./app/destinations.ts";
import { type Files, openFiles } from "./app/files.ts";
import { openClockWatch, openIngest } from "./app/ingest.ts";
import type { AppOptions } from "./app/options.ts";
import { openRegistry } from "./app/registry.ts";
import { snapshotOf } from "./app/snapshot.ts";
import { decode } from "./chirpstack/decode.ts";
import { damagedFault, quickCheck } from "./journal/quick-check.ts";
import { aborted } from "./lib/abort.ts";
import { Wakeup } from "./lib/wakeup.ts";
import { newCounters } from "./pipeline/counters.ts";
import { DecodedEvents } from "./pipeline/decoded.ts";
import { LatencyWindow } from "./pipeline/latency.ts";
import { reportNode } from "./pipeline/node-report.ts";
import { sparing } from "./pipeline/recovery.ts";
import { report } from "./status/report.ts";
import type { Snapshot } from "./status/snapshot.ts";
import { type Part, type PartsOutcome, runParts } from "./supervision/parts.ts";

/**
 * The composition root: configuration → parts → running daemon. Each room gets its slice of the
 * configuration and the things it needs; nothing is looked up.
 *
 * The way of an event: Source → ingest → Committer (PUBACK) → Forward of its database (prepare, write) →
 * settle; and beside it → Projector (registry, sums) → rows of our own, which go the same way.
 */
export interface App {
  snapshot(): Snapshot;
  /** Runs until `stop` aborts or a part fails; then everything is drained and closed. */
  run(stop: AbortSignal): Promise<PartsOutcome>;
}

const stopDeadlineMs = 10_000;
/** For what a check of the journal may take; 2 GiB on a slow card are not finished then. */
const checkTimeoutMs = 60_000;

/** Opens the files. Faults: journal_unwritable, journal_locked (both fatal). */
export function openApp(options: AppOptions): App {
  using opened = new DisposableStack();
  const { log } = options;
  const files = openFiles(options, opened);
  const shared = { counters: newCounters(), latency: new LatencyWindow(), activity: new Wakeup() };
  const clockWatch = openClockWatch(options, files, shared.activity);
  const { sources, committer } = openIngest(options, files, clockWatch, shared);
  const killers = files.state.quarantinedUnder("decode_killed_process");
  const decoded = new DecodedEvents(sparing(killers, options.decode ?? decode), files.marker);
  const rest = { committer, clockWatch, decoded, shared };
  const destinations = openDestinations(options, files, rest);
  const parts = { shared, committer, sources, destinations };
  const snapshot = (): Snapshot => snapshotOf(files, parts, registry.projector);
  const registry = openRegistry(options, files, { ...rest, snapshot });
  // In the order of the data, which is the order of stopping. The committer outlives the forwarders and the
  // projector, because its last commit saves what they settled and made.
  const stages: Part[][] = [
    sources.map((source) => ({ name: source.name, run: (drain) => source.run(drain) })),
    [
      ...destinations.map(forwardPart),
      { name: "project", run: (drain, abort) => registry.projector.run(drain, abort) },
      { name: "node", run: (drain) => reportNode(registry.nodeReport, drain) },
    ],
    [{ name: "journal", run: (drain) => committer.run(drain) }],
    [
      { name: "clock", run: (drain) => clockWatch.run(drain) },
      { name: "schema", run: (drain) => saveSchemas(destinations, drain) },
      { name: "report", run: (drain) => report(snapshot, log, drain) },
      { name: "check", run: (drain) => checkAfterUncleanStop(options, files, drain) },
    ],
  ];
  const owned = opened.move();
  return {
    snapshot,
    async run(stop) {
      using _files = owned;
      try {
        return await runParts(stages, stop, stopDeadlineMs);
      } finally {
        await closeDestinations(destinations);
      }
    },
  };
}

function forwardPart({ forward }: OpenDestination, index: number): Part {
  const name = index === 0 ? "forward" : `forward${index + 1}`;
  return { name, run: (drain, abort) => forward.run(drain, abort) };
}

/** A file that a power cut has damaged should be known before somebody needs what is in it. */
async function checkAfterUncleanStop(
  { config, log }: AppOptions,
  { isAfterUncleanStop }: Files,
  signal: AbortSignal,
): Promise<void> {
  if (isAfterUncleanStop) {
    const file = join(config.journal.dir, "journal.db");
    const result = await quickCheck(file, checkTimeoutMs, signal);
    if (result === "damaged") log.fault(damagedFault(file));
    else if (!signal.aborted) log.info("checked the journal after an unclean stop", { result });
  }
  await aborted(signal);
}
