import type { JournalMessage } from "../journal/message.ts";
import type { Interval } from "../lib/intervals.ts";
import type { Destination, MessageLog } from "./ports.ts";

interface ReadDeps {
  readonly log: MessageLog;
  readonly destination: Destination;
}

/**
 * Messages that a lane has taken. What the quota evicted is gone, and settled here by one of the destinations: what
 * is gone must not be looked for again.
 */
export function readTaken({ lo, hi }: Interval, { log, destination }: ReadDeps): JournalMessage[] {
  const count = hi - lo + 1;
  const messages = log.read(lo, hi, count);
  if (messages.length === count || !destination.isDefault) return messages;
  const seqs = new Set(messages.map(({ seq }) => seq));
  for (let seq = lo; seq <= hi; seq += 1) if (!seqs.has(seq)) log.settle(seq, seq);
  return messages;
}
