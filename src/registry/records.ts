/**
 * What is known of each device and gateway, learned from their events in the order of the journal. Plain
 * data: `state` keeps it, `pipeline/project.ts` drives it. Times are ms since 1970.
 */
import type { Location } from "../chirpstack/event.ts";

export interface DeviceRecord {
  readonly devEui: string;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly applicationId: string;
  readonly applicationName: string;
  readonly profileId: string;
  readonly profileName: string;
  readonly deviceName: string;
  /** Those that become tags of rows, and as many others as there is room for. */
  readonly tags: ReadonlyMap<string, string>;
  readonly firstSeenMs: number;
  /** Of any event: whatever it says, it proves that the device lives. */
  readonly lastSeenMs: number;
  /** The kind of that event. */
  readonly lastEvent: string;
  readonly lastUplinkMs: number | undefined;
  readonly session: Session | undefined;
  /** Between two transmissions, robust to loss; undefined until it is learned. */
  readonly intervalMs: number | undefined;
  /** What it is learned from: the newest last. */
  readonly intervalSamplesMs: readonly number[];
  /** Gateway id → when it last heard the device; the newest 16. */
  readonly gateways: ReadonlyMap<string, number>;
  readonly power: Power | undefined;
  /** The UTC day (days since 1970) of the last row in the table `device`. */
  readonly rowDay: number | undefined;
  /** The last row that was made because a fact had changed. */
  readonly changeRowMs: number | undefined;
  /** A fact has changed since the last row. */
  readonly isRowOwed: boolean;
}

/** Frame counters start again with a new device address, or with a reset of the device. */
export interface Session {
  readonly devAddr: string;
  readonly sinceMs: number;
  readonly lastFCnt: number;
  readonly lastUplinkMs: number;
}

/** From the last `status`. */
export interface Power {
  readonly atMs: number;
  readonly batteryPercent: number | undefined;
  readonly externalPower: boolean | undefined;
  readonly batteryUnavailable: boolean | undefined;
  readonly marginDb: number | undefined;
}

export interface GatewayRecord {
  readonly gatewayId: string;
  readonly firstSeenMs: number;
  /** By its own messages, or by an uplink that it heard. */
  readonly lastSeenMs: number;
  /** As `state/conn` says; undefined until it has said something. */
  readonly online: boolean | undefined;
  /** Undefined also while it is as we found it. */
  readonly onlineSinceMs: number | undefined;
  /** Source and topic → what it last said; the newest 8. A gateway that moved has one for each region prefix. */
  readonly stateTopics: ReadonlyMap<string, boolean>;
  /** A state that came with DUP, and that no row shows yet. */
  readonly unshown: UnshownState | undefined;
  readonly lastStatsMs: number | undefined;
  /** The times that the newest statistics themselves say, believable or not, in the order of their receipt. */
  readonly statsTimesMs: readonly number[];
  /** The newest of those times that had to leave; undefined before one had to. */
  readonly statsForgottenMs: number | undefined;
  /** The `[[mqtt]]` source of the last statistics that were no copy; "" before there are any. */
  readonly statsSource: string;
  readonly location: Location | undefined;
}

export interface UnshownState {
  /** What rows show until then, or what we found; undefined where nobody has said anything. */
  readonly shownOnline: boolean | undefined;
  readonly shownSinceMs: number | undefined;
  /** Receipt and source of the message: its row has them. */
  readonly timeNs: bigint;
  readonly source: string;
  /** From this log time on a row shows it. */
  readonly dueMs: number;
}

/**
 * The statistics of one gateway over five minutes. Which messages belong to it follows from their own time
 * and the time of their receipt alone, so that a replay gives the same sums.
 */
export interface StatsSum {
  readonly gatewayId: string;
  /** Name of the `[[mqtt]]` source: rows are routed by it. */
  readonly source: string;
  /** Start of the five minutes. */
  readonly bucketMs: number;
  /** How many buckets later than usual the messages arrived; 0 for nearly all. */
  readonly delay: number;
  /** No more messages can belong to it from then on (time of receipt). */
  readonly closesMs: number;
  readonly count: number;
  /** The times (ns) of the messages in it, ascending, so that a copy is not counted twice. */
  readonly timesNs: readonly bigint[];
  readonly rxReceived: number;
  readonly rxReceivedOk: number;
  readonly txReceived: number;
  readonly txEmitted: number;
  /** By name of ChirpStack's `TxAckStatus`; every other one is under "OTHER". */
  readonly txByStatus: ReadonlyMap<string, number>;
  /** Band → the highest load in the window as a share of what is allowed. */
  readonly dutyCycle: ReadonlyMap<string, number>;
  /** From the newest message. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly location: Location | undefined;
}
