/**
 * ChirpStack's `UplinkEvent`, from either encoding, as our `Uplink`. What proto3 leaves out is zero in
 * both encodings, so a missing `rssi` or `snr` is 0; only one that was there and did not fit is unknown.
 */
import { CodeRate, CRCStatus } from "../proto/gw/gw_pb.js";
import type { UplinkRxInfo, UplinkTxInfo } from "../proto/gw/gw_pb.js";
import type { DeviceInfo as WireDeviceInfo, UplinkEvent } from "../proto/integration/integration_pb.js";
import type { Location as WireLocation } from "../proto/common/common_pb.js";
import type { DroppedParts } from "./dropped.ts";
import type { DeviceInfo, JsonObject, Location, Modulation, Reception, Uplink } from "./event.ts";
import { timestampNs } from "./rfc3339.ts";
import type { SecondsAndNanos } from "./rfc3339.ts";

/** More receptions than that are not one frame; the binary encoding has no bound of its own. */
const maxReceptions = 256;

const hexEui = /^[0-9a-f]{16}$/;

/** LI: the long interleaver of the 2.4 GHz band. */
const codeRateTexts: Readonly<Partial<Record<CodeRate, string>>> = {
  [CodeRate.CR_4_5]: "4/5",
  [CodeRate.CR_4_6]: "4/6",
  [CodeRate.CR_4_7]: "4/7",
  [CodeRate.CR_4_8]: "4/8",
  [CodeRate.CR_3_8]: "3/8",
  [CodeRate.CR_2_6]: "2/6",
  [CodeRate.CR_1_4]: "1/4",
  [CodeRate.CR_1_6]: "1/6",
  [CodeRate.CR_5_6]: "5/6",
  [CodeRate.CR_LI_4_5]: "4/5LI",
  [CodeRate.CR_LI_4_6]: "4/6LI",
  [CodeRate.CR_LI_4_8]: "4/8LI",
};

/** `undefined` when the message does not say which device it is from. */
export function toUplink(
  event: UplinkEvent,
  object: JsonObject | undefined,
  dropped: DroppedParts,
): Uplink | undefined {
  const device = event.deviceInfo === undefined ? undefined : toDevice(event.deviceInfo);
  if (device === undefined) return undefined;
  const receptions = toReceptions(event.rxInfo, dropped);
  return {
    kind: "up",
    deduplicationId: event.deduplicationId,
    timeNs: toNs(event.time, "time", dropped),
    device,
    devAddr: event.devAddr.toLowerCase(),
    adr: event.adr,
    confirmed: event.confirmed,
    dr: event.dr,
    fCnt: event.fCnt,
    fPort: event.fPort,
    data: event.data,
    object,
    receptions,
    frequencyHz: event.txInfo?.frequency ?? 0,
    modulation: toModulation(event.txInfo),
    regionConfigId: event.regionConfigId || formerRegion(event.rxInfo),
    dropped: dropped.paths(),
  };
}

function toDevice(info: WireDeviceInfo): DeviceInfo | undefined {
  const devEui = info.devEui.toLowerCase();
  if (!hexEui.test(devEui)) return undefined;
  return {
    tenantId: info.tenantId,
    tenantName: info.tenantName,
    applicationId: info.applicationId,
    applicationName: info.applicationName,
    profileId: info.deviceProfileId,
    profileName: info.deviceProfileName,
    deviceName: info.deviceName,
    devEui,
    tags: new Map(Object.entries(info.tags)),
  };
}

function toReceptions(rxInfo: readonly UplinkRxInfo[], dropped: DroppedParts): Reception[] {
  const receptions: Reception[] = [];
  const count = Math.min(rxInfo.length, maxReceptions);
  for (const [index, rx] of rxInfo.entries()) {
    if (index === count) break;
    receptions.push(toReception(rx, `rxInfo[${index}]`, dropped));
  }
  if (rxInfo.length > maxReceptions) dropped.add(`rxInfo[${maxReceptions}…]`);
  return receptions;
}

