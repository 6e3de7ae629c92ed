/**
 * From the journal into the databases, as one configuration wants it: a forwarder for each database, and what
 * keeps the registry. A reload makes a new one; nothing of it is in the journal's way meanwhile.
 */
import { reportNode } from "../pipeline/node-report.ts";
import type { Snapshot } from "../status/snapshot.ts";
import type { Child } from "../supervision/child.ts";
import { child, criticalChild, forwardDeadlineMs, progressDeadlineMs } from "./children.ts";
import {
  closeDestinations,
  type OpenDestination,
  openDestinations,
  type Rest,
  saveSchemas,
} from "./destinations.ts";
import { type Files, openDeduplicator } from "./files.ts";
import type { AppOptions } from "./options.ts";
import { type OpenRegistry, openRegistry } from "./registry.ts";

export interface Delivery {
  readonly destinations: readonly OpenDestination[];
  readonly registry: OpenRegistry;
  /** Beside each other: they read the log and do not feed each other. */
  readonly readers: readonly Child[];
  /** After them. */
  readonly keepers: readonly Child[];
  /** When none of its children runs any more. */
  close(): Promise<void>;
}

const saveSchemaDeadlineMs = 180_000;

export function openDelivery(
  options: AppOptions,
  files: Files,
  rest: Omit<Rest, "deduplicator"> & { readonly snapshot: () => Snapshot },
): Delivery {
  const deduplicator = openDeduplicator(options.config, files);
  const destinations = openDestinations(options, files, { ...rest, deduplicator });
  const registry = openRegistry(options, files, rest);
  const { nodeReport } = registry;
  const forwards = destinations.map(({ forward, config }, index) =>
    criticalChild(
      index === 0 ? "forward" : `forward${index + 1}`,
      forwardDeadlineMs(config),
      async (drain, abort, beat) => {
        await forward.run(drain, abort, beat);
      },
    ),
  );
  const project = child("project", 2 * progressDeadlineMs, registry.project);
  const node = child("node", 2 * nodeReport.intervalMs + progressDeadlineMs, async (drain, _abort, beat) => {
    await reportNode(nodeReport, drain, beat);
  });
  const schema = child("schema", saveSchemaDeadlineMs, async (drain, _abort, beat) => {
    await saveSchemas(destinations, drain, beat);
  });
  return {
    destinations,
    registry,
    readers: [...forwards, project, ...(nodeReport.intervalMs === 0 ? [] : [node])],
    keepers: [schema],
    close: async () => {
      await closeDestinations(destinations);
    },
  };
}
