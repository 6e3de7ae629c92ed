/**
 * What a ChirpStack message means, whatever its dialect and encoding were. Times are BigInt
 * nanoseconds since 1970; an absent time is `undefined`, never 0. A text that the dialect does not
 * have is "".
 *
 * Zeros and `false` are ones that the message says. v4 (in both encodings) and protobuf leave them out, so
 * that what is absent there is zero; in the JSON of v3 and of Milesight it is not said. What is not said, or
 * did not fit, is `undefined`.
 */

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

export interface DeviceInfo {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly applicationId: string;
  readonly applicationName: string;
  readonly profileId: string;
  readonly profileName: string;
  readonly deviceName: string;
  /** 16 lower-case hex digits. */
  readonly devEui: string;
  readonly tags: ReadonlyMap<string, string>;
}

export interface Location {
  readonly latitude: number;
  readonly longitude: number;
  readonly altitude: number | undefined;
}

/** One reception by one gateway antenna. */
export interface Reception {
  readonly gatewayId: string;
  readonly rssiDbm: number | undefined;
  readonly snrDb: number | undefined;
  readonly channel: number | undefined;
  readonly gwTimeNs: bigint | undefined;
  readonly nsTimeNs: bigint | undefined;
  /** The gateway took the time from GPS. */
  readonly hasGpsTime: boolean;
  readonly location: Location | undefined;
  readonly crcOk: boolean | undefined;
}

export type Modulation =
  | {
      readonly kind: "lora";
      readonly bandwidthHz: number;
      readonly spreadingFactor: number;
      /** "4/5", or "" when unknown. */
      readonly codeRate: string;
    }
  | { readonly kind: "fsk"; readonly bitrateBps: number }
  | { readonly kind: "lr_fhss"; readonly codeRate: string };

/** A relay that passed a frame on, and how it heard the device. */
export interface Relay {
  readonly devEui: string;
  readonly rssiDbm: number;
  readonly snrDb: number;
}

interface Message {
  /** As the network server, or else the gateway, stated it. */
  readonly timeNs: bigint | undefined;
  /**
   * Equal bytes on the same topic can only be this message again: it carries an id, or a time that no other
   * message has. Without that only the broker's DUP flag tells a copy from a second event.
   */
  readonly isIdentified: boolean;
  /** Parts that did not fit the schema and were left out, as JSON paths (`rxInfo[0].rssi`). */
  readonly dropped: readonly string[];
}

interface DeviceMessage extends Message {
  readonly device: DeviceInfo;
  /** "" when the dialect, or the kind of event, has none. */
  readonly deduplicationId: string;
}

export interface Uplink extends DeviceMessage {
  readonly kind: "up";
  readonly devAddr: string;
  readonly adr: boolean | undefined;
  readonly confirmed: boolean | undefined;
  readonly dr: number | undefined;
  readonly fCnt: number | undefined;
  readonly fPort: number | undefined;
  /** The decrypted FRMPayload; empty when the frame had only MAC commands. */
  readonly data: Uint8Array | undefined;
  /** What the device profile's codec made of `data`. */
  readonly object: JsonObject | undefined;
  readonly receptions: readonly Reception[];
  readonly frequencyHz: number;
  readonly modulation: Modulation | undefined;
  readonly relay: Relay | undefined;
  readonly regionConfigId: string;
}

/** Told with the first uplink after an OTAA join. */
export interface Join extends DeviceMessage {
  readonly kind: "join";
  readonly devAddr: string;
  readonly relay: Relay | undefined;
  readonly regionConfigId: string;
}

/** The device acknowledged a confirmed downlink, or did not in time. */
export interface Ack extends DeviceMessage {
  readonly kind: "ack";
  readonly queueItemId: string;
  readonly acknowledged: boolean | undefined;
  readonly fCntDown: number | undefined;
}

/** A gateway sent a downlink. */
export interface TxAck extends DeviceMessage {
  readonly kind: "txack";
  readonly downlinkId: number | undefined;
  readonly queueItemId: string;
  readonly fCntDown: number | undefined;
  readonly gatewayId: string;
  readonly frequencyHz: number;
  readonly powerDbm: number | undefined;
  readonly modulation: Modulation | undefined;
}

