/**
 * Exponential backoff with full jitter: attempt n waits a uniformly random time below
 * min(cap, base · 2ⁿ). Full jitter, because a site with many gateways loses and regains its database
 * at one moment for all of them, and any fixed part of the delay would keep them in step. Pure.
 */

export interface Backoff {
  /** Failures in a row so far, from 0. */
  readonly attempt: number;
  /** Ceiling of the first delay. */
  readonly baseMs: number;
  /** Ceiling of every delay. */
  readonly capMs: number;
  /** Uniform in [0, 1), as Math.random gives it. */
  readonly random: () => number;
}

/** Whole milliseconds to wait before the next attempt, 0 ≤ result < min(capMs, baseMs · 2^attempt). */
export function backoffMs({ attempt, baseMs, capMs, random }: Backoff): number {
  return Math.floor(random() * Math.min(capMs, baseMs * 2 ** attempt));
}
