/** Time as the rest of the house sees it. Tests pass their own. */
export interface Clock {
  /** Wall clock, ms since 1970. May jump. */
  nowMs(): number;
  /** Milliseconds since boot (CLOCK_MONOTONIC). Never jumps; fractional. */
  uptimeMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  uptimeMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
};
