/**
 * Reads proto3 JSON into a message as `fromJson` of protobuf-es does, except that one part that does not
 * fit costs that part and not the message: it is left at its default and listed. One pass over the
 * input, driven by the same descriptors as the binary encoding, and no exception on the way.
 *
 * As in `fromJson`: the JSON name (camelCase unless the schema gives another) and the name in the schema,
 * `null` is absent, unknown fields are ignored, enum names or numbers, numbers also as decimal strings,
 * 64-bit integers as BigInt. Stricter: a number that is not finite does not fit, nor does a 64-bit
 * integer written as a number that a double does not hold exactly. `google.protobuf.Struct` is left out:
 * the caller has it as plain JSON already.
 *
 * Kinds of field that ChirpStack does not use (fixed and zigzag integers, maps of messages or enums) are a
 * bug of ours here, found when the descriptor is first compiled.
 */
import { create, ScalarType } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { BugError, assert } from "../lib/fault.ts";
import type { DroppedParts } from "./dropped.ts";
import type { JsonObject, JsonValue } from "./event.ts";
import { parseDuration, parseTimestamp } from "./rfc3339.ts";

/** More gateways or antennas than that have never received one frame; no other list is longer. */
const maxListItems = 256;

/** By field: how JSON called it before. */
const formerNames: Readonly<Record<string, string>> = {
  // v4.0 to v4.5.
  "gw.UplinkRxInfo.gw_time": "time",
  // Gateway Bridge 3.
  "gw.GatewayStats.gateway_id_legacy": "gatewayID",
  "gw.GatewayStats.rx_packets_received_ok": "rxPacketsReceivedOK",
  "gw.GatewayStats.metadata": "metaData",
  "gw.ConnState.gateway_id_legacy": "gatewayID",
};

/** The value in the message's form, or `undefined` when `json` does not fit. */
type Read = (json: JsonValue, path: string, dropped: DroppedParts) => unknown;

interface FieldPlan {
  readonly jsonName: string;
  readonly localName: string;
  readonly oneofName: string | undefined;
  readonly read: Read;
}

type MessagePlan = ReadonlyMap<string, FieldPlan>;

const plans = new WeakMap<DescMessage, MessagePlan>();

export function readLeniently<Desc extends DescMessage>(
  desc: Desc,
  json: JsonObject,
  path: string,
  dropped: DroppedParts,
): MessageShape<Desc> {
  const message = create(desc);
  const slots = message as unknown as Record<string, unknown>;
  const plan = planOf(desc);
  const prefix = path === "" ? "" : `${path}.`;
  for (const key of Object.keys(json)) {
    const field = plan.get(key);
    const part = json[key];
    if (field === undefined || part === undefined || part === null) continue;
    const fieldPath = prefix + field.jsonName;
    const value = field.read(part, fieldPath, dropped);
    if (value === undefined) dropped.addField(message, field.localName, fieldPath);
    else if (field.oneofName === undefined) slots[field.localName] = value;
    else slots[field.oneofName] = { case: field.localName, value };
  }
  return message;
}

export function isJsonObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function planOf(desc: DescMessage): MessagePlan {
  const known = plans.get(desc);
  if (known !== undefined) return known;
  const plan = new Map<string, FieldPlan>();
  for (const field of desc.fields) {
    if (field.fieldKind === "message" && field.message.typeName === "google.protobuf.Struct") continue;
    const fieldPlan: FieldPlan = {
      jsonName: field.jsonName,
      localName: field.localName,
      oneofName: field.oneof?.localName,
      read: readerOf(field),
    };
    plan.set(field.jsonName, fieldPlan);
    plan.set(field.name, fieldPlan);
    const formerName = formerNames[`${desc.typeName}.${field.name}`];
    if (formerName !== undefined) plan.set(formerName, fieldPlan);
  }
  plans.set(desc, plan);
  return plan;
}

function readerOf(field: DescField): Read {
  if (field.fieldKind === "scalar") return scalarReader(field.scalar);
  if (field.fieldKind === "enum") return enumReader(field.enum);
  if (field.fieldKind === "message") return messageReader(field.message);
  if (field.fieldKind === "list") {
    if (field.listKind === "message") return listReader(messageReader(field.message));
    return listReader(field.listKind === "enum" ? enumReader(field.enum) : scalarReader(field.scalar));
  }
  assert(field.mapKind === "scalar", `${field.name}: a map of messages or enums is not read`);
  return mapReader(scalarReader(field.mapKey), scalarReader(field.scalar));
}

