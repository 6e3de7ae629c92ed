/**
 * Topic and bytes → `Event`, or the `Fault` under which the bytes are quarantined. Pure, and total: no
 * input makes it throw. ChirpStack v4 in JSON and protobuf here; what came before v4 in v3/.
 *
 * Which event it is, the topic says, except of Milesight, whose topics are free text; ids come from the payload
 * alone. Which dialect and encoding it is, the payload says. Cost is linear in the payload, which is at most
 * 256 KiB, and stack depth is bounded.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { ok } from "../lib/result.ts";
import type { Result } from "../lib/result.ts";
import { ConnStateSchema, GatewayStatsSchema, MeshEventSchema } from "../proto/gw/gw_pb.js";
import {
  AckEventSchema,
  IntegrationEventSchema,
  JoinEventSchema,
  LocationEventSchema,
  LogEventSchema,
  StatusEventSchema,
  TxAckEventSchema,
  UplinkEventSchema,
} from "../proto/integration/integration_pb.js";
import { toAck, toDeviceLocation, toIntegration, toJoin, toLog, toStatus, toTxAck } from "./device-events.ts";
import { DroppedParts } from "./dropped.ts";
import { parseJson, parseProtobuf, refuse } from "./encoding.ts";
import { nameFromKeys, nameFromTopic } from "./event-name.ts";
import type { Event, JsonObject } from "./event.ts";
import { toGatewayConn, toGatewayStats, toMesh } from "./gateway-events.ts";
import { readLeniently } from "./lenient-json.ts";
import { toUplink } from "./uplink.ts";
import { decodeFormerJson, decodeFormerProtobuf, isFormerJson, isFormerProtobuf } from "./v3/decode.ts";
import { isMilesight } from "./v3/milesight.ts";

/** A LoRaWAN frame has 242 bytes; the largest real events are a few KiB. */
export const maxPayloadBytes = 256 * 1024;

export function decode(topic: string, payload: Uint8Array): Result<Event> {
  const topicName = nameFromTopic(topic);
  if (topicName !== undefined && !readers.has(topicName)) return decodeUnmapped(topicName, payload);
  if (payload.length === 0) return refuse("decode_empty", "the message has no payload");
  if (payload.length > maxPayloadBytes) {
    const text = `the message has ${payload.length} bytes; more than ${maxPayloadBytes} is no ChirpStack event`;
    return refuse("decode_too_large", text);
  }
  const json = parseJson(payload);
  if (json !== undefined) return json.ok ? decodeJson(topicName, json.value) : json;
  // A plain view, never a Buffer: an uplink's data is a slice of it.
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  return decodeProtobuf(topicName, bytes);
}

/**
 * Commands, and what gateways and the network server tell each other: whatever they hold is no fault. But free
 * text may read like their topics, so that what Milesight alone writes is not lost here unseen.
 */
function decodeUnmapped(name: string, payload: Uint8Array): Result<Event> {
  const json = payload.length > maxPayloadBytes ? undefined : parseJson(payload);
  if (json?.ok !== true || !isFormerJson(json.value) || !isMilesight(name, json.value)) {
    return ok({ kind: "unmapped", name });
  }
  return decodeFormerJson(name, json.value);
}

function decodeJson(topicName: string | undefined, json: JsonObject): Result<Event> {
  if (isFormerJson(json)) return decodeFormerJson(topicName, json);
  const name = topicName ?? nameFromKeys(json);
  if (name === undefined) return refuseUnknown();
  return readers.get(name)?.fromJson(json) ?? ok({ kind: "unmapped", name });
}

function decodeProtobuf(topicName: string | undefined, bytes: Uint8Array): Result<Event> {
  if (isFormerProtobuf(bytes)) return decodeFormerProtobuf(topicName, bytes);
  const reader = topicName === undefined ? undefined : readers.get(topicName);
  return reader === undefined ? refuseUnknown() : reader.fromProtobuf(bytes);
}

interface Reader {
  readonly fromJson: (json: JsonObject) => Result<Event>;
  readonly fromProtobuf: (bytes: Uint8Array) => Result<Event>;
}

/** `undefined` when the message does not say whose it is. `json`: what it was read from, if that was JSON. */
type ToEvent<Message> = (
  message: Message,
  dropped: DroppedParts,
  json: JsonObject | undefined,
) => Event | undefined;

function readerOf<Desc extends DescMessage>(
  schema: Desc,
  toEvent: ToEvent<MessageShape<Desc>>,
  refuseAnonymous: () => Result<Event>,
): Reader {
  const finish = (event: Event | undefined): Result<Event> =>
    event === undefined ? refuseAnonymous() : ok(event);
  return {
    fromJson: (json) => {
      const dropped = new DroppedParts();
      return finish(toEvent(readLeniently(schema, json, "", dropped), dropped, json));
    },
    fromProtobuf: (bytes) => {
      const message = parseProtobuf(schema, bytes);
      return message.ok ? finish(toEvent(message.value, new DroppedParts(), undefined)) : message;
    },
  };
}

const readers: ReadonlyMap<string, Reader> = new Map([
  ["up", readerOf(UplinkEventSchema, toUplink, refuseWithoutDevice)],
  ["join", readerOf(JoinEventSchema, toJoin, refuseWithoutDevice)],
  ["ack", readerOf(AckEventSchema, toAck, refuseWithoutDevice)],
  ["txack", readerOf(TxAckEventSchema, toTxAck, refuseWithoutDevice)],
  ["log", readerOf(LogEventSchema, toLog, refuseWithoutDevice)],
  ["status", readerOf(StatusEventSchema, toStatus, refuseWithoutDevice)],
  ["location", readerOf(LocationEventSchema, toDeviceLocation, refuseWithoutDevice)],
  ["integration", readerOf(IntegrationEventSchema, toIntegration, refuseWithoutDevice)],
  ["gateway/stats", readerOf(GatewayStatsSchema, toGatewayStats, refuseWithoutGateway)],
  ["gateway/conn", readerOf(ConnStateSchema, toGatewayConn, refuseWithoutGateway)],
  ["gateway/mesh", readerOf(MeshEventSchema, toMesh, refuseWithoutGateway)],
]);

function refuseUnknown(): Result<Event> {
  return refuse(
    "decode_unknown_event",
    "neither the topic nor the payload says which event this is",
    "end event_topic in chirpstack.toml with {{event}}, or narrow the topics in [[mqtt]]",
  );
}

function refuseWithoutDevice(): Result<Event> {
  return refuse(
    "decode_no_device",
    "the event has no deviceInfo with a devEui of 16 hex digits",
    "check that the topics in [[mqtt]] match ChirpStack events only",
  );
}

function refuseWithoutGateway(): Result<Event> {
  return refuse(
    "decode_no_gateway",
    "the message has no gatewayId of 16 hex digits",
    "check that the gateway topics in [[mqtt]] match messages of ChirpStack gateways only",
  );
}
