import type { Event } from "../chirpstack/event.ts";
import type { Result } from "../lib/result.ts";
import type { JournalMessage } from "../journal/message.ts";
import type { DecodeMarker } from "./decode-marker.ts";
import type { Decode } from "./ports.ts";

/** Several chunks of the forwarder, which read the newest messages within a few turns of each other. */
const rememberedCount = 512;
/** Larger events are rare, and 512 of them would be a gateway's memory: each reader decodes them. */
const maxRememberedBytes = 8 * 1024;

/**
 * What messages mean, for several readers (one forwarder for each destination, the projector): the newest
 * ones are decoded once. And the one place where the decode marker is set, so that a message that kills
 * the process is known to the next one, whoever looked at it.
 *
 * The memory has one place for each remainder of seq by 512, and nothing old takes the place of something
 * newer: whoever reads the backlog does not push out what the others are about to ask for.
 */
export class DecodedEvents {
  readonly #decode: Decode;
  readonly #marker: DecodeMarker;
  readonly #seqs = new Float64Array(rememberedCount);
  readonly #results: (Result<Event> | undefined)[] = Array.from({ length: rememberedCount });
  /** The seq that is marked, 0 for none. */
  #marked = 0;

  constructor(decode: Decode, marker: DecodeMarker) {
    this.#decode = decode;
    this.#marker = marker;
  }

  /**
   * Calls `look` for each message, and whatever it does is under the message's mark: decoding by `of`, and
   * what is made of the event. `look` must be done when it returns. What it throws passes through, and the
   * mark stays for the next process.
   */
  marked(messages: readonly JournalMessage[], look: (message: JournalMessage) => void): void {
    for (const message of messages) {
      this.#marker.begin(message.seq);
      this.#marked = message.seq;
      look(message);
    }
    this.#marked = 0;
    this.#marker.clear();
  }

  /** Marks the message while it is decoded, unless `marked` does. Not for messages of our own. */
  of(message: JournalMessage): Result<Event> {
    const { seq, topic, payload } = message;
    const place = seq % rememberedCount;
    if (this.#seqs[place] === seq) {
      const known = this.#results[place];
      if (known !== undefined) return known;
    }
    const isMarked = this.#marked === seq;
    if (!isMarked) this.#marker.begin(seq);
    const result = this.#decode(topic, payload);
    if (!isMarked) this.#marker.begin(this.#marked);
    if (payload.length <= maxRememberedBytes && seq > (this.#seqs[place] ?? 0)) {
      this.#seqs[place] = seq;
      this.#results[place] = result;
    }
    return result;
  }
}
