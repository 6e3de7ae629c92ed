/** The radio side of v3's messages: receptions, their times, and modulation. */
import type {
  DownlinkTXInfo,
  Location as WireLocation,
  UplinkRXInfo,
  UplinkTXInfo,
} from "../../proto/v3/v3_pb.js";
import type { DroppedParts } from "../dropped.ts";
import type { Location, Modulation, Reception } from "../event.ts";
import { firstItems, maxReceptions, toCrcOk, toEuiFromBytes, toFinite, toLocation, toNs } from "../fields.ts";
import { said } from "./context.ts";
import type { Context } from "./context.ts";

export function toReceptions(rxInfo: readonly UplinkRXInfo[], context: Context): readonly Reception[] {
  const receptions = firstItems(rxInfo, maxReceptions, "rxInfo", context.dropped);
  return receptions.map((rx, index) => toReception(rx, `rxInfo[${index}]`, context));
}

function toReception(rx: UplinkRXInfo, path: string, context: Context): Reception {
  const { dropped } = context;
  const gwTimeNs = toReceptionTime(rx, path, dropped);
  return {
    gatewayId: toGatewayId(rx.gatewayId, `${path}.gatewayID`, dropped),
    rssiDbm: said(rx.rssi, 0, context),
    // A double here.
    snrDb: toFinite(said(rx.loraSnr, 0, context), `${path}.loRaSNR`, dropped),
    channel: said(rx.channel, 0, context),
    gwTimeNs,
    nsTimeNs: undefined,
    hasGpsTime: context.hasGpsTimes && gwTimeNs !== undefined,
    location: toPlace(rx.location, `${path}.location`, context),
    crcOk: toCrcOk(rx.crcStatus),
  };
}

export function toPlace(
  location: WireLocation | undefined,
  path: string,
  context: Context,
): Location | undefined {
  if (location === undefined) return undefined;
  const latitude = said(location.latitude, 0, context);
  const longitude = said(location.longitude, 0, context);
  const altitude = said(location.altitude, 0, context);
  return toLocation({ latitude, longitude, altitude }, path, context.dropped);
}

/** "" when absent, or listed. */
export function toGatewayId(bytes: Uint8Array, path: string, dropped: DroppedParts): string {
  if (bytes.length === 0) return "";
  const eui = toEuiFromBytes(bytes);
  if (eui === undefined) dropped.add(path);
  return eui ?? "";
}

/** 1980-01-06T00:00:00Z in seconds since 1970. */
const gpsEpochSeconds = 315_964_800n;
/** UTC's lag behind GPS time since 2017, longer than v3 has been in use. */
const leapSeconds = 18n;

/** When the gateway heard it: `time`, or else the time since the GPS epoch. */
function toReceptionTime(rx: UplinkRXInfo, path: string, dropped: DroppedParts): bigint | undefined {
  const timeNs = toNs(rx.time, `${path}.time`, dropped);
  const gps = rx.timeSinceGpsEpoch;
  if (timeNs !== undefined || gps === undefined) return timeNs;
  const seconds = gpsEpochSeconds + gps.seconds - leapSeconds;
  return toNs({ seconds, nanos: gps.nanos }, `${path}.timeSinceGPSEpoch`, dropped);
}

/** Some gateway of several has the id that its bridge made of this one reception; all zeros is unset. */
export function hasUplinkId(rxInfo: readonly UplinkRXInfo[]): boolean {
  return rxInfo.some((rx) => rx.uplinkId.some((byte) => byte !== 0));
}

/** The 2.4 GHz band, whose bandwidth is no whole number of kHz. */
const bandwidth812Khz = 812;
const bandwidth812Hz = 812_500;

export function toModulation(txInfo: UplinkTXInfo | DownlinkTXInfo | undefined): Modulation | undefined {
  const info = txInfo?.modulationInfo;
  switch (info?.case) {
    case "loraModulationInfo": {
      const { bandwidth, spreadingFactor, codeRate } = info.value;
      const bandwidthHz = bandwidth === bandwidth812Khz ? bandwidth812Hz : bandwidth * 1000;
      return { kind: "lora", bandwidthHz, spreadingFactor, codeRate };
    }
    case "fskModulationInfo":
      return { kind: "fsk", bitrateBps: info.value.datarate };
    case "lrFhssModulationInfo":
      return { kind: "lr_fhss", codeRate: info.value.codeRate };
    default:
      return undefined;
  }
}
