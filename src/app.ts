import { Daemon } from "./app/daemon.ts";
import { openFiles } from "./app/files.ts";
import type { AppOptions } from "./app/options.ts";
import { recordStart } from "./app/starts.ts";
import type { Changes } from "./app/reload.ts";
import type { Config } from "./config/config.ts";
import type { Fault } from "./lib/fault.ts";
import type { Snapshot } from "./status/snapshot.ts";
import type { SupervisorOutcome } from "./supervision/supervisor.ts";

/**
 * The composition root: configuration → parts → running daemon. Each room gets its slice of the
 * configuration and the things it needs; nothing is looked up.
 *
 * The way of an event: Source → ingest → Committer (PUBACK) → Forward of its database (prepare, write) →
 * settle; and beside it → Projector (registry, sums) → rows of our own, which go the same way.
 */
export interface App {
  snapshot(): Snapshot;
  /** Runs until `stop` aborts or a critical part fails; then everything is drained and closed. `urgent`: at once. */
  run(stop: AbortSignal, urgent?: AbortSignal): Promise<SupervisorOutcome>;
  /**
   * Goes over to another configuration; what it does not touch does not notice. One at a time. What it changed;
   * undefined when the daemon ends and nothing is changed any more.
   */
  reload(config: Config): Promise<Changes | undefined>;
  /** The new configuration has mistakes: the old one stays, and the status says so. */
  refuseReload(fault: Fault): void;
}

const never = new AbortController().signal;

/** Opens the files. Faults: journal_unwritable, journal_locked (both fatal). */
export function openApp(options: AppOptions): App {
  using opened = new DisposableStack();
  const files = openFiles(options, opened);
  const daemon = new Daemon(options, files, recordStart(options, files));
  const owned = opened.move();
  return {
    snapshot: () => daemon.snapshot(),
    reload: async (config) => await daemon.reload(config),
    refuseReload: (fault) => {
      daemon.refuseReload(fault);
    },
    async run(stop, urgent = never) {
      using _files = owned;
      return await daemon.run(stop, urgent);
    },
  };
}
