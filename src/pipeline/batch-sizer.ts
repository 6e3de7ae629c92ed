import type { Clock } from "../lib/clock.ts";
import { Batch, type BatchLimits } from "./batch.ts";
import {
  type BatchSize,
  fullSize,
  isSmallest,
  maySuspectBatch,
  probeFailed,
  sizeFailed,
  sizeSucceeded,
  sizeTooLarge,
} from "./batch-size-policy.ts";

/** Makes batches of the size that gets through at present. */
export class BatchSizer {
  readonly #limits: BatchLimits;
  readonly #clock: Clock;
  #size: BatchSize = fullSize;

  constructor(limits: BatchLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** `isProbe`: nobody is believed to listen. */
  newBatch(isProbe = false): Batch {
    const { maxLines, maxBytes, maxAgeMs } = this.#limits;
    const share = isProbe ? Math.min(this.#size.share, this.#size.probeShare) : this.#size.share;
    const scaled = (limit: number): number => Math.max(1, Math.floor(limit * share));
    return new Batch({ maxLines: scaled(maxLines), maxBytes: scaled(maxBytes), maxAgeMs });
  }

  succeeded(batch: Batch): void {
    this.#size = sizeSucceeded(this.#size, this.#shareOf(batch), this.#clock.uptimeMs());
  }

  /** "batch": it may have been its doing. "message": such batches were the smallest already. */
  failed(batch: Batch, faultCode: string, isProbe: boolean): "batch" | "message" | "server" {
    if (!maySuspectBatch(faultCode)) return "server";
    const wasSmallest = isSmallest(isProbe ? this.#size.probeShare : this.#size.share);
    const share = this.#shareOf(batch);
    this.#size = isProbe
      ? probeFailed(this.#size, share)
      : sizeFailed(this.#size, share, this.#clock.uptimeMs());
    return wasSmallest ? "message" : "batch";
  }

  /** True when batches are smaller than this one now. */
  tooLarge(batch: Batch): boolean {
    const share = this.#shareOf(batch);
    // A single line says nothing about the size of batches.
    if (batch.lineCount > 1) this.#size = sizeTooLarge(this.#size, share, this.#clock.uptimeMs());
    return this.#size.share < share;
  }

  /** Larger than what has failed lately: it need not be tried. */
  isKnownTooLarge(batch: Batch): boolean {
    const { ceiling, ceilingUntilMs } = this.#size;
    const isKnown = this.#clock.uptimeMs() < ceilingUntilMs;
    return isKnown && batch.onlyMessage === undefined && this.#shareOf(batch) > ceiling;
  }

  #shareOf({ bytes }: Batch): number {
    return bytes / this.#limits.maxBytes;
  }
}