function scalarReader(type: ScalarType): Read {
  switch (type) {
    case ScalarType.INT32:
      return (json) => readInteger(json, -0x8000_0000, 0x7fff_ffff);
    case ScalarType.UINT32:
      return (json) => readInteger(json, 0, 0xffff_ffff);
    case ScalarType.INT64:
      return (json) => readBigInteger(json, -(1n << 63n), (1n << 63n) - 1n);
    case ScalarType.UINT64:
      return (json) => readBigInteger(json, 0n, (1n << 64n) - 1n);
    case ScalarType.FLOAT:
      return readFloat32;
    case ScalarType.DOUBLE:
      return readNumber;
    case ScalarType.BOOL:
      return (json) => (typeof json === "boolean" ? json : undefined);
    case ScalarType.STRING:
      return (json) => (typeof json === "string" ? json : undefined);
    case ScalarType.BYTES:
      return readBytes;
    default:
      throw new BugError(`no reader for scalar type ${ScalarType[type]}`);
  }
}

const decimalNumber = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function readNumber(json: JsonValue): number | undefined {
  const value = typeof json === "string" && decimalNumber.test(json) ? Number(json) : json;
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function readInteger(json: JsonValue, min: number, max: number): number | undefined {
  const value = readNumber(json);
  return value !== undefined && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}

const decimalInteger = /^-?\d{1,20}$/;

function readBigInteger(json: JsonValue, min: bigint, max: bigint): bigint | undefined {
  const isExact = typeof json === "string" ? decimalInteger.test(json) : Number.isSafeInteger(json);
  if (!isExact) return undefined;
  const value = BigInt(json as string | number);
  return value >= min && value <= max ? value : undefined;
}

function readFloat32(json: JsonValue): number | undefined {
  const value = readNumber(json);
  return value !== undefined && Number.isFinite(Math.fround(value)) ? value : undefined;
}

function readBytes(json: JsonValue): Uint8Array | undefined {
  if (typeof json !== "string") return undefined;
  try {
    return base64Decode(json);
  } catch {
    // All that it ever throws is "invalid base64 string".
    return undefined;
  }
}

function enumReader(desc: DescEnum): Read {
  const numbers = new Map(desc.values.map((value) => [value.name, value.number]));
  return (json) =>
    typeof json === "string" ? numbers.get(json) : readInteger(json, -0x8000_0000, 0x7fff_ffff);
}

function messageReader(desc: DescMessage): Read {
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return (json) => withType(desc, typeof json === "string" ? parseTimestamp(json) : undefined);
    case "google.protobuf.Duration":
      return (json) => withType(desc, typeof json === "string" ? parseDuration(json) : undefined);
    default:
      return (json, path, dropped) =>
        isJsonObject(json) ? readLeniently(desc, json, path, dropped) : undefined;
  }
}

function withType(desc: DescMessage, parts: object | undefined): unknown {
  return parts === undefined ? undefined : { $typeName: desc.typeName, ...parts };
}

function listReader(readItem: Read): Read {
  return (json, path, dropped) => {
    if (!Array.isArray(json)) return undefined;
    const items: unknown[] = [];
    const count = Math.min(json.length, maxListItems);
    for (let index = 0; index < count; index += 1) {
      const itemPath = `${path}[${index}]`;
      const item = readItem(json[index] ?? null, itemPath, dropped);
      if (item === undefined) dropped.add(itemPath);
      else items.push(item);
    }
    if (json.length > maxListItems) dropped.add(`${path}[${maxListItems}…]`);
    return items;
  };
}

/** Keys and values are scalars, which list nothing by themselves. */
function mapReader(readKey: Read, readValue: Read): Read {
  return (json, path, dropped) => {
    if (!isJsonObject(json)) return undefined;
    const entries: [PropertyKey, unknown][] = [];
    for (const [text, part] of Object.entries(json)) {
      const key = readKey(text, path, dropped);
      const value = readValue(part, path, dropped);
      if (key === undefined || value === undefined)
        dropped.addNamed(path, () => `${path}.${text.slice(0, 64)}`);
      else entries.push([key as PropertyKey, value]);
    }
    // fromEntries defines own properties: a key `__proto__` stays a key.
    return Object.fromEntries(entries);
  };
}
