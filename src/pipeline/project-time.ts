/**
 * The log's own time: when a message was received, except that it never goes back. Pure.
 *
 * A sum of statistics is closed once the log time has passed its end, its row is sent, and InfluxDB may keep
 * either version of a row that is written twice. So nothing may ever be received "before" a sum that is
 * closed, whatever the wall clock does: while it is behind the log time, that is counted on with the time
 * since boot. It follows from the messages alone, so reading the log again gives the same times.
 *
 * A clock that ran ahead by more than a day must not make every sum of the coming years a late one. When it
 * is put back, a new era begins: the log time is the received one again, one slot ahead, so that no sum of
 * the old era is met a second time.
 */
import type { JournalMessage } from "../journal/message.ts";

export interface LogTime {
  readonly ms: number;
  /** Of the message that it was taken from: what it is counted on from. */
  readonly uptimeMs: number;
  /** 0: of no boot. */
  readonly bootKey: number;
}

export const beginningOfTime: LogTime = { ms: 0, uptimeMs: 0, bootKey: 0 };

const dayMs = 86_400_000;
/** Of statistics, see `registry/stats-sum.ts`. */
const slotMs = 300_000;

export interface TimeStep {
  readonly time: LogTime;
  /** What was open in the old era will not be added to. */
  readonly isNewEra: boolean;
}

/** The log time at `message`, which was received at `receivedMs` by the best of our knowledge. */
export function logTimeAt(
  last: LogTime,
  message: Pick<JournalMessage, "uptimeMs" | "bootKey" | "again">,
  receivedMs: number,
): TimeStep {
  // What was put back came long before; it neither begins an era nor moves the time.
  if (message.again === true && last.ms > 0) return { time: last, isNewEra: false };
  const { bootKey } = message;
  // As the file keeps it, so that it is the same when the message is read again.
  const uptimeMs = Math.round(message.uptimeMs);
  const isNewEra = last.ms - receivedMs > dayMs;
  if (isNewEra) return { time: { ms: receivedMs + slotMs, uptimeMs, bootKey }, isNewEra };
  const passedMs = bootKey === last.bootKey ? Math.max(0, uptimeMs - last.uptimeMs) : 0;
  const ms = receivedMs >= last.ms ? receivedMs : last.ms + passedMs;
  return { time: { ms, uptimeMs, bootKey }, isNewEra };
}
