import type { Clock } from "../lib/clock.ts";

/** A line that was refused alone. */
interface Evidence {
  readonly firstMs: number;
  /** How many writes had been delivered then. */
  readonly deliveries: number;
}

interface Fate {
  /** Delivered or dead-lettered. */
  readonly finished: Set<number>;
  hasDelivered: boolean;
  readonly refusedAlone: Map<number, Evidence>;
  isBlamed: boolean;
  hasFailedAlone: boolean;
}

/** A server that is in trouble for so long, and takes other lines meanwhile, is in no trouble. */
const evidenceAfterMs = 60_000;
/** A message that is forgotten is sent whole once more: InfluxDB has those points, and a dead letter has its key. */
const defaultMaxMessages = 10_000;

/**
 * What is known of messages that are not settled and with which something went wrong: which of their rows are in
 * InfluxDB or dead-lettered, and are not sent again with the rest, and which were refused alone by a server that may
 * have been in trouble itself. Such a row is dead when it was refused alone again, a minute later, while something
 * else was delivered in between.
 *
 * In memory, of a bounded number of messages. What a restart forgets begins again, and nothing is lost
 * by it.
 */
export class Fates {
  readonly #clock: Clock;
  readonly #maxMessages: number;
  readonly #fates = new Map<number, Fate>();
  #deliveries = 0;

  constructor(clock: Clock, maxMessages = defaultMaxMessages) {
    this.#clock = clock;
    this.#maxMessages = maxMessages;
  }

  /** A write was delivered to this database. */
  delivered(): void {
    this.#deliveries += 1;
  }

  /** Rows of the message that need not be sent any more. */
  finished(seq: number): ReadonlySet<number> | undefined {
    return this.#fates.get(seq)?.finished;
  }

  finish(seq: number, row: number, end: "delivered" | "dead"): void {
    const fate = this.#fateOf(seq);
    fate.finished.add(row);
    fate.refusedAlone.delete(row);
    fate.hasDelivered ||= end === "delivered";
  }

  /** A row of the message is in InfluxDB. */
  hasDelivered(seq: number): boolean {
    return this.#fates.get(seq)?.hasDelivered === true;
  }

  /** The line was refused, and no other with it. True when that is evidence enough against it. */
  refusedAlone(seq: number, row: number): boolean {
    const { refusedAlone } = this.#fateOf(seq);
    const nowMs = this.#clock.uptimeMs();
    const before = refusedAlone.get(row);
    if (before === undefined) {
      refusedAlone.set(row, { firstMs: nowMs, deliveries: this.#deliveries });
      return false;
    }
    return nowMs - before.firstMs >= evidenceAfterMs && this.#deliveries > before.deliveries;
  }

  /** One of its lines was refused, by name or alone. */
  blame(seq: number): void {
    this.#fateOf(seq).isBlamed = true;
  }

  isBlamed(seq: number): boolean {
    return this.#fates.get(seq)?.isBlamed === true;
  }

  /** The server stumbled, and nothing else was in that write. */
  failedAlone(seq: number): void {
    this.#fateOf(seq).hasFailedAlone = true;
  }

  /** It was the server's doing, after all. */
  forgiveFailure(seq: number): void {
    const fate = this.#fates.get(seq);
    if (fate !== undefined) fate.hasFailedAlone = false;
  }

  hasFailedAlone(seq: number): boolean {
    return this.#fates.get(seq)?.hasFailedAlone === true;
  }

  /** It must travel alone: others would only fail with it. */
  isSuspect(seq: number): boolean {
    const fate = this.#fates.get(seq);
    return fate !== undefined && (fate.hasFailedAlone || fate.refusedAlone.size > 0);
  }

  /** The message is settled. */
  forget(seq: number): void {
    this.#fates.delete(seq);
  }

  #fateOf(seq: number): Fate {
    const known = this.#fates.get(seq);
    if (known !== undefined) return known;
    const fate: Fate = {
      finished: new Set(),
      hasDelivered: false,
      refusedAlone: new Map(),
      isBlamed: false,
      hasFailedAlone: false,
    };
    this.#fates.set(seq, fate);
    if (this.#fates.size > this.#maxMessages) {
      const oldest = this.#fates.keys().next();
      if (oldest.done !== true) this.#fates.delete(oldest.value);
    }
    return fate;
  }
}
