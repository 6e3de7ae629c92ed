import { createHash } from "node:crypto";
import type { JournalMessage } from "../journal/message.ts";

/**
 * Recognises an event that the broker delivered twice: the same bytes on the same topic under another seq.
 * ChirpStack v4 puts a deduplication id and a nanosecond time into each event, so equal bytes are one
 * event; a message without such an id counts as a copy only when the broker marked it as a redelivery
 * (`mayRepeat`). Comparing bytes instead of ids means that no payload, however odd, can make another one
 * disappear.
 *
 * The same event from two sources is one event too, unless a route tells those sources apart: then it is
 * one in each of their databases.
 *
 * The first one examined *leads*: it is the one that is sent. A copy that comes meanwhile *follows* it.
 * `delivered` hands the followers over, to be settled together with their leader; `givenUp` (the write
 * failed) hands them over, to be released together with it, and whoever is examined next leads. So a copy
 * is settled only when the event is in InfluxDB, also when its leader was evicted from the log meanwhile,
 * and nobody follows a message that will not be sent.
 *
 * After a restart the memory is rebuilt from the settled messages of the log's tail: a crash between the
 * settling of a leader and that of its followers leaves copies of a settled message, which are duplicates.
 *
 * Bounded: an event is forgotten after `capacity` newer ones. A copy that comes later still gives the
 * same point, because its time and tags come from the event.
 */
export class Deduplicator {
  readonly #capacity: number;
  readonly #sourcesApart: ReadonlySet<string>;
  readonly #known = new Map<string, Known>();
  /** The messages that are on their way, by seq. */
  readonly #leaders = new Map<number, Leader>();

  /** `sourcesApart`: the sources that routes name. */
  constructor(capacity: number, sourcesApart: ReadonlySet<string> = new Set()) {
    this.#capacity = capacity;
    this.#sourcesApart = sourcesApart;
  }

  /** For a settled message that is still in the log, before anything is examined. */
  remember(topic: string, payload: Uint8Array, source: string): void {
    this.#know(this.#keyOf(topic, payload, source), { leader: undefined });
  }

  examine(
    message: Pick<JournalMessage, "seq" | "source" | "topic" | "payload">,
    mayRepeat: boolean,
  ): "new" | "duplicate" | "follows" {
    const { seq, source, topic, payload } = message;
    const key = this.#keyOf(topic, payload, source);
    const known = mayRepeat ? this.#known.get(key) : undefined;
    if (known !== undefined) {
      if (known.leader === undefined) return "duplicate";
      known.leader.followers.push(seq);
      return "follows";
    }
    const leader: Leader = { key, known: { leader: undefined }, followers: [] };
    leader.known.leader = leader;
    this.#leaders.set(seq, leader);
    this.#know(key, leader.known);
    return "new";
  }

  /** The event is in InfluxDB. Returns the copies that follow, which are done with it. */
  delivered(seq: number): readonly number[] {
    const leader = this.#leaders.get(seq);
    if (leader === undefined) return [];
    this.#leaders.delete(seq);
    leader.known.leader = undefined;
    return leader.followers;
  }

  /** The event is not sent for now. Returns the copies that follow, which must be examined again too. */
  givenUp(seq: number): readonly number[] {
    const leader = this.#leaders.get(seq);
    if (leader === undefined) return [];
    this.#leaders.delete(seq);
    if (this.#known.get(leader.key) === leader.known) this.#known.delete(leader.key);
    return leader.followers;
  }

  #keyOf(topic: string, payload: Uint8Array, source: string): string {
    const key = contentKey(topic, payload);
    return this.#sourcesApart.has(source) ? `${key} ${source}` : key;
  }

  #know(key: string, known: Known): void {
    // Known again is known anew: the map's order is the order of forgetting.
    this.#known.delete(key);
    this.#known.set(key, known);
    if (this.#known.size <= this.#capacity) return;
    const oldest = this.#known.keys().next();
    if (oldest.done !== true) this.#known.delete(oldest.value);
  }
}

interface Known {
  /** Undefined once it has been delivered. */
  leader: Leader | undefined;
}

interface Leader {
  readonly key: string;
  readonly known: Known;
  readonly followers: number[];
}

/** Equal for equal bytes on the same topic. */
export function contentKey(topic: string, payload: Uint8Array): string {
  return createHash("sha1").update(topic).update("\0").update(payload).digest("base64");
}
