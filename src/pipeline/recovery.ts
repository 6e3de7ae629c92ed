import type { JournalMessage } from "../journal/message.ts";
import { Fault } from "../lib/fault.ts";
import type { IntervalSet } from "../lib/intervals.ts";
import { failed } from "../lib/result.ts";
import type { DecodeMarker } from "./decode-marker.ts";
import { contentKey, type Deduplicator } from "./deduplicator.ts";
import { ownSource } from "./own-message.ts";
import type { Decode, QuarantinedMessage } from "./ports.ts";

/** Deaths after which a message is not tried again. */
const deathsBeforeQuarantine = 2;
const readAtOnce = 500;

interface RecoveryLog {
  readonly id: string;
  readonly lastSeq: number;
  readonly settled: IntervalSet;
  read(lo: number, hi: number, maxCount: number): JournalMessage[];
  settle(lo: number, hi: number): void;
}

export interface DeathRecord {
  /** Counts one more death and returns how many that makes. Durable when it returns. */
  recordDeath(seq: number): number;
  quarantine(entries: readonly QuarantinedMessage[]): void;
}

/**
 * What the last process leaves to this one: when it died while decoding a message, that is written down;
 * after the second time the message is quarantined, settled or not: the projector reads what was settled, too.
 * Returns what to report, if anything; the marker may be armed then. Faults of the record: the death is still
 * to be written down.
 */
export function recoverFromDeath(
  marker: DecodeMarker,
  journal: RecoveryLog,
  record: DeathRecord,
): Fault | undefined {
  const { left } = marker;
  if (left === undefined || left.journalId !== journal.id) return undefined;
  const [message] = journal.read(left.seq, left.seq, 1);
  if (message === undefined) return undefined;
  const deaths = record.recordDeath(left.seq);
  const what = `message ${left.seq} from ${message.topic}`;
  if (deaths < deathsBeforeQuarantine) {
    return new Fault({
      code: "decode_killed_process",
      layer: "device",
      disposition: "retry",
      message: `the process died while it decoded ${what}; it is tried once more`,
      hint: "if it dies again, the message is quarantined",
    });
  }
  const fault = new Fault({
    code: "decode_killed_process",
    layer: "device",
    disposition: "quarantine",
    message: `the process died ${deaths} times while it decoded ${what}; it is quarantined`,
    hint: "its bytes are kept in state.db; please report them, a decoder must not die",
  });
  record.quarantine([{ message, fault }]);
  journal.settle(left.seq, left.seq);
  return fault;
}

/**
 * A decoder that is never given the bytes of `killers`, messages that are quarantined for two deaths. They stay
 * in the log, where the projector meets them again. And the death may have come before their PUBACK: then the
 * broker delivers them again, as another message of the log, and without this each copy would be good for two
 * deaths and the next copy.
 */
export function sparing(
  killers: readonly { readonly topic: string; readonly payload: Uint8Array }[],
  decode: Decode,
): Decode {
  if (killers.length === 0) return decode;
  const keys = new Set(killers.map(({ topic, payload }) => contentKey(topic, payload)));
  return (topic, payload) => {
    if (!keys.has(contentKey(topic, payload))) return decode(topic, payload);
    return failed(
      new Fault({
        code: "decode_killed_process",
        layer: "device",
        disposition: "quarantine",
        message: `the message from ${topic} is a copy of one that killed the process; it is quarantined`,
        hint: "its bytes are kept in state.db; please report them, a decoder must not die",
      }),
    );
  };
}

/** Fills the memory for duplicates from the settled ones among the newest messages of the log. */
export function rememberTail(deduplicator: Deduplicator, journal: RecoveryLog, count: number): void {
  let lo = Math.max(1, journal.lastSeq - count + 1);
  while (lo <= journal.lastSeq) {
    const messages = journal.read(lo, journal.lastSeq, readAtOnce);
    for (const { topic, payload, seq, source } of messages) {
      if (source !== ownSource && journal.settled.has(seq)) deduplicator.remember(topic, payload, source);
    }
    lo = (messages.at(-1)?.seq ?? journal.lastSeq) + 1;
  }
}
