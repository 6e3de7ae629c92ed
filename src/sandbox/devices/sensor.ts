/** What every simulated sensor has in common. */
import type { CodecObject } from "./event.ts";

export interface Sample {
  readonly fPort: number;
  readonly data: Uint8Array;
  readonly object: CodecObject;
}

/** A sensor at its place. Samples are taken in the order of time. */
export interface Sensor {
  sample(atMs: number): Sample;
}

const dayMs = 86_400_000;

/** A daily curve in [−1, 1] that is highest at `peakHour` (UTC). */
export function dailyCurve(atMs: number, peakHour: number): number {
  return Math.cos(2 * Math.PI * ((atMs % dayMs) / dayMs - peakHour / 24));
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
