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
    readonly evicted: number;
    /** Received and not committed yet. */
    readonly waiting: number;
    readonly lastCommitMs: number;
  };
  readonly sources: readonly SourceSnapshot[];
  /** InfluxDB takes writes, as far as we know. */
  readonly influxIsOpen: boolean;
  /** Receipt to InfluxDB's acknowledgement, of the newest uplinks. */
  readonly latencyMs: { readonly p50: number | undefined; readonly p99: number | undefined };
}

export interface SourceSnapshot {
  readonly name: string;
  readonly state: "connecting" | "connected" | "waiting";
  readonly connects: number;
  /** Fault code. */
  readonly lastFault: string | undefined;
}

/** The one line that the log gets every few minutes. */
export function reportDetails({ counters, journal, sources, influxIsOpen, latencyMs }: Snapshot): LogDetails {
  return {
    received: counters.received,
    committed: counters.committed,
    written: counters.written,
    points: counters.points,
    backlog: journal.backlog,
    quarantined: total(counters.quarantined),
    notMapped: total(counters.unmapped),
    duplicates: counters.duplicates,
    held: counters.held,
    evicted: journal.evicted,
    brokers: `${sources.filter(({ state }) => state === "connected").length}/${sources.length}`,
    influxdb: influxIsOpen ? "up" : "away",
    p99Ms: latencyMs.p99 === undefined ? undefined : Math.round(latencyMs.p99),
  };
}
