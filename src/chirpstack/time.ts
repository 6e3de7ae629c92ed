/**
 * Which of a message's times its points carry. The message's own time is preferred because it is the same
 * on every redelivery, which makes a second write of the point harmless; but gateways boot in 2012, and
 * GPS receivers are known to be half an hour ahead, so a time has to be believable first.
 */
import type { Reception } from "./event.ts";

export type TimeSource = "event" | "network_server" | "received";

export interface Receipt {
  readonly receivedNs: bigint;
  /** The clock that `receivedNs` came from was synchronised. */
  readonly receivedTrusted: boolean;
}

export interface PointTime {
  readonly timeNs: bigint;
  readonly source: TimeSource;
}

/** An event, of which uplinks have receptions. */
interface Timed {
  readonly timeNs: bigint | undefined;
  readonly receptions?: readonly Reception[];
}

/** 2020-01-01T00:00:00Z: before ChirpStack v4 existed. */
const earliestNs = 1_577_836_800_000_000_000n;
/** 2262-04-11: the last nanosecond that InfluxDB takes (1.x keeps the very last of an i64 for itself). */
const latestNs = 9_223_372_036_854_775_806n;
/** GPS-derived times run up to a second ahead of the network server's; clocks drift by more. */
const maxAheadNs = 120_000_000_000n;

export function pointTime(event: Timed, receipt: Receipt): PointTime {
  if (isBelievable(event.timeNs, receipt)) return { timeNs: event.timeNs, source: "event" };
  for (const { nsTimeNs } of event.receptions ?? []) {
    if (isBelievable(nsTimeNs, receipt)) return { timeNs: nsTimeNs, source: "network_server" };
  }
  return { timeNs: receipt.receivedNs, source: "received" };
}

/** Whether the event's time came from GPS: ChirpStack takes it from there as soon as one gateway has it. */
export function hasGpsTime(event: Timed): boolean {
  return event.timeNs !== undefined && event.receptions?.some((reception) => reception.hasGpsTime) === true;
}

function isBelievable(timeNs: bigint | undefined, receipt: Receipt): timeNs is bigint {
  if (timeNs === undefined || timeNs < earliestNs || timeNs > latestNs) return false;
  return !receipt.receivedTrusted || timeNs <= receipt.receivedNs + maxAheadNs;
}
