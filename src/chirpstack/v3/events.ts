/**
 * v3's messages, from either encoding, as our `Event`s. Each function gives `undefined` when the message
 * does not say which device it is about. v3 knows no tenant, no region and no deduplication id.
 */
import { ErrorEvent_TypeSchema, LocationSourceSchema } from "../../proto/v3/v3_pb.js";
import type * as wire from "../../proto/v3/v3_pb.js";
import type { DroppedParts } from "../dropped.ts";
import type {
  Ack,
  DeviceInfo,
  DeviceLocation,
  IntegrationMessage,
  Join,
  JsonObject,
  JsonValue,
  LogMessage,
  Status,
  TxAck,
  Uplink,
} from "../event.ts";
import { enumName, toAccuracyM, toEuiFromBytes, toFloat32, toNs } from "../fields.ts";
import { isJsonObject } from "../lenient-json.ts";
import { toObject } from "../payload-object.ts";
import type { SecondsAndNanos } from "../rfc3339.ts";
import { said } from "./context.ts";
import type { Context } from "./context.ts";
import { hasUplinkId, toGatewayId, toModulation, toPlace, toReceptions } from "./radio.ts";

const noBytes = new Uint8Array();

export function toUplink(message: wire.UplinkEvent, context: Context): Uplink | undefined {
  const device = toDevice(message);
  if (device === undefined) return undefined;
  const { dropped } = context;
  const object = objectOf(message.objectJson, context);
  const receptions = toReceptions(message.rxInfo, context);
  const timeNs = toTime(receptions, message.publishedAt, context);
  return {
    kind: "up",
    deduplicationId: "",
    timeNs,
    isIdentified: timeNs !== undefined || hasUplinkId(message.rxInfo),
    device,
    devAddr: toDevAddr(message.devAddr, dropped),
    adr: said(message.adr, false, context),
    confirmed: said(message.confirmedUplink, false, context),
    dr: said(message.dr, 0, context),
    fCnt: said(message.fCnt, 0, context),
    fPort: said(message.fPort, 0, context),
    data: said(message.data, noBytes, context),
    object,
    receptions,
    frequencyHz: message.txInfo?.frequency ?? 0,
    modulation: toModulation(message.txInfo),
    relay: undefined,
    regionConfigId: "",
    dropped: dropped.paths(),
  };
}

export function toJoin(message: wire.JoinEvent, context: Context): Join | undefined {
  const device = toDevice(message);
  if (device === undefined) return undefined;
  const timeNs = toTime(toReceptions(message.rxInfo, context), message.publishedAt, context);
  return {
    kind: "join",
    deduplicationId: "",
    timeNs,
    isIdentified: timeNs !== undefined || hasUplinkId(message.rxInfo),
    device,
    devAddr: toDevAddr(message.devAddr, context.dropped),
    relay: undefined,
    regionConfigId: "",
    dropped: context.dropped.paths(),
  };
}

type Head = Pick<Ack, "device" | "deduplicationId" | "timeNs" | "isIdentified">;

/** What all events without a radio side begin with. */
function toHead(message: WireEvent, { dropped }: Context): Head | undefined {
  const device = toDevice(message);
  if (device === undefined) return undefined;
  const timeNs = toNs(message.publishedAt, "publishedAt", dropped);
  return { device, deduplicationId: "", timeNs, isIdentified: timeNs !== undefined };
}

export function toAck(message: wire.AckEvent, context: Context): Ack | undefined {
  const head = toHead(message, context);
  if (head === undefined) return undefined;
  return {
    kind: "ack",
    ...head,
    queueItemId: "",
    acknowledged: said(message.acknowledged, false, context),
    fCntDown: said(message.fCnt, 0, context),
    dropped: context.dropped.paths(),
  };
}

export function toTxAck(message: wire.TxAckEvent, context: Context): TxAck | undefined {
  const head = toHead(message, context);
  if (head === undefined) return undefined;
  const { txInfo } = message;
  return {
    kind: "txack",
    ...head,
    downlinkId: undefined,
    queueItemId: "",
    fCntDown: said(message.fCnt, 0, context),
    gatewayId: toGatewayId(message.gatewayId, "gatewayID", context.dropped),
    frequencyHz: txInfo?.frequency ?? 0,
    powerDbm: txInfo === undefined ? undefined : said(txInfo.power, 0, context),
    modulation: toModulation(txInfo),
    dropped: context.dropped.paths(),
  };
}

/** v3's names of what v4 calls otherwise. */
const v4Codes: ReadonlyMap<string, string> = new Map([
  ["DOWNLINK_FCNT", "F_CNT_DOWN"],
  ["UPLINK_FCNT_RESET", "UPLINK_F_CNT_RESET"],
  ["UPLINK_FCNT_RETRANSMISSION", "UPLINK_F_CNT_RETRANSMISSION"],
]);

/** v3's `error` event. Its `fCnt` is the uplink's or the downlink's, after what it is about. */
export function toLog(message: wire.ErrorEvent, context: Context): LogMessage | undefined {
  const head = toHead(message, context);
  if (head === undefined) return undefined;
  const code = toCode(message, context);
  return {
    kind: "log",
    ...head,
    level: "ERROR",
    code,
    description: message.error,
    context: new Map(),
    fCnt: code.startsWith("UPLINK_") ? said(message.fCnt, 0, context) : undefined,
    dropped: context.dropped.paths(),
  };
}

