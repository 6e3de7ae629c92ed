/**
 * Topic and bytes → `Event`, or the `Fault` under which the bytes are quarantined. Pure, and total: no
 * input makes it throw. ChirpStack v4, JSON and protobuf; other events than `up` are recognised by name
 * only, and their payload is not looked into further than that it is one.
 *
 * Cost is linear in the payload, which is at most 256 KiB, and stack depth is bounded.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Fault, errorText } from "../lib/fault.ts";
import { failed, ok } from "../lib/result.ts";
import type { Result } from "../lib/result.ts";
import { UplinkEventSchema } from "../proto/integration/integration_pb.js";
import type { UplinkEvent } from "../proto/integration/integration_pb.js";
import { DroppedParts } from "./dropped.ts";
import type { Event, JsonObject, JsonValue } from "./event.ts";
import { nameFromKeys, nameFromTopic } from "./event-name.ts";
import { isJsonObject, readLeniently } from "./lenient-json.ts";
import { boundObject } from "./payload-object.ts";
import { toUplink } from "./uplink.ts";

/** A LoRaWAN frame has 242 bytes; the largest real events are a few KiB. */
export const maxPayloadBytes = 256 * 1024;

const openingBrace = 0x7b;

const utf8 = new TextDecoder("utf-8", { fatal: true });

export function decode(topic: string, payload: Uint8Array): Result<Event> {
  if (payload.length === 0) return refuse("decode_empty", "the message has no payload");
  if (payload.length > maxPayloadBytes) {
    const text = `the message has ${payload.length} bytes; more than ${maxPayloadBytes} is no ChirpStack event`;
    return refuse("decode_too_large", text);
  }
  let json: JsonObject | undefined;
  if (startsLikeJson(payload)) {
    const parsed = parseJson(payload);
    // A protobuf event begins with 0x0a, which is also a newline before a brace of JSON.
    if (!parsed.ok && payload[0] === openingBrace) return parsed;
    if (parsed.ok) json = parsed.value;
  }
  const name = nameFromTopic(topic) ?? (json === undefined ? undefined : nameFromKeys(json));
  if (name === undefined) {
    return refuse(
      "decode_unknown_event",
      "neither the topic nor the payload says which event this is",
      "end event_topic in chirpstack.toml with {{event}}, or narrow the topics in [[mqtt]]",
    );
  }
  if (name !== "up") return ok({ kind: "unmapped", name });
  return json === undefined ? decodeBinaryUplink(payload) : decodeJsonUplink(json);
}

function decodeJsonUplink(json: JsonObject): Result<Event> {
  const dropped = new DroppedParts();
  const message = readLeniently(UplinkEventSchema, json, "", dropped);
  return finishUplink(message, json["object"], dropped);
}

function decodeBinaryUplink(payload: Uint8Array): Result<Event> {
  // A plain view, never a Buffer: `data` is a slice of it.
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  const message = parseProtobuf(bytes);
  return message.ok ? finishUplink(message.value, message.value.object, new DroppedParts()) : message;
}

function finishUplink(
  message: UplinkEvent,
  object: JsonValue | undefined,
  dropped: DroppedParts,
): Result<Event> {
  const isObject = isJsonObject(object);
  if (isObject) boundObject(object, dropped);
  else if (object !== undefined && object !== null) dropped.add("object");
  const uplink = toUplink(message, isObject ? object : undefined, dropped);
  if (uplink !== undefined) return ok(uplink);
  return refuse(
    "decode_no_device",
    "the uplink has no deviceInfo with a devEui of 16 hex digits",
    "check that the topics in [[mqtt]] match ChirpStack v4 events only",
  );
}

function startsLikeJson(payload: Uint8Array): boolean {
  for (const byte of payload) {
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte === openingBrace;
  }
  return false;
}

function parseJson(payload: Uint8Array): Result<JsonObject> {
  let json: JsonValue;
  try {
    json = JSON.parse(utf8.decode(payload)) as JsonValue;
  } catch (error) {
    // Invalid UTF-8 (TypeError) or invalid JSON (SyntaxError): both are the sender's.
    return refuse("decode_not_json", "the payload begins like JSON, but is not", undefined, error);
  }
  return isJsonObject(json) ? ok(json) : refuse("decode_not_json", "the payload is JSON, but not an object");
}

/** Field number of `UplinkEvent.object`. */
const objectFieldNumber = 11;

function parseProtobuf(bytes: Uint8Array): Result<UplinkEvent> {
  try {
    // Repeated occurrences of one message field are merged, and protobuf-es copies a Struct for each:
    // quadratic, so that 256 KiB of them would hold the event loop for minutes.
    if (countField(bytes, objectFieldNumber) > 1) {
      return refuse("decode_not_protobuf", "the payload has its object more than once");
    }
    return ok(fromBinary(UplinkEventSchema, bytes, { readUnknownFields: false }));
  } catch (error) {
    // All that the library throws here is about the bytes: bad tags, lengths, UTF-8, nesting.
    const text = `the payload is neither JSON nor a protobuf uplink (${errorText(error)})`;
    return refuse("decode_not_protobuf", text, undefined, error);
  }
}

function countField(bytes: Uint8Array, fieldNumber: number): number {
  const reader = new BinaryReader(bytes);
  let count = 0;
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === fieldNumber) count += 1;
    reader.skip(wireType, number);
  }
  return count;
}

function refuse(
  code: string,
  message: string,
  hint?: string,
  cause?: unknown,
): { readonly ok: false; readonly fault: Fault } {
  return failed(
    new Fault({ code, layer: "network_server", disposition: "quarantine", message, hint, cause }),
  );
}
