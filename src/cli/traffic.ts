import { parseDurationMs } from "../lib/units.ts";
import { mostDevices, shortestIntervalMs } from "../sandbox/devices/fleet.ts";

/** What `demo` and `sandbox` let people say about the simulated devices. */
export interface TrafficOptions {
  readonly devices?: number | undefined;
  /** Between two uplinks of a device, as a duration. */
  readonly interval?: string | undefined;
}

/** One sentence about the first mistake, or undefined. */
export function mistakeInTraffic({ devices, interval }: TrafficOptions): string | undefined {
  if (!isWithin(devices, 1, mostDevices)) return `--devices: expected 1 to ${mostDevices}.`;
  if (interval !== undefined && !isWithin(parseDurationMs(interval) ?? -1, shortestIntervalMs, Infinity)) {
    return `--interval: expected a duration such as "1s" or "500ms", at least ${shortestIntervalMs}ms.`;
  }
  return undefined;
}

/** An option that was not given is no mistake. */
export function isWithin(value: number | undefined, low: number, high: number): boolean {
  return value === undefined || (value >= low && value <= high);
}
