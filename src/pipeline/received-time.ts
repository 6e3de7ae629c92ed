/** When a message arrived. Pure. */
import { hasGpsTime, type Receipt } from "../chirpstack/time.ts";
import { type JournalMessage, placeOf } from "../journal/message.ts";

type Stamps = Pick<
  JournalMessage,
  "seq" | "firstPlace" | "receivedMs" | "uptimeMs" | "bootKey" | "clockTrusted"
>;

/** wall clock − uptime during a boot, once it is known. */
export type OffsetOf = (bootKey: number) => number | undefined;

/** A receive time under a wrong clock is mended once the boot's offset is known. */
export function receivedTime(message: Stamps, offsetMs: OffsetOf): Receipt {
  const { receivedMs, uptimeMs, bootKey, clockTrusted } = message;
  if (clockTrusted) return { receivedNs: instant(receivedMs, message), receivedTrusted: true };
  const offset = offsetMs(bootKey);
  if (offset === undefined) return { receivedNs: instant(receivedMs, message), receivedTrusted: false };
  return { receivedNs: instant(Math.round(uptimeMs) + offset, message), receivedTrusted: true };
}

/**
 * A broker hands out what it has kept for us in one burst, many messages within a millisecond. The place in
 * the log tells them apart: rows of one device at one instant would be one row. A message that was put back has the
 * place of its first life.
 */
function instant(ms: number, message: Pick<JournalMessage, "seq" | "firstPlace">): bigint {
  return msToNs(ms) + BigInt(placeOf(message));
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
