const windowSize = 2048;

/** The last latencies of brokers' messages at all destinations, for percentiles; old ones are overwritten. */
export class LatencyWindow {
  readonly #samplesMs: number[] = [];
  #next = 0;

  add(latencyMs: number): void {
    this.#samplesMs[this.#next] = latencyMs;
    this.#next = (this.#next + 1) % windowSize;
  }

  /** 0 < share ≤ 1; undefined before the first sample. */
  percentileMs(share: number): number | undefined {
    const sorted = [...this.#samplesMs].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  }
}
