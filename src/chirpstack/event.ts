/**
 * What a ChirpStack message means, whatever its dialect and encoding were. Times are BigInt
 * nanoseconds since 1970; an absent time is `undefined`, never 0.
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
  readonly altitude: number;
}

/** One reception by one gateway antenna. */
export interface Reception {
  readonly gatewayId: string;
  readonly rssiDbm: number | undefined;
  readonly snrDb: number | undefined;
  readonly channel: number;
  readonly antenna: number;
  readonly gwTimeNs: bigint | undefined;
  readonly nsTimeNs: bigint | undefined;
  /** The gateway took the time from GPS. */
  readonly hasGpsTime: boolean;
  readonly location: Location | undefined;
  readonly crcOk: boolean;
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

export interface Uplink {
  readonly kind: "up";
  /** "" when the dialect has none. */
  readonly deduplicationId: string;
  /** As the network server stated it. */
  readonly timeNs: bigint | undefined;
  readonly device: DeviceInfo;
  readonly devAddr: string;
  readonly adr: boolean;
  readonly confirmed: boolean;
  readonly dr: number;
  readonly fCnt: number;
  readonly fPort: number;
  /** The decrypted FRMPayload. */
  readonly data: Uint8Array;
  /** What the device profile's codec made of `data`. */
  readonly object: JsonObject | undefined;
  readonly receptions: readonly Reception[];
  readonly frequencyHz: number;
  readonly modulation: Modulation | undefined;
  readonly regionConfigId: string;
  /** Parts that did not fit the schema and were left out, as JSON paths (`rxInfo[0].rssi`). */
  readonly dropped: readonly string[];
}

/** An event that is understood to be one, but that no table holds yet. */
export interface UnmappedEvent {
  readonly kind: "unmapped";
  /** "join", "ack", "status", "gateway/stats", …: the key it is counted under. */
  readonly name: string;
}

export type Event = Uplink | UnmappedEvent;
