/**
 * Bytes → JSON object or protobuf message, or the `Fault` under which the bytes are quarantined. Linear in
 * the payload, bounded in stack depth.
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Fault, errorText } from "../lib/fault.ts";
import { failed, ok } from "../lib/result.ts";
import type { Result } from "../lib/result.ts";
import type { JsonObject } from "./event.ts";

const openingBrace = 0x7b;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * `undefined`: not JSON, so it may be protobuf. A protobuf event begins with 0x0a, which is also a newline
 * before a brace of JSON; only what begins with the brace itself must be JSON.
 */
export function parseJson(payload: Uint8Array): Result<JsonObject> | undefined {
  if (!startsLikeJson(payload)) return undefined;
  try {
    // What begins with a brace and is JSON is an object.
    return ok(JSON.parse(utf8.decode(payload)) as JsonObject);
  } catch (error) {
    // Invalid UTF-8 (TypeError) or invalid JSON (SyntaxError): both are the sender's.
    if (payload[0] !== openingBrace) return undefined;
    return refuse("decode_not_json", "the payload begins like JSON, but is not", undefined, error);
  }
}

function startsLikeJson(payload: Uint8Array): boolean {
  for (const byte of payload) {
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte === openingBrace;
  }
  return false;
}

export function parseProtobuf<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): Result<MessageShape<Desc>> {
  try {
    const repeated = repeatedMessage(schema, bytes);
    if (repeated !== undefined) {
      return refuse("decode_not_protobuf", `the payload has its ${repeated} more than once`);
    }
    return ok(fromBinary(schema, bytes, { readUnknownFields: false }));
  } catch (error) {
    // All that the library throws here is about the bytes: bad tags, lengths, UTF-8, nesting.
    const text = `the payload is neither JSON nor the protobuf message that it should be (${errorText(error)})`;
    return refuse("decode_not_protobuf", text, undefined, error);
  }
}

/**
 * The name of a message field that is there more than once though it is no list. ChirpStack writes each
 * once. Protobuf merges the occurrences, and protobuf-es copies a whole Struct for each: quadratic, so that
 * 256 KiB of them would hold the event loop for minutes.
 */
function repeatedMessage(schema: DescMessage, bytes: Uint8Array): string | undefined {
  const reader = new BinaryReader(bytes);
  const seen = new Set<number>();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (seen.has(number)) {
      const field = schema.fields.find((candidate) => candidate.number === number);
      if (field?.fieldKind === "message") return field.jsonName;
    }
    seen.add(number);
    reader.skip(wireType, number);
  }
  return undefined;
}

export function refuse(
  code: string,
  message: string,
  hint?: string,
  cause?: unknown,
): { readonly ok: false; readonly fault: Fault } {
  return failed(
    new Fault({ code, layer: "network_server", disposition: "quarantine", message, hint, cause }),
  );
}
