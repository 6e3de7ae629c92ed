/** When a message arrived. Pure. */
import { hasGpsTime, type Receipt } from "../chirpstack/time.ts";
import type { JournalMessage } from "../journal/message.ts";

type Stamps = Pick<JournalMessage, "seq" | "receivedMs" | "uptimeMs" | "bootKey" | "clockTrusted">;

/** wall clock − uptime during a boot, once it is known. */
export type OffsetOf = (bootKey: number) => number | undefined;

/** A receive time under a wrong clock is mended once the boot's offset is known. */
export function receivedTime(message: Stamps, offsetMs: OffsetOf): Receipt {
  const { seq, receivedMs, uptimeMs, bootKey, clockTrusted } = message;
  if (clockTrusted) return { receivedNs: instant(receivedMs, seq), receivedTrusted: true };
  const offset = offsetMs(bootKey);
  if (offset === undefined) return { receivedNs: instant(receivedMs, seq), receivedTrusted: false };
  return { receivedNs: instant(Math.round(uptimeMs) + offset, seq), receivedTrusted: true };
}

const nsPerMs = 1_000_000;

/**
 * A broker hands out what it has kept for us in one burst, many messages within a millisecond. The place in
 * the log tells them apart: rows of one device at one instant would be one row.
 */
function instant(ms: number, seq: number): bigint {
  return msToNs(ms) + BigInt(seq % nsPerMs);
}

/**
 * What the time of the event's points is judged by. An uplink with GPS time is sent before the offset is
 * known, so its time must not depend on whether there is one.
 */
export function receiptFor(
  message: Stamps,
  event: Parameters<typeof hasGpsTime>[0],
  offsetMs: OffsetOf,
): Receipt {
  return receivedTime(message, hasGpsTime(event) ? () => undefined : offsetMs);
}

/** Whole milliseconds: what the file keeps of a time, and so the same before and after a restart. */
export function msToNs(ms: number): bigint {
  return BigInt(Math.round(ms)) * 1_000_000n;
}
