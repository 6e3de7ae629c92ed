/**
 * The bytes of a gRPC response, as the judge reads them: frames (a flag, four bytes of length, a message), and in
 * them FlightData by the wire format of protobuf (https://protobuf.dev/programming-guides/encoding/).
 */
import { invalid } from "./arrow-judge-flatbuffer.ts";

interface JudgeMessage {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * Throws `Invalid`. Messages with nothing but metadata are left out. So is the beginning of a message behind which the
 * response ends: grpc-js (1.14.7) drops it and reports the status of the server, also when that is OK.
 */
export function judgeFlight(bytes: Uint8Array): JudgeMessage[] {
  const messages: JudgeMessage[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    if (at + 5 > bytes.length) break;
    const end = at + 5 + view.getUint32(at + 1);
    // grpc-js takes any flag but 1 for 0; no row hangs on it.
    if (view.getUint8(at) === 1) invalid("a frame that is compressed");
    if (end > bytes.length) break;
    messages.push(flightData(bytes.slice(at + 5, end)));
    at = end;
  }
  return messages.filter(({ header, body }) => header.length > 0 || body.length > 0);
}

/**
 * The fields of FlightData. All of them are of wire type 2, and are read as such whatever a tag says: so does
 * protobuf-es, and no other bytes come out of it.
 */
const lengthDelimited: ReadonlySet<number> = new Set([1, 2, 3, 1000]);

/** Header and body; of one that comes twice the last holds, what is unknown is skipped. */
function flightData(bytes: Uint8Array): JudgeMessage {
  const fields = new Map<number, Uint8Array>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++] ?? invalid("a number that ends too early");
      value |= BigInt(byte % 128) << shift;
      if (byte < 128) return value;
    }
    return invalid("a number without an end");
  };
  const take = (count: bigint): Uint8Array => {
    if (BigInt(at) + count > BigInt(bytes.length)) invalid("a field that ends too early");
    const start = at;
    at += Number(count);
    return bytes.slice(start, at);
  };
  const skip = (wire: number, field: bigint): unknown => {
    if (wire === 0) return varint();
    if (wire === 1) return take(8n);
    if (wire === 2) return take(varint());
    if (wire === 5) return take(4n);
    if (wire !== 3) return invalid("a field of no wire type");
    // A group, out of use, but still to be skipped: fields up to an end with the group's own number.
    for (let tag = varint(); tag !== field * 8n + 4n; tag = varint()) skip(Number(tag % 8n), tag / 8n);
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Number(tag / 8n);
    if (lengthDelimited.has(field)) fields.set(field, take(varint()));
    else skip(Number(tag % 8n), tag / 8n);
  }
  const none = new Uint8Array(0);
  return { header: fields.get(2) ?? none, body: fields.get(1000) ?? none };
}
