/** A message as it came off the wire: nothing is interpreted before it is on disk. */
export interface IncomingMessage {
  /** Name of the `[[mqtt]]` source. */
  readonly source: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Wall clock at receipt, ms since 1970. */
  readonly receivedMs: number;
  /** Milliseconds since boot at receipt: mends `receivedMs` when the wall clock was wrong. */
  readonly uptimeMs: number;
  /** The wall clock was known to be right. */
  readonly clockTrusted: boolean;
  /** The broker marked it as a redelivery (DUP). */
  readonly duplicate: boolean;
  readonly retained: boolean;
  readonly qos: 0 | 1 | 2;
}

/** A message that is in the journal. */
export interface JournalMessage extends IncomingMessage {
  /** Position in the log: grows by one for each message, never reused. */
  readonly seq: number;
  /** Row of the `boot` table during which it was received; 0: it is not known. */
  readonly bootKey: number;
  /** It was put back into the log (`Journal.requeue`): what became of its former self is not held against it. */
  readonly again?: true;
  /** Of a message that was put back: its `placeOf` in its first life. */
  readonly firstPlace?: number;
}

/** Places that messages of one millisecond can have. */
const placeCount = 1_000_000;

/**
 * What tells messages that were received in one millisecond apart. A message keeps it when it is put back: its
 * points land on those that its former self has made.
 */
export function placeOf({ seq, firstPlace }: Pick<JournalMessage, "seq" | "firstPlace">): number {
  return firstPlace ?? seq % placeCount;
}

/** What a message takes of a limit in bytes: its payload and its topic. */
export function contentBytes({ payload, topic }: Pick<IncomingMessage, "payload" | "topic">): number {
  return payload.length + Buffer.byteLength(topic);
}

/** How many of the first come to at most `maxBytes` together; at least one. */
export function countWithin(sizes: Iterable<number>, maxBytes: number): number {
  let count = 0;
  let sum = 0;
  for (const bytes of sizes) {
    sum += bytes;
    if (count > 0 && sum > maxBytes) break;
    count += 1;
  }
  return count;
}

/** Bit of the `flags` column: the clock was trusted. */
export const trustedFlag = 1;
const duplicate = 2;
const retained = 4;
const qosShift = 3;
/** Bit of the `flags` column: the message was put back. */
export const againFlag = 32;
const firstPlaceShift = 8;
const firstPlaceBits = 0xfffff;

type Flags = Pick<JournalMessage, "clockTrusted" | "duplicate" | "retained" | "qos" | "again" | "firstPlace">;

/** The `flags` column: bit 0 clock trusted, 1 DUP, 2 retained, 3–4 QoS, 5 put back; then 8–27 its first place. */
export function packFlags(message: Flags): number {
  return (
    (message.clockTrusted ? trustedFlag : 0) |
    (message.duplicate ? duplicate : 0) |
    (message.retained ? retained : 0) |
    (message.qos << qosShift) |
    (message.again === true ? againFlag | ((message.firstPlace ?? 0) << firstPlaceShift) : 0)
  );
}

export function unpackFlags(flags: number): Flags {
  const qos = (flags >> qosShift) & 3;
  const ofWire = {
    clockTrusted: (flags & trustedFlag) !== 0,
    duplicate: (flags & duplicate) !== 0,
    retained: (flags & retained) !== 0,
    qos: qos === 1 || qos === 2 ? qos : 0,
  } as const;
  if ((flags & againFlag) === 0) return ofWire;
  return { ...ofWire, again: true, firstPlace: (flags >> firstPlaceShift) & firstPlaceBits };
}

/** A row of the `message` table. */
export interface MessageRow {
  readonly seq: number;
  readonly source: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly received_ms: number;
  readonly uptime_ms: number;
  readonly boot: number;
  readonly flags: number;
}

export function messageFromRow(row: MessageRow): JournalMessage {
  return {
    seq: row.seq,
    source: row.source,
    topic: row.topic,
    payload: row.payload,
    receivedMs: row.received_ms,
    uptimeMs: row.uptime_ms,
    bootKey: row.boot,
    ...unpackFlags(row.flags),
  };
}