function toCode(message: wire.ErrorEvent, { json, dropped }: Context): string {
  const name = enumName(ErrorEvent_TypeSchema, dropped.kept(message, "type"), json?.["type"]);
  return v4Codes.get(name) ?? name;
}

export function toStatus(message: wire.StatusEvent, context: Context): Status | undefined {
  const head = toHead(message, context);
  if (head === undefined) return undefined;
  return {
    kind: "status",
    ...head,
    marginDb: said(message.margin, 0, context),
    ...toBattery(message, context),
    dropped: context.dropped.paths(),
  };
}

type Battery = Pick<Status, "externalPower" | "batteryUnavailable" | "batteryPercent">;

const batteryFull = 254;
const batteryUnknown = 255;

function toBattery(message: wire.StatusEvent, context: Context): Battery {
  const level = said(message.batteryLevel, 0, context);
  const former = context.json?.["battery"];
  // Before it had `batteryLevel`: the number of DevStatusAns itself.
  if (level === undefined && typeof former === "number" && former >= 0 && former <= batteryUnknown) {
    return {
      externalPower: former === 0,
      batteryUnavailable: former === batteryUnknown,
      batteryPercent: former === 0 || former === batteryUnknown ? undefined : (former / batteryFull) * 100,
    };
  }
  const externalPower = said(message.externalPowerSource, false, context);
  const batteryUnavailable = said(message.batteryLevelUnavailable, false, context);
  const isMeasured = externalPower !== true && batteryUnavailable !== true;
  const batteryPercent = isMeasured ? toFloat32(level, "batteryLevel", context.dropped) : undefined;
  return { externalPower, batteryUnavailable, batteryPercent };
}

export function toDeviceLocation(message: wire.LocationEvent, context: Context): DeviceLocation | undefined {
  const head = toHead(message, context);
  if (head === undefined) return undefined;
  const { location } = message;
  const source = location?.source ?? 0;
  return {
    kind: "location",
    ...head,
    location: toPlace(location, "location", context),
    source: source === 0 ? "" : enumName(LocationSourceSchema, source, undefined),
    accuracyM: toAccuracyM(location?.accuracy, context.dropped),
    dropped: context.dropped.paths(),
  };
}

export function toIntegration(
  message: wire.IntegrationEvent,
  context: Context,
): IntegrationMessage | undefined {
  const head = toHead(message, context);
  if (head === undefined) return undefined;
  return {
    kind: "integration",
    ...head,
    integrationName: message.integrationName,
    eventType: message.eventType,
    dropped: context.dropped.paths(),
  };
}

/** The fields that all events share, and of the profile, which only uplinks name. */
interface WireEvent {
  readonly applicationId: bigint;
  readonly applicationName: string;
  readonly deviceName: string;
  readonly devEui: Uint8Array;
  readonly tags: Readonly<Record<string, string>>;
  readonly publishedAt?: SecondsAndNanos | undefined;
  readonly deviceProfileId?: string;
  readonly deviceProfileName?: string;
}

function toDevice(message: WireEvent): DeviceInfo | undefined {
  const devEui = toEuiFromBytes(message.devEui);
  if (devEui === undefined) return undefined;
  const { applicationId } = message;
  return {
    tenantId: "",
    tenantName: "",
    applicationId: applicationId === 0n ? "" : String(applicationId),
    applicationName: message.applicationName,
    profileId: message.deviceProfileId ?? "",
    profileName: message.deviceProfileName ?? "",
    deviceName: message.deviceName,
    devEui,
    tags: new Map(Object.entries(message.tags)),
  };
}

const devAddrBytes = 4;

function toDevAddr(bytes: Uint8Array, dropped: DroppedParts): string {
  if (bytes.length === devAddrBytes) return Buffer.from(bytes).toString("hex");
  if (bytes.length > 0) dropped.add("devAddr");
  return "";
}

/** A time from GPS is the most exact. A gateway without GPS has no better clock than the network server. */
function toTime(
  receptions: readonly { readonly gwTimeNs: bigint | undefined }[],
  publishedAt: SecondsAndNanos | undefined,
  context: Context,
): bigint | undefined {
  const published = toNs(publishedAt, "publishedAt", context.dropped);
  const heard = receptions.find((reception) => reception.gwTimeNs !== undefined)?.gwTimeNs;
  return context.hasGpsTimes ? (heard ?? published) : (published ?? heard);
}

/** `json` and protobuf carry the codec's object as text, `json_v3` as it is. */
function objectOf(objectJson: string, { json, dropped }: Context): JsonObject | undefined {
  const plain = json?.["object"] ?? undefined;
  if (plain !== undefined || objectJson === "") return toObject(plain, dropped);
  const object = parseObject(objectJson);
  if (isJsonObject(object)) return toObject(object, dropped);
  if (object !== null) dropped.add("objectJSON");
  return undefined;
}

function parseObject(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The codec's text, whatever it is: listed, and the rest of the message kept.
    return undefined;
  }
}
