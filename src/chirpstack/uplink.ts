/**
 * ChirpStack v4's `UplinkEvent`, from either encoding, as our `Uplink`. What proto3 leaves out is zero in
 * both encodings, so a missing `rssi` or `snr` is 0; only one that was there and did not fit is unknown.
 */
import type { UplinkRxInfo } from "../proto/gw/gw_pb.js";
import type { UplinkEvent } from "../proto/integration/integration_pb.js";
import { toHead, toRelay } from "./device.ts";
import type { DroppedParts } from "./dropped.ts";
import type { JsonObject, Reception, Uplink } from "./event.ts";
import { firstItems, maxReceptions, toCrcOk, toFloat32, toLocation, toNs } from "./fields.ts";
import { toModulation } from "./modulation.ts";
import { toObject } from "./payload-object.ts";

/** `undefined` when the message does not say which device it is from. */
export function toUplink(
  event: UplinkEvent,
  dropped: DroppedParts,
  json: JsonObject | undefined,
): Uplink | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  const rxInfo = firstItems(event.rxInfo, maxReceptions, "rxInfo", dropped);
  return {
    kind: "up",
    ...head,
    devAddr: event.devAddr.toLowerCase(),
    adr: dropped.kept(event, "adr"),
    confirmed: dropped.kept(event, "confirmed"),
    dr: dropped.kept(event, "dr"),
    fCnt: dropped.kept(event, "fCnt"),
    fPort: dropped.kept(event, "fPort"),
    data: dropped.kept(event, "data"),
    object: toObject(json === undefined ? event.object : json["object"], dropped),
    receptions: rxInfo.map((rx, index) => toReception(rx, `rxInfo[${index}]`, dropped)),
    frequencyHz: event.txInfo?.frequency ?? 0,
    modulation: toModulation(event.txInfo?.modulation),
    relay: toRelay(event.relayRxInfo, dropped),
    regionConfigId: event.regionConfigId || formerRegion(event.rxInfo),
    dropped: dropped.paths(),
  };
}

function toReception(rx: UplinkRxInfo, path: string, dropped: DroppedParts): Reception {
  return {
    gatewayId: rx.gatewayId.toLowerCase(),
    rssiDbm: dropped.kept(rx, "rssi"),
    snrDb: toFloat32(dropped.kept(rx, "snr"), `${path}.snr`, dropped),
    channel: dropped.kept(rx, "channel"),
    gwTimeNs: toNs(rx.gwTime, `${path}.gwTime`, dropped),
    nsTimeNs: toNs(rx.nsTime, `${path}.nsTime`, dropped),
    // Only a receiver that has heard GPS knows the time since its epoch; ChirpStack prefers it too.
    hasGpsTime: rx.timeSinceGpsEpoch !== undefined,
    location: toLocation(rx.location, `${path}.location`, dropped),
    crcOk: toCrcOk(dropped.kept(rx, "crcStatus")),
  };
}

/** Before v4.11 the region stood in the metadata of each reception. */
function formerRegion(rxInfo: readonly UplinkRxInfo[]): string {
  const metadata = rxInfo[0]?.metadata;
  return (
    (metadata !== undefined && Object.hasOwn(metadata, "region_config_id") && metadata["region_config_id"]) ||
    ""
  );
}
