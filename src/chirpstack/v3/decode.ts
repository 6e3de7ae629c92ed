/**
 * What came before ChirpStack v4, into the same `Event`s: ChirpStack v3 in its three encodings (`json_v3`,
 * the default; `json`, which is protobuf's own JSON; protobuf), and the JSON of Milesight's UG gateways.
 * Both other JSON dialects are rewritten into v3's `json`, so that one schema and one mapping read them all.
 * Pure, and total: no input makes it throw.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ok } from "../../lib/result.ts";
import type { Result } from "../../lib/result.ts";
import * as schema from "../../proto/v3/v3_pb.js";
import { DroppedParts } from "../dropped.ts";
import { parseProtobuf, refuse } from "../encoding.ts";
import type { DeviceEvent, Event, JsonObject } from "../event.ts";
import { readLeniently } from "../lenient-json.ts";
import type { Context } from "./context.ts";
import { fromJsonV3 } from "./json-v3.ts";
import * as map from "./events.ts";
import { fromMilesight, isMilesight, milesightName } from "./milesight.ts";
import { formerNameFromKeys } from "./name-from-keys.ts";

interface Kind {
  fromJson(json: JsonObject, context: Context): DeviceEvent | undefined;
  fromBytes(bytes: Uint8Array): Result<DeviceEvent | undefined>;
}

function kind<Desc extends DescMessage>(
  desc: Desc,
  toEvent: (message: MessageShape<Desc>, context: Context) => DeviceEvent | undefined,
): Kind {
  return {
    fromJson: (json, context) => toEvent(readLeniently(desc, json, "", context.dropped), context),
    fromBytes: (bytes) => {
      const message = parseProtobuf(desc, bytes);
      if (!message.ok) return message;
      const context: Context = { json: undefined, hasGpsTimes: true, dropped: new DroppedParts() };
      return ok(toEvent(message.value, context));
    },
  };
}

const kinds: ReadonlyMap<string, Kind> = new Map([
  ["up", kind(schema.UplinkEventSchema, map.toUplink)],
  ["join", kind(schema.JoinEventSchema, map.toJoin)],
  ["ack", kind(schema.AckEventSchema, map.toAck)],
  ["txack", kind(schema.TxAckEventSchema, map.toTxAck)],
  ["log", kind(schema.ErrorEventSchema, map.toLog)],
  ["status", kind(schema.StatusEventSchema, map.toStatus)],
  ["location", kind(schema.LocationEventSchema, map.toDeviceLocation)],
  ["integration", kind(schema.IntegrationEventSchema, map.toIntegration)],
]);

/** v4 writes `devEui`, and within `deviceInfo`. */
export function isFormerJson(json: JsonObject): boolean {
  if (Object.hasOwn(json, "deviceInfo")) return false;
  return Object.hasOwn(json, "devEUI") || Object.hasOwn(json, "applicationID");
}

/**
 * `topicName`: which event the topic says it is, in v4's words (v3's "error" is "log"). A topic that names none of a
 * device's says nothing here.
 */
export function decodeFormerJson(topicName: string | undefined, json: JsonObject): Result<Event> {
  if (isMilesight(topicName, json)) {
    const hint = "let the gateway, or the codec's result, put devEUI into the message";
    // Milesight's topics are free text; only the message says what it is.
    return decodeJson(milesightName(json), fromMilesight(json), false, hint);
  }
  const isNamed = topicName !== undefined && kinds.has(topicName);
  const name = isNamed ? topicName : formerNameFromKeys(json);
  return decodeJson(name, fromJsonV3(json), true, topicsHint);
}

const topicsHint = "check that the topics in [[mqtt]] match ChirpStack events only";

function decodeJson(
  name: string | undefined,
  json: JsonObject,
  hasGpsTimes: boolean,
  hint: string,
): Result<Event> {
  if (name === undefined) return refuseUnknown();
  const found = kinds.get(name);
  if (found === undefined) return ok({ kind: "unmapped", name });
  const event = found.fromJson(json, { json, hasGpsTimes, dropped: new DroppedParts() });
  return event === undefined ? refuseNoDevice(hint) : ok(event);
}

const applicationIdField = 1;
const devEuiField = 4;
const devEuiBytes = 8;
/** Of v4's TxAckEvent: its `device_info`. In v3's events it is the device's name. */
const deviceInfoField = 3;
/** Of v4's DeviceInfo: `dev_eui`, 16 characters. */
const deviceInfoDevEui = Buffer.from([0x42, 0x10]);

/**
 * Whether the bytes look like a v3 event: field 1 is a number (the application's id) and field 4 has the 8
 * bytes of a devEUI. Of v4's events only a txack has a number first, and its field 4 is the text of an id;
 * should that be of 8 characters, a `device_info` with a devEui gives it away.
 */
export function isFormerProtobuf(bytes: Uint8Array): boolean {
  const reader = new BinaryReader(bytes);
  let hasApplicationId = false;
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number === applicationIdField) {
        if (wireType !== WireType.Varint) return false;
        hasApplicationId = true;
      } else if (number === devEuiField) {
        return hasApplicationId && wireType === WireType.LengthDelimited && reader.uint32() === devEuiBytes;
      }
      const start = reader.pos;
      reader.skip(wireType, number);
      if (number === deviceInfoField && isDeviceInfo(bytes.subarray(start, reader.pos))) return false;
    }
  } catch {
    // Not protobuf: whoever decodes it next says so.
  }
  return false;
}

function isDeviceInfo(field: Uint8Array): boolean {
  return Buffer.from(field.buffer, field.byteOffset, field.byteLength).includes(deviceInfoDevEui);
}

/** A protobuf event does not say which one it is: only the topic does. */
export function decodeFormerProtobuf(topicName: string | undefined, bytes: Uint8Array): Result<Event> {
  const found = topicName === undefined ? undefined : kinds.get(topicName);
  if (found === undefined) return refuseUnknown();
  const event = found.fromBytes(bytes);
  if (!event.ok) return event;
  return event.value === undefined ? refuseNoDevice(topicsHint) : ok(event.value);
}

function refuseUnknown(): Result<Event> {
  return refuse(
    "decode_unknown_event",
    "neither the topic nor the payload says which event this is",
    "end the topics in chirpstack-application-server.toml with {{ .EventType }}, let a Milesight gateway put " +
      "applicationID into its messages, or narrow the topics in [[mqtt]]",
  );
}

function refuseNoDevice(hint: string): Result<Event> {
  return refuse("decode_no_device", "the event has no devEUI of 8 bytes", hint);
}
