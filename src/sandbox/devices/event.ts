/**
 * What the simulated network server has to say, before it is JSON or protobuf. Times are BigInt
 * nanoseconds since 1970 (UTC); powers are dBm, ratios dB, frequencies Hz.
 */

export type CodecValue = null | boolean | number | string | CodecValue[] | CodecObject;
export interface CodecObject {
  [key: string]: CodecValue;
}

export interface DeviceInfo {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly applicationId: string;
  readonly applicationName: string;
  readonly deviceProfileId: string;
  readonly deviceProfileName: string;
  readonly deviceName: string;
  readonly devEui: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface GatewayLocation {
  readonly latitude: number;
  readonly longitude: number;
  readonly altitude: number;
}

/** One reception of an uplink: `rxInfo[]`. */
export interface RxInfo {
  readonly gatewayId: string;
  readonly uplinkId: number;
  /** The gateway's own clock; absent where the gateway states none. */
  readonly gwTimeNs: bigint | undefined;
  /** When the network server received it. */
  readonly nsTimeNs: bigint;
  /** Nanoseconds since 1980-01-06, without leap seconds; absent without a GNSS receiver. */
  readonly sinceGpsEpochNs: bigint | undefined;
  readonly rssiDbm: number;
  readonly snrDb: number;
  readonly channel: number;
  readonly rfChain: number;
  readonly location: GatewayLocation | undefined;
  readonly context: Uint8Array;
}

interface DeviceEvent {
  readonly timeNs: bigint;
  readonly device: DeviceInfo;
}

export interface UplinkFrame extends DeviceEvent {
  readonly kind: "up";
  readonly deduplicationId: string;
  readonly devAddr: string;
  readonly dr: number;
  readonly spreadingFactor: number;
  readonly fCnt: number;
  readonly fPort: number;
  readonly confirmed: boolean;
  readonly data: Uint8Array;
  /** Absent when the frame had no application payload, or its codec failed. */
  readonly object: CodecObject | undefined;
  readonly rxInfo: readonly RxInfo[];
  readonly frequencyHz: number;
}

export interface JoinEvent extends DeviceEvent {
  readonly kind: "join";
  readonly deduplicationId: string;
  readonly devAddr: string;
}

export interface StatusEvent extends DeviceEvent {
  readonly kind: "status";
  readonly deduplicationId: string;
  readonly marginDb: number;
  readonly externalPowerSource: boolean;
  readonly batteryPercent: number;
}

export interface AckEvent extends DeviceEvent {
  readonly kind: "ack";
  readonly deduplicationId: string;
  readonly queueItemId: string;
  readonly acknowledged: boolean;
  readonly fCntDown: number;
}

export interface TxAckEvent extends DeviceEvent {
  readonly kind: "txack";
  readonly downlinkId: number;
  readonly queueItemId: string;
  readonly fCntDown: number;
  readonly gatewayId: string;
}

export interface LogEvent extends DeviceEvent {
  readonly kind: "log";
  readonly level: "WARNING" | "ERROR";
  readonly code: "UPLINK_CODEC" | "UPLINK_F_CNT_RETRANSMISSION";
  readonly description: string;
  /** The uplink that it is about. */
  readonly deduplicationId: string;
}

export type ApplicationEvent = UplinkFrame | JoinEvent | StatusEvent | AckEvent | TxAckEvent | LogEvent;

/** What a gateway counted since its last statistics. */
export interface GatewayStats {
  readonly gatewayId: string;
  readonly timeNs: bigint;
  readonly location: GatewayLocation | undefined;
  readonly rxPackets: number;
  readonly rxPacketsOk: number;
  readonly rxPacketsPerFrequencyHz: ReadonlyMap<number, number>;
  readonly metadata: Readonly<Record<string, string>>;
}