function toReception(rx: UplinkRxInfo, path: string, dropped: DroppedParts): Reception {
  return {
    gatewayId: rx.gatewayId.toLowerCase(),
    rssiDbm: dropped.hasField(rx, "rssi") ? undefined : rx.rssi,
    snrDb: toSnr(rx, path, dropped),
    channel: rx.channel,
    antenna: rx.antenna,
    gwTimeNs: toNs(rx.gwTime, `${path}.gwTime`, dropped),
    nsTimeNs: toNs(rx.nsTime, `${path}.nsTime`, dropped),
    // Only a receiver that has heard GPS knows the time since its epoch; ChirpStack prefers it too.
    hasGpsTime: rx.timeSinceGpsEpoch !== undefined,
    location: toLocation(rx.location, `${path}.location`, dropped),
    crcOk: rx.crcStatus === CRCStatus.CRC_OK,
  };
}

function toSnr(rx: UplinkRxInfo, path: string, dropped: DroppedParts): number | undefined {
  if (dropped.hasField(rx, "snr")) return undefined;
  if (Number.isFinite(rx.snr)) return shortestFloat32(rx.snr);
  dropped.addField(rx, "snr", `${path}.snr`);
  return undefined;
}

/** Zeros are left out on the wire: 0, 0, 0 is "not set", and a real place in the sea nobody measures from. */
function toLocation(
  location: WireLocation | undefined,
  path: string,
  dropped: DroppedParts,
): Location | undefined {
  if (location === undefined) return undefined;
  const { latitude, longitude, altitude } = location;
  if (latitude === 0 && longitude === 0 && altitude === 0) return undefined;
  if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 && Number.isFinite(altitude)) {
    return { latitude, longitude, altitude };
  }
  dropped.add(path);
  return undefined;
}

function toModulation(txInfo: UplinkTxInfo | undefined): Modulation | undefined {
  const parameters = txInfo?.modulation?.parameters;
  if (parameters?.case === "lora") {
    const { bandwidth, spreadingFactor, codeRate, codeRateLegacy } = parameters.value;
    return {
      kind: "lora",
      bandwidthHz: bandwidth,
      spreadingFactor,
      codeRate: codeRateTexts[codeRate] ?? codeRateLegacy,
    };
  }
  if (parameters?.case === "fsk") return { kind: "fsk", bitrateBps: parameters.value.datarate };
  if (parameters?.case !== "lrFhss") return undefined;
  const { codeRate, codeRateLegacy } = parameters.value;
  return { kind: "lr_fhss", codeRate: codeRateTexts[codeRate] ?? codeRateLegacy };
}

/** Before v4.11 the region stood in the metadata of each reception. */
function formerRegion(rxInfo: readonly UplinkRxInfo[]): string {
  const metadata = rxInfo[0]?.metadata;
  return (
    (metadata !== undefined && Object.hasOwn(metadata, "region_config_id") && metadata["region_config_id"]) ||
    ""
  );
}

function toNs(time: SecondsAndNanos | undefined, path: string, dropped: DroppedParts): bigint | undefined {
  if (time === undefined) return undefined;
  const ns = timestampNs(time);
  if (ns === undefined) dropped.add(path);
  return ns;
}

/**
 * The shortest decimal that is this float32: 13.2 in JSON and 13.199999809… from the binary encoding are
 * one number, and must be one value in the database. Six digits tell most float32 apart, nine all.
 */
function shortestFloat32(value: number): number {
  const float32 = Math.fround(value);
  const tenths = Math.round(float32 * 10) / 10;
  if (Math.fround(tenths) === float32) return tenths;
  for (let digits = 6; digits < 9; digits += 1) {
    const candidate = Number(float32.toPrecision(digits));
    if (Math.fround(candidate) === float32) return candidate;
  }
  return Number(float32.toPrecision(9));
}