/** The network server has something to say about a device; v3 calls it "error". */
export interface LogMessage extends DeviceMessage {
  readonly kind: "log";
  /** "INFO", "WARNING", "ERROR". */
  readonly level: string;
  /** ChirpStack v4's names (`UPLINK_CODEC`), also for what v3 says; an unknown one as it came. */
  readonly code: string;
  readonly description: string;
  readonly context: ReadonlyMap<string, string>;
  /** Of the uplink that it is about, where that is said. */
  readonly fCnt: number | undefined;
}

/** What the device answered to DevStatusReq. */
export interface Status extends DeviceMessage {
  readonly kind: "status";
  /** The SNR (dB) of the last DevStatusReq as the device heard it: "Margin" in LoRaWAN 1.0.4 §5.5. */
  readonly marginDb: number | undefined;
  readonly externalPower: boolean | undefined;
  /** The device could not measure it. */
  readonly batteryUnavailable: boolean | undefined;
  /** `undefined` with one of the two flags: the 0 on the wire is no empty battery. */
  readonly batteryPercent: number | undefined;
}

/** A position that the network server resolved; up to v4.14. */
export interface DeviceLocation extends DeviceMessage {
  readonly kind: "location";
  readonly location: Location | undefined;
  /** "GPS", "GEO_RESOLVER_TDOA", …, as the schema names it; "" for UNKNOWN. */
  readonly source: string;
  readonly accuracyM: number | undefined;
}

/** Something that an integration sent back; up to v4.14. Its object can be anything: no table is for it. */
export interface IntegrationMessage extends DeviceMessage {
  readonly kind: "integration";
  readonly integrationName: string;
  readonly eventType: string;
}

interface GatewayMessage extends Message {
  /** 16 lower-case hex digits. */
  readonly gatewayId: string;
}

export interface DutyCycleBand {
  readonly name: string;
  readonly frequencyMinHz: number;
  readonly frequencyMaxHz: number;
  /** Time on air within the window: what is allowed, and what was used. */
  readonly loadMaxMs: number;
  readonly loadTrackedMs: number;
}

/** What a gateway counted since its last statistics (30 s by default). */
export interface GatewayStats extends GatewayMessage {
  readonly kind: "gateway/stats";
  readonly location: Location | undefined;
  readonly rxReceived: number | undefined;
  /** With a good checksum. */
  readonly rxReceivedOk: number | undefined;
  readonly txReceived: number | undefined;
  readonly txEmitted: number | undefined;
  /** "OK", "TOO_LATE", …: how many downlinks ended so. */
  readonly txByStatus: ReadonlyMap<string, number>;
  readonly dutyCycle: readonly DutyCycleBand[];
  /** What the operator configured, and versions. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The gateway's forwarder connected to the broker, or is gone: retained, and its last will. */
export interface GatewayConn extends GatewayMessage {
  readonly kind: "gateway/conn";
  readonly online: boolean;
}

export interface RelayHop {
  readonly relayId: string;
  readonly rssiDbm: number;
  readonly snrDb: number;
}

/** A relay of a gateway mesh says that it lives, by way of others. */
export interface MeshHeartbeat extends GatewayMessage {
  readonly kind: "gateway/mesh";
  readonly relayId: string;
  /** From the relay to the border gateway. */
  readonly path: readonly RelayHop[];
}

/** An event that is understood to be one, and that no table is for. */
export interface UnmappedEvent {
  readonly kind: "unmapped";
  /** "gateway/up", "command/down", …: the key it is counted under. */
  readonly name: string;
}

/** What a device did: it proves that the device lives. */
export type DeviceEvent =
  | Uplink
  | Join
  | Ack
  | TxAck
  | LogMessage
  | Status
  | DeviceLocation
  | IntegrationMessage;
export type GatewayEvent = GatewayStats | GatewayConn | MeshHeartbeat;
export type MappedEvent = DeviceEvent | GatewayEvent;
export type Event = MappedEvent | UnmappedEvent;

export function isDeviceEvent(event: Event): event is DeviceEvent {
  return "device" in event;
}
