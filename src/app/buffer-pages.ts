/** What `flightline buffer` is shown of the journal and of state.db, as the control socket has it. */
import { type JournalMessage, packFlags, placeOf } from "../journal/message.ts";
import type { JournalPage } from "../journal/page.ts";
import type { OffsetOf } from "../pipeline/received-time.ts";
import type { DeadRow } from "../state/letters.ts";
import type { BoundedTable, KeptRow } from "../state/pages.ts";
import type { BufferPage, BufferRow, KeptStats, RowWait } from "../status/buffer-wire.ts";

interface Rest {
  readonly hasContent: boolean;
  /** The clock of this boot may still become right; that of another will not. */
  readonly currentBootKey: number | undefined;
  readonly waitOf: (message: JournalMessage) => RowWait | undefined;
}

/** Of the journal: pending or settled messages. */
export function journalPage(
  { entries, afterSeq }: JournalPage,
  { hasContent, currentBootKey, waitOf }: Rest,
): BufferPage {
  const rows = entries.map(({ message, payloadBytes, boot }): BufferRow => {
    const { seq, source, topic, payload, receivedMs, uptimeMs, bootKey } = message;
    return {
      key: seq,
      source,
      topic,
      payload: hasContent ? payload : undefined,
      payloadBytes,
      receivedMs,
      uptimeMs,
      bootKey,
      flags: packFlags(message),
      offsetMs: boot.offsetMs,
      isTimeDecided: boot.isDecided || bootKey !== currentBootKey,
      place: placeOf(message),
      wait: waitOf(message),
      aside: undefined,
    };
  });
  return { rows, next: afterSeq };
}

/** Of state.db: quarantined messages, or dead letters. */
export function asidePage(found: readonly (KeptRow | DeadRow)[], hasContent: boolean): BufferPage {
  const rows = found.map((row): BufferRow => {
    const { key, source, topic, payload, receivedMs, uptimeMs = 0, bootKey = 0, code, reason } = row;
    const letter = "line" in row ? { database: row.database, line: row.line, device: row.device } : undefined;
    return {
      key,
      source,
      topic,
      payload: hasContent ? payload : undefined,
      payloadBytes: payload.length,
      receivedMs,
      uptimeMs,
      bootKey,
      flags: 0,
      offsetMs: undefined,
      isTimeDecided: true,
      place: placeOf({
        seq: row.seq,
        ...(row.firstPlace === undefined ? {} : { firstPlace: row.firstPlace }),
      }),
      wait: undefined,
      aside: { code, reason, atMs: row.keptMs, letter },
    };
  });
  // One that is not full may have been ended by its bytes: only an empty one is known to be the last.
  return { rows, next: rows.at(-1)?.key };
}

export function keptStats(table: BoundedTable): KeptStats {
  const { count, bytes, maxBytes, evicted, purged, oldestReceivedMs } = table;
  const byCode = Object.fromEntries(table.countsBy("code"));
  return { count, byCode, oldestReceivedMs, bytes, maxBytes, evicted, purged };
}

/** Mended, where the clock was wrong and is known by now. */
export function receivedAtMs(message: JournalMessage, offsetMs: OffsetOf): number {
  const { clockTrusted, receivedMs, uptimeMs, bootKey } = message;
  const offset = clockTrusted ? undefined : offsetMs(bootKey);
  return offset === undefined ? receivedMs : uptimeMs + offset;
}
