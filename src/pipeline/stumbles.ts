import type { Clock } from "../lib/clock.ts";
import type { Batch } from "./batch.ts";
import type { BatchSizer } from "./batch-sizer.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Fates } from "./fates.ts";
import type { MessageEnds } from "./message-ends.ts";
import { laterMs } from "./later.ts";
import { setAsideMs } from "./refused-batches.ts";

interface StumblesDeps {
  readonly ends: MessageEnds;
  readonly fates: Fates;
  readonly sizer: BatchSizer;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  /** Everything that is parked is tried again, whatever it waits for. */
  readonly unparkAll: () => void;
}

/** How long one that failed alone steps aside, so that the next probe is made with another. */
const suspectRetryMs = 60_000;
/** So many, one after the other, may be to blame themselves. */
const maxSuspects = 3;
/** As many as `Fates` remembers. */
const maxRemembered = 10_000;

/**
 * What becomes of batches that fail in passing. The server, the way to it or the batch: nobody can tell yet. Probes
 * become smaller, and a message that fails alone is set aside, so that one on which the server stumbles does not hold
 * up all others. When one after the other has failed alone before something passed, it was none of them.
 */
export class Stumbles {
  readonly #deps: StumblesDeps;
  /** Messages that have failed alone since something passed, the last of them last. */
  readonly #failedAlone = new Set<number>();

  constructor(deps: StumblesDeps) {
    this.#deps = deps;
  }

  /** True: others get through, so that this says nothing about the server. Hands the batch back either way. */
  failed(batch: Batch, faultCode: string): boolean {
    const { ends, fates, sizer, endpoint, clock } = this.#deps;
    const only = batch.onlyMessage;
    if (only !== undefined && endpoint.isOpen && fates.hasFailedAlone(only.seq)) {
      ends.park(batch, laterMs(clock, setAsideMs), false);
      return true;
    }
    const suspect = sizer.failed(batch, faultCode, !endpoint.isOpen);
    if (suspect === "message" && only !== undefined) {
      fates.failedAlone(only.seq);
      this.#remember(only.seq);
      ends.park(batch, laterMs(clock, suspectRetryMs), false);
    } else ends.release(batch, false);
    return false;
  }

  /** The gate has opened. */
  passed(): void {
    if (this.#failedAlone.size > maxSuspects) {
      for (const seq of this.#failedAlone) this.#deps.fates.forgiveFailure(seq);
      this.#deps.unparkAll();
    }
    this.#failedAlone.clear();
  }

  #remember(seq: number): void {
    this.#failedAlone.delete(seq);
    this.#failedAlone.add(seq);
    if (this.#failedAlone.size <= maxRemembered) return;
    const [oldest] = this.#failedAlone;
    if (oldest !== undefined) this.#failedAlone.delete(oldest);
  }
}
