import type { Committer } from "../journal/committer.ts";
import type { Source } from "../mqtt/source.ts";
import { copyCounters } from "../pipeline/counters.ts";
import type { Projector } from "../pipeline/project.ts";
import type { Snapshot } from "../status/snapshot.ts";
import type { OpenDestination } from "./destinations.ts";
import type { Files } from "./files.ts";
import type { Shared } from "./options.ts";

interface Parts {
  readonly shared: Shared;
  readonly committer: Committer;
  readonly sources: readonly Source[];
  readonly destinations: readonly OpenDestination[];
}

/** The daemon at this moment. */
export function snapshotOf(
  { journal, state }: Files,
  { shared, committer, sources, destinations }: Parts,
  projector: Projector,
): Snapshot {
  return {
    counters: copyCounters(shared.counters),
    journal: {
      lastSeq: journal.lastSeq,
      backlog: journal.backlog,
      evicted: journal.evicted,
      evictedMinor: journal.evictedMinor,
      purged: state.pendingPurged,
      unsettled: journal.unsettledCount,
      waiting: committer.waitingCount,
      lastCommitMs: committer.lastCommitMs,
    },
    quarantineEvicted: state.quarantined.evicted,
    kept: {
      quarantined: state.quarantined.count,
      deadLines: state.letters.count,
      deadLinesEvicted: state.letters.evicted,
    },
    registry: {
      devices: projector.deviceCount,
      gateways: projector.gatewayCount,
      lag: projector.lag,
      evicted: state.registry.evicted,
      missed: projector.missed,
      statsLeftOut: projector.statsLeftOut,
    },
    sources: sources.map(({ name, status }) => ({
      name,
      state: status.state,
      connects: status.connects,
      lastFault: status.lastFault?.code,
      received: { ...status.received },
    })),
    databases: destinations.map(({ name, forward }) => ({ name, state: forward.influxdb })),
    latencyMs: { p50: shared.latency.percentileMs(0.5), p99: shared.latency.percentileMs(0.99) },
  };
}
