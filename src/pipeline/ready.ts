import type { JournalMessage } from "../journal/message.ts";
import type { TableColumn } from "../telemetry/column-types.ts";

/** One row of a message, as line protocol without a newline at its end. */
export interface ReadyLine {
  /** Which of the message's rows it is: the same each time that the message is prepared. */
  readonly row: number;
  readonly table: string;
  readonly text: string;
  /** Columns in it whose types the database has not confirmed: what a refusal may be about. */
  readonly unconfirmed: readonly TableColumn[];
  /** What of these nobody had was claimed for all. */
  readonly hasClaimed: boolean;
}

/** One message's lines, ready to be sent. */
export interface ReadyMessage {
  readonly seq: number;
  readonly topic: string;
  /** Receipt, ms since boot. */
  readonly uptimeMs: number;
  /** At least one; without those of an earlier preparation that are done with. */
  readonly lines: readonly ReadyLine[];
  /** Of the lines, each with its newline. */
  readonly bytes: number;
  /** Parts of the event that did not fit and are not in the lines. */
  readonly droppedCount: number;
  /** A row of ours, which no broker has sent. */
  readonly isOwn: boolean;
  /** EUI of the device that has sent it. */
  readonly device: string | undefined;
  /** The message without its payload, which nobody keeps in memory while it is on its way. */
  readonly bare: JournalMessage;
}

const nothing = new Uint8Array(0);

export function readyMessage(
  message: JournalMessage,
  lines: readonly ReadyLine[],
  facts: Pick<ReadyMessage, "droppedCount" | "isOwn" | "device">,
): ReadyMessage {
  const { seq, topic, uptimeMs } = message;
  const bare = { ...message, payload: nothing };
  return { seq, topic, uptimeMs, lines, bytes: bytesOf(lines), ...facts, bare };
}

export function bytesOf(lines: readonly ReadyLine[]): number {
  return lines.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0);
}
