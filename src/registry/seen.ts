/** When and how a message reached us. */
export interface Seen {
  /** Of the event: the believable one of its own times, else that of its receipt. */
  readonly timeMs: number;
  readonly receivedMs: number;
  /** The broker kept it: it tells of the past, and comes again with every subscription. */
  readonly isRetained: boolean;
}

/** As `chirpstack/time.ts` has it for a clock that is trusted. */
const maxAheadMs = 120_000;

/**
 * The time that a record takes from a message. While our clock is not trusted, an event may claim any
 * later time, and a record that only moves forward would be stuck there for years: none is taken that is
 * more than two minutes after the receipt.
 */
export function recordTimeMs({ timeMs, receivedMs }: Seen): number {
  return Math.min(timeMs, receivedMs + maxAheadMs);
}
