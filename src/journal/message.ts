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
  /** Row of the `boot` table during which it was received. */
  readonly bootKey: number;
}

/** What a message takes of a limit in bytes: its payload and its topic. */
export function contentBytes({ payload, topic }: Pick<IncomingMessage, "payload" | "topic">): number {
  return payload.length + Buffer.byteLength(topic);
}

/** Bit of the `flags` column: the clock was trusted. */
export const trustedFlag = 1;
const duplicate = 2;
const retained = 4;
const qosShift = 3;

/** The `flags` column: bit 0 clock trusted, 1 DUP, 2 retained, 3–4 QoS. */
export function packFlags(message: IncomingMessage): number {
  return (
    (message.clockTrusted ? trustedFlag : 0) |
    (message.duplicate ? duplicate : 0) |
    (message.retained ? retained : 0) |
    (message.qos << qosShift)
  );
}

export function unpackFlags(
  flags: number,
): Pick<IncomingMessage, "clockTrusted" | "duplicate" | "retained" | "qos"> {
  const qos = (flags >> qosShift) & 3;
  return {
    clockTrusted: (flags & trustedFlag) !== 0,
    duplicate: (flags & duplicate) !== 0,
    retained: (flags & retained) !== 0,
    qos: qos === 1 || qos === 2 ? qos : 0,
  };
}

/** A row of the `message` table. */
export interface MessageRow {
  readonly seq: number;
  readonly source: string;
  readonly topic: string;
  readonly payload: Buffer;
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
