/**
 * What the network server inside Milesight's UG gateways publishes, rewritten into ChirpStack v3's `json`.
 * It descends from LoRa App Server 1, whose messages are read with it: `mac` for the gateway, flat
 * coordinates, the data rate below `txInfo`, an event time. Its topics are free text, so that only the keys
 * say which event a message is.
 *
 * With a codec the gateway puts what it decoded beside the envelope's own members, of which the operator
 * chooses some; the others are absent. Then all members that the envelope does not know are the object.
 */
import { isCommand } from "../event-name.ts";
import type { JsonObject, JsonValue } from "../event.ts";
import { isJsonObject } from "../lenient-json.ts";
import { parseTimestamp } from "../rfc3339.ts";
import { hexToBase64 } from "./json-v3.ts";

const euiDigits = 16;
const devAddrDigits = 8;
const macDigits = 12;

/** What the gateway itself writes into an uplink. */
const envelope: ReadonlySet<string> = new Set([
  "applicationID",
  "applicationName",
  "cellularIP",
  "data",
  "devAddr",
  "devEUI",
  "deviceID",
  "deviceName",
  "fCnt",
  "fPort",
  "gatewaySN",
  "gatewayTime",
  // { mqtt_topic }
  "metadata",
  "rxInfo",
  "tags",
  "time",
  "txInfo",
]);

/** Members that only these gateways write. */
const signature = ["cellularIP", "gatewaySN", "gatewayTime"];

/**
 * Besides: `mac`, `dataRate`, an `applicationID` that is a number (v3 writes text; a command may have a number too), or
 * an "up" with neither of the members that every v3 uplink has.
 */
export function isMilesight(topicName: string | undefined, json: JsonObject): boolean {
  if (signature.some((key) => Object.hasOwn(json, key))) return true;
  const { applicationID, rxInfo, txInfo } = json;
  const reception = Array.isArray(rxInfo) ? rxInfo[0] : undefined;
  if (isJsonObject(reception) && Object.hasOwn(reception, "mac")) return true;
  if (isJsonObject(txInfo)) return Object.hasOwn(txInfo, "dataRate");
  const isToDevice = Object.hasOwn(json, "confirmed") || (topicName !== undefined && isCommand(topicName));
  if (typeof applicationID === "number" && !isToDevice) return true;
  return topicName === "up" && !Object.hasOwn(json, "txInfo") && !Object.hasOwn(json, "fCnt");
}

/** What a message has beside the envelope, when it is no uplink. */
const notices: readonly (readonly [name: string, ...keys: string[]])[] = [
  ["ack", "acknowledged", "fcnt"],
  ["ack", "acknowledged", "fCnt"],
  ["log", "error"],
];

/** A name without a mapping ("online", "offline") for what the gateway thinks of a device's presence. */
export function milesightName(json: JsonObject): string {
  if (["data", "fPort", "rxInfo", "txInfo"].some((key) => Object.hasOwn(json, key))) return "up";
  const others = Object.keys(json).filter((key) => !envelope.has(key));
  const notice = notices.find(
    ([, ...keys]) => others.length > 0 && others.every((key) => keys.includes(key)),
  );
  if (notice !== undefined) return notice[0];
  if (!Object.hasOwn(json, "devAddr")) return "up";
  if (others.length === 0) return "join";
  const { status } = json;
  return others.length === 1 && (status === "online" || status === "offline") ? status : "up";
}

export function fromMilesight(json: JsonObject): JsonObject {
  const txInfo = isJsonObject(json["txInfo"]) ? json["txInfo"] : {};
  const rxInfo = json["rxInfo"];
  return {
    applicationID: json["applicationID"] ?? null,
    applicationName: json["applicationName"] ?? null,
    deviceName: json["deviceName"] ?? null,
    devEUI: toBase64(json["devEUI"], euiDigits),
    devAddr: toBase64(json["devAddr"], devAddrDigits),
    tags: json["tags"] ?? null,
    publishedAt: toTime(json["time"], json["gatewayTime"]),
    data: json["data"] ?? null,
    fCnt: json["fCnt"] ?? json["fcnt"] ?? null,
    fPort: json["fPort"] ?? null,
    adr: txInfo["adr"] ?? null,
    rxInfo: Array.isArray(rxInfo) ? rxInfo.map(toReception) : (rxInfo ?? null),
    txInfo: toTxInfo(txInfo),
    acknowledged: json["acknowledged"] ?? null,
    error: json["error"] ?? null,
    object: toObject(json),
  };
}

function toReception(reception: JsonValue): JsonValue {
  if (!isJsonObject(reception)) return reception;
  const { latitude = null, longitude = null, altitude = null } = reception;
  return {
    gatewayID: toGatewayId(reception["mac"]),
    time: reception["time"] ?? null,
    rssi: reception["rssi"] ?? null,
    loRaSNR: reception["loRaSNR"] ?? null,
    location: { latitude, longitude, altitude },
  };
}

/** LORA has bandwidth (kHz) and spreadFactor, FSK a bitRate. */
function toTxInfo(txInfo: JsonObject): JsonObject {
  const { frequency = null, codeRate = null, dataRate } = txInfo;
  if (!isJsonObject(dataRate)) return { frequency };
  const { modulation, bandwidth = null, spreadFactor = null, bitRate = null } = dataRate;
  if (modulation === "FSK") return { frequency, fskModulationInfo: { datarate: bitRate } };
  return { frequency, loRaModulationInfo: { bandwidth, spreadingFactor: spreadFactor, codeRate } };
}

/** The first that is a time; else the first that is there, which then is listed as one that does not fit. */
function toTime(...candidates: readonly (JsonValue | undefined)[]): JsonValue {
  const time = candidates.find((text) => typeof text === "string" && parseTimestamp(text) !== undefined);
  return time ?? candidates.find((text) => text !== undefined) ?? null;
}

function toObject(json: JsonObject): JsonObject | null {
  const { object } = json;
  const named = isJsonObject(object) ? Object.entries(object) : [];
  const hasNamed = isJsonObject(object) || object === null;
  const beside = Object.entries(json).filter(
    ([key]) => !envelope.has(key) && !(hasNamed && key === "object"),
  );
  const members = [...beside, ...named];
  // fromEntries defines own properties: a key `__proto__` stays a key.
  return members.length === 0 ? null : Object.fromEntries(members);
}

function toBase64(id: JsonValue | undefined, digits: number): JsonValue {
  return typeof id === "string" ? (hexToBase64(id, digits) ?? id) : (id ?? null);
}

/** An EUI-64; of a MAC of 48 bits the one that IEEE derives for it, with fffe in the middle. */
function toGatewayId(mac: JsonValue | undefined): JsonValue {
  if (typeof mac !== "string") return mac ?? null;
  const mac48 = hexToBase64(mac, macDigits);
  if (mac48 === undefined) return toBase64(mac, euiDigits);
  const bytes = Buffer.from(mac48, "base64");
  return Buffer.concat([bytes.subarray(0, 3), Buffer.from([0xff, 0xfe]), bytes.subarray(3)]).toString(
    "base64",
  );
}
