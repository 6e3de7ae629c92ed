/** Statuses of daemons that never ran. */
import { newCounters } from "../../../src/pipeline/counters.ts";
import type { DaemonStatus, PartStatus } from "../../../src/status/daemon-status.ts";
import type { Snapshot } from "../../../src/status/snapshot.ts";

export const startedAtMs = Date.UTC(2026, 2, 1, 10, 22);

const snapshot: Snapshot = {
  counters: { ...newCounters(), received: 5000, committed: 5000, written: 4990 },
  journal: { lastSeq: 5000, backlog: 10, evicted: 0, evictedMinor: 0, waiting: 2, lastCommitMs: 0.84 },
  quarantineEvicted: 0,
  registry: { devices: 20, gateways: 3, lag: 0, evicted: 0, missed: 0, statsLeftOut: 0 },
  sources: [{ name: "mqtt", state: "connected", connects: 1, lastFault: undefined }],
  databases: [{ name: "lorawan", state: "up" }],
  latencyMs: { p50: 34.2, p99: 1234.5 },
};

export function part(name: string, changes: Partial<PartStatus> = {}): PartStatus {
  return {
    name,
    state: "running",
    isCritical: false,
    restarts: 0,
    lastFault: undefined,
    sinceAgoMs: 273_600_000,
    nextTryInMs: undefined,
    lastBeatAgoMs: 1000,
    ...changes,
  };
}

/** All is well, but for `changes`. */
export function daemonStatus(
  changes: Partial<Omit<DaemonStatus, "snapshot">> & { readonly snapshot?: Partial<Snapshot> } = {},
): DaemonStatus {
  return {
    version: "0.1.0",
    node: "barn-7",
    nodeJs: "v24.21.0",
    pid: 812,
    dataDir: "/var/lib/flightline",
    startedAtMs,
    uptimeMs: 273_600_000,
    mode: { kind: "normal" },
    unhealthy: "",
    loopDelayMs: 12.3,
    residentBytes: 117_800_000,
    parts: [part("mqtt"), part("forward", { isCritical: true }), part("journal", { isCritical: true })],
    streams: {
      state: "idle",
      pid: undefined,
      residentBytes: undefined,
      starts: 0,
      failures: 0,
      lastFault: undefined,
      queries: { underWay: 0, waiting: 0, answered: 0, faulted: 0, parked: 0, lastFault: undefined },
    },
    troubles: [],
    oldestUnsentAgoMs: 3200,
    rates: { received: 12.43, written: 12.1 },
    starts: [],
    units: undefined,
    service: { way: "libsystemd", watchdogMs: 60_000, lastFault: undefined },
    ...changes,
    snapshot: { ...snapshot, ...changes.snapshot },
  };
}
