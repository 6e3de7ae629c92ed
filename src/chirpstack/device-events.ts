/** ChirpStack v4's device events other than `up`, from either encoding. Each is `undefined` without a device. */
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
import { enumName, toAccuracyM, toFloat32, toLocation } from "./fields.ts";
import { toModulation } from "./modulation.ts";

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
    acknowledged: dropped.kept(event, "acknowledged"),
    fCntDown: dropped.kept(event, "fCntDown"),
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
    downlinkId: dropped.kept(event, "downlinkId"),
    queueItemId: event.queueItemId,
    fCntDown: dropped.kept(event, "fCntDown"),
    gatewayId: event.gatewayId.toLowerCase(),
    frequencyHz: txInfo?.frequency ?? 0,
    powerDbm: txInfo && dropped.kept(txInfo, "power"),
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
  return {
    kind: "log",
    ...head,
    // A newer ChirpStack has more names: they are listed, and kept.
    level: enumName(LogLevelSchema, dropped.kept(event, "level"), json?.["level"]),
    code: enumName(LogCodeSchema, dropped.kept(event, "code"), json?.["code"]),
    description: event.description,
    context: new Map(Object.entries(event.context)),
    fCnt: undefined,
    dropped: dropped.paths(),
  };
}

export function toStatus(event: StatusEvent, dropped: DroppedParts): Status | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  const { externalPowerSource, batteryLevelUnavailable } = event;
  return {
    kind: "status",
    ...head,
    marginDb: dropped.kept(event, "margin"),
    externalPower: dropped.kept(event, "externalPowerSource"),
    batteryUnavailable: dropped.kept(event, "batteryLevelUnavailable"),
    batteryPercent:
      externalPowerSource || batteryLevelUnavailable
        ? undefined
        : toFloat32(dropped.kept(event, "batteryLevel"), "batteryLevel", dropped),
    dropped: dropped.paths(),
  };
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
    source: source === 0 ? "" : enumName(LocationSourceSchema, source, undefined),
    accuracyM: toAccuracyM(location?.accuracy, dropped),
    dropped: dropped.paths(),
  };
}

export function toIntegration(
  event: IntegrationEvent,
  dropped: DroppedParts,
): IntegrationMessage | undefined {
  const head = toHead(event, dropped);
  if (head === undefined) return undefined;
  return {
    kind: "integration",
    ...head,
    integrationName: event.integrationName,
    eventType: event.eventType,
    dropped: dropped.paths(),
  };
}
