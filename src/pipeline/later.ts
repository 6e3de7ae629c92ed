import type { Clock } from "../lib/clock.ts";

const stepMs = 5000;

/** Monotonic ms. What is to be tried again at nearly the same time is tried together: thousands are few. */
export function laterMs(clock: Clock, delayMs: number): number {
  return Math.ceil((clock.uptimeMs() + delayMs) / stepMs) * stepMs;
}
