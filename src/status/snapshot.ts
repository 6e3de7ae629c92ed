import type { LogDetails } from "../lib/log.ts";
import { type Counters, total } from "../pipeline/counters.ts";

/** The daemon at one moment, as plain data. */
export interface Snapshot {
  readonly counters: Counters;
  readonly journal: {
    /** Newest seq. */
    readonly lastSeq: number;
    /** Journalled and not settled. */
    readonly backlog: number;
    /** Unsettled messages that left for newer ones, ever. */
    readonly evicted: number;
    /** Those of them that were logs, txacks and statistics. */
    readonly evictedMinor: number;
    /** Unsettled messages that a person gave up, ever. A daemon of an older version does not say it. */
    readonly purged?: number;
    /** Messages that were settled and are owed again, since the start. The same holds. */
    readonly unsettled?: number;
    /** Received and not committed yet. */
    readonly waiting: number;
    readonly lastCommitMs: number;
  };
  /** Messages that left the quarantine for newer ones, ever. */
  readonly quarantineEvicted: number;
  /** What state.db keeps for a person to look at, now. A daemon of an older version does not say it. */
  readonly kept?: {
    /** Messages. */
    readonly quarantined: number;
    readonly deadLines: number;
    /** Dead lines that left for newer ones, ever. */
    readonly deadLinesEvicted: number;
  };
  readonly registry: {
    readonly devices: number;
    readonly gateways: number;
    /** Messages of the log that the registry does not know of yet. */
    readonly lag: number;
    /** Devices and gateways that had to leave for others, ever. */
    readonly evicted: number;
    /** Messages that the log lost before the registry had seen them. */
    readonly missed: number;
    /** Statistics of gateways that are in no row, because others of their sum are gone. */
    readonly statsLeftOut: number;
  };
  readonly sources: readonly SourceSnapshot[];
  /** `[influxdb]`'s first, then those of `[[route]]`. */
  readonly databases: readonly DatabaseSnapshot[];
  /** Receipt to InfluxDB's acknowledgement, of the newest messages of brokers. */
  readonly latencyMs: { readonly p50: number | undefined; readonly p99: number | undefined };
}

/** Whether the database takes writes, as far as we know; untried until the first one. */
export type DatabaseState = "untried" | "up" | "away";

export interface DatabaseSnapshot {
  readonly name: string;
  readonly state: DatabaseState;
}

export interface SourceSnapshot {
  readonly name: string;
  readonly state: "connecting" | "connected" | "waiting";
  readonly connects: number;
  /** Fault code. */
  readonly lastFault: string | undefined;
  /** Since the start, without retained messages. A daemon of an older version does not say it. */
  readonly received?: { readonly qos0: number; readonly qos1: number };
}

/** The one line that the log gets every few minutes. What is usually 0 is in it only when it is not. */
export function reportDetails(snapshot: Snapshot): LogDetails {
  const { counters, journal, registry, sources, latencyMs } = snapshot;
  return {
    received: counters.received,
    committed: counters.committed,
    written: counters.written,
    ownWritten: unlessZero(counters.ownWritten),
    points: counters.points,
    backlog: journal.backlog,
    quarantined: total(counters.quarantined),
    quarantineKept: unlessZero(snapshot.kept?.quarantined ?? 0),
    quarantineEvicted: unlessZero(snapshot.quarantineEvicted),
    deadLines: unlessZero(total(counters.deadLines)),
    deadMessages: unlessZero(total(counters.deadMessages)),
    deadLinesKept: unlessZero(snapshot.kept?.deadLines ?? 0),
    deadLinesEvicted: unlessZero(snapshot.kept?.deadLinesEvicted ?? 0),
    notMapped: total(counters.unmapped),
    projected: unlessZero(counters.projected),
    retainedUntimed: unlessZero(counters.retained),
    duplicates: counters.duplicates,
    held: counters.held,
    waitingForClock: unlessZero(counters.waitingForClock),
    retries: unlessZero(counters.retries),
    droppedParts: unlessZero(counters.droppedParts),
    fieldsLeftOut: unlessZero(counters.fieldsLeftOut),
    receivedQos0: unlessZero(counters.receivedQos0),
    evicted: journal.evicted,
    evictedMinor: unlessZero(journal.evictedMinor),
    brokers: `${connectedCount(snapshot)}/${sources.length}`,
    influxdb: influxdbState(snapshot),
    devices: registry.devices,
    gateways: registry.gateways,
    registryLag: unlessZero(registry.lag),
    registryEvicted: unlessZero(registry.evicted),
    registryMissed: unlessZero(registry.missed),
    statsLeftOut: unlessZero(registry.statsLeftOut),
    p99Ms: latencyMs.p99 === undefined ? undefined : Math.round(latencyMs.p99),
  };
}

/** Sources that have their broker. */
export function connectedCount({ sources }: Pick<Snapshot, "sources">): number {
  return sources.filter(({ state }) => state === "connected").length;
}

/** Of all databases: away when one of them is. */
export function influxdbState({ databases }: Pick<Snapshot, "databases">): DatabaseState {
  const states = databases.map(({ state }) => state);
  if (states.includes("away")) return "away";
  return states.every((state) => state === "untried") ? "untried" : "up";
}

/** A log line leaves out what is undefined. */
function unlessZero(count: number): number | undefined {
  return count === 0 ? undefined : count;
}
