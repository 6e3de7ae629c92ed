/** ChirpStack v4's device events other than `up`, from either encoding. Each is `undefined` without a device. */
import type { DescEnum } from "@bufbuild/protobuf";
import { LocationSourceSchema } from "../proto/common/common_pb.js";
import { LogCodeSchema, LogLevelSchema } from "../proto/integration/integration_pb.js";
import type {
  AckEvent,
  IntegrationEvent,
  JoinEvent,
  LocationEvent,
  LogEvent,
  StatusEvent,
  TxAckEvent,
} from "../proto/integration/integration_pb.js";
import { toHead, toRelay } from "./device.ts";
import type { DroppedParts } from "./dropped.ts";
import type {
  Ack,
  DeviceLocation,
  IntegrationMessage,
  Join,
  JsonObject,
  LogMessage,
  Status,
  TxAck,
} from "./event.ts";
import { shortestFloat32, toLocation } from "./fields.ts";
import { toModulation } from "./modulation.ts";
import { toObject } from "./payload-object.ts";

export function toJoin(event: JoinEvent, dropped: DroppedParts): Join | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  return {
    kind: "join",
    ...head,
    devAddr: event.devAddr.toLowerCase(),
    relay: toRelay(event.relayRxInfo, dropped),
    regionConfigId: event.regionConfigId,
    dropped: dropped.paths(),
  };
}

export function toAck(event: AckEvent, dropped: DroppedParts): Ack | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  return {
    kind: "ack",
    ...head,
    queueItemId: event.queueItemId,
    acknowledged: event.acknowledged,
    fCntDown: event.fCntDown,
    dropped: dropped.paths(),
  };
}

export function toTxAck(event: TxAckEvent, dropped: DroppedParts): TxAck | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  const { txInfo } = event;
  return {
    kind: "txack",
    ...head,
    downlinkId: dropped.hasField(event, "downlinkId") ? undefined : event.downlinkId,
    queueItemId: event.queueItemId,
    fCntDown: event.fCntDown,
    gatewayId: event.gatewayId.toLowerCase(),
    frequencyHz: txInfo?.frequency ?? 0,
    powerDbm: txInfo === undefined || dropped.hasField(txInfo, "power") ? undefined : txInfo.power,
    modulation: toModulation(txInfo?.modulation),
    dropped: dropped.paths(),
  };
}

/** The `deduplication_id` in a log's context is the uplink's that it is about, not its own. */
export function toLog(
  event: LogEvent,
  dropped: DroppedParts,
  json: JsonObject | undefined,
): LogMessage | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  const nameOf = (field: "level" | "code", desc: DescEnum): string => {
    const sent = json?.[field];
    // The name of a newer ChirpStack: it is listed as one that the schema does not have, and kept.
    if (typeof sent === "string" && dropped.hasField(event, field)) return sent.slice(0, maxNameLength);
    return enumText(desc, event[field]);
  };
  return {
    kind: "log",
    ...head,
    level: nameOf("level", LogLevelSchema),
    code: nameOf("code", LogCodeSchema),
    description: event.description,
    context: new Map(Object.entries(event.context)),
    fCnt: undefined,
    dropped: dropped.paths(),
  };
}

const maxNameLength = 64;

function enumText(desc: DescEnum, number: number): string {
  return desc.value[number]?.name ?? String(number);
}

export function toStatus(event: StatusEvent, dropped: DroppedParts): Status | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  const { externalPowerSource, batteryLevelUnavailable } = event;
  return {
    kind: "status",
    ...head,
    marginDb: dropped.hasField(event, "margin") ? undefined : event.margin,
    externalPower: externalPowerSource,
    batteryUnavailable: batteryLevelUnavailable,
    batteryPercent:
      externalPowerSource || batteryLevelUnavailable ? undefined : toBatteryPercent(event, dropped),
    dropped: dropped.paths(),
  };
}

function toBatteryPercent(event: StatusEvent, dropped: DroppedParts): number | undefined {
  if (dropped.hasField(event, "batteryLevel")) return undefined;
  if (Number.isFinite(event.batteryLevel)) return shortestFloat32(event.batteryLevel);
  dropped.addField(event, "batteryLevel", "batteryLevel");
  return undefined;
}

export function toDeviceLocation(event: LocationEvent, dropped: DroppedParts): DeviceLocation | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  const { location } = event;
  const source = location?.source ?? 0;
  return {
    kind: "location",
    ...head,
    location: toLocation(location, "location", dropped),
    source: source === 0 ? "" : enumText(LocationSourceSchema, source),
    accuracyM: toAccuracy(location?.accuracy ?? 0, dropped),
    dropped: dropped.paths(),
  };
}

/** 0 is "not known", as proto3 has it. */
function toAccuracy(metres: number, dropped: DroppedParts): number | undefined {
  if (metres === 0) return undefined;
  if (Number.isFinite(metres) && metres > 0) return shortestFloat32(metres);
  dropped.add("location.accuracy");
  return undefined;
}

export function toIntegration(
  event: IntegrationEvent,
  dropped: DroppedParts,
  json: JsonObject | undefined,
): IntegrationMessage | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  return {
    kind: "integration",
    ...head,
    integrationName: event.integrationName,
    eventType: event.eventType,
    object: toObject(json === undefined ? event.object : json["object"], dropped),
    dropped: dropped.paths(),
  };
}
