/**
 * What a running daemon says of itself, as plain data: the control socket sends it as JSON, `flightline status`
 * prints it. Times that end in `AtMs` are wall-clock ms since 1970, those in `InMs` and `AgoMs` are from now.
 */
import type { Layer } from "../lib/fault.ts";
import type { Snapshot } from "./snapshot.ts";

export interface FaultStatus {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A part as the supervisor sees it. */
export interface PartStatus {
  readonly name: string;
  readonly state: "running" | "waiting" | "parked" | "stopping" | "stuck" | "ended";
  readonly isCritical: boolean;
  readonly restarts: number;
  readonly lastFault: FaultStatus | undefined;
  readonly sinceAgoMs: number;
  readonly nextTryInMs: number | undefined;
  readonly lastBeatAgoMs: number | undefined;
}

/** Safe mode: ingest, journal and forward only, after a row of unclean starts. */
export type ModeStatus =
  | { readonly kind: "normal" }
  | {
      readonly kind: "safe";
      readonly uncleanStarts: number;
      readonly suspect: string | undefined;
      /** Parts that are not started yet, in their order. */
      readonly waiting: readonly { readonly part: string; readonly startsInMs: number }[];
    };

/** A run of the daemon before this one. */
export interface StartStatus {
  readonly startedAtMs: number;
  readonly end: "clean" | "crash" | "unknown";
  readonly part: string | undefined;
  readonly fault: FaultStatus | undefined;
}

/** A unit of systemd, ours or a neighbour's, as `systemctl show` tells. */
export interface UnitStatus {
  readonly unit: string;
  readonly isOurs: boolean;
  readonly activeState: string;
  readonly subState: string;
  readonly result: string;
  readonly restarts: number;
  /** Of the last main process: exit code or signal, as systemd names it; undefined when it never ended. */
  readonly lastExit: string | undefined;
  readonly sinceAtMs: number | undefined;
  /** It is started again and again. */
  readonly isLooping: boolean;
}

/** The process that queries InfluxDB over Flight: there is none while nothing is asked. */
export interface StreamsProcessStatus {
  readonly state: "idle" | "starting" | "running";
  readonly pid: number | undefined;
  /** Undefined before its first answer to a ping. */
  readonly residentBytes: number | undefined;
  /** Since the daemon started. */
  readonly starts: number;
  /** Those of its ends that were failures. */
  readonly failures: number;
  readonly lastFault: FaultStatus | undefined;
  readonly queries: {
    readonly underWay: number;
    readonly waiting: number;
    readonly answered: number;
    readonly faulted: number;
    /** Texts that are refused for a while, because the process died of them twice. */
    readonly parked: number;
    /** Of the last one that failed. */
    readonly lastFault: FaultStatus | undefined;
  };
}

export interface TroubleStatus extends FaultStatus {
  readonly layer: Layer;
  /** The name of the source, database, part or unit that it is about. */
  readonly where: string;
  /** doubtful: the work goes on all the same, though not as well as it could. */
  readonly severity: "bad" | "doubtful";
  /** `where` of the trouble that explains this one; undefined: it stands for itself. */
  readonly behind?: string | undefined;
}

/** How the backlog drains, net of what comes in. */
export interface DrainStatus {
  /** Messages by which it shrinks. */
  readonly perSecond: number;
  /** At this rate, until nothing waits that could be sent. */
  readonly leftMs: number;
}

export interface DaemonStatus {
  readonly version: string;
  /** The name of this installation. */
  readonly node: string;
  /** The version of Node.js, "v24.21.0". */
  readonly nodeJs: string;
  readonly pid: number;
  /** The directory of the databases: by it a command knows that it asks the daemon it means. */
  readonly dataDir: string;
  readonly startedAtMs: number;
  readonly uptimeMs: number;
  readonly mode: ModeStatus;
  /** "" when all is well, else who is silent and for how long: what the watchdog goes by. */
  readonly unhealthy: string;
  /** The worst of the last minute. */
  readonly loopDelayMs: number;
  readonly residentBytes: number;
  readonly parts: readonly PartStatus[];
  readonly streams: StreamsProcessStatus;
  /** What is wrong just now, lowest layer first; empty when nothing is. */
  readonly troubles: readonly TroubleStatus[];
  readonly snapshot: Snapshot;
  /** Since the oldest message that InfluxDB does not have came; undefined: there is none, or no clock to tell. */
  readonly oldestUnsentAgoMs: number | undefined;
  /** Undefined: nothing is to be drained, or nobody can tell how fast. */
  readonly drain?: DrainStatus | undefined;
  /** Messages of brokers per second, over the last minute. */
  readonly rates: { readonly received: number; readonly written: number };
  /** The newest runs before this one, newest first. */
  readonly starts: readonly StartStatus[];
  /** Undefined without systemd. */
  readonly units: readonly UnitStatus[] | undefined;
  readonly service: {
    readonly way: "libsystemd" | "systemd-notify" | "none";
    readonly watchdogMs: number | undefined;
    readonly lastFault: FaultStatus | undefined;
  };
}
