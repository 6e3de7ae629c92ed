/**
 * What one more message tells about its gateway. As with devices, times only move forward and a retained
 * message proves nothing about now. `state/conn` is retained by design: at each subscription the broker
 * hands out the last state of every gateway. The first of these is what we find, not something that
 * happened; a later one with another state happened while we were away. OFFLINE is the gateway's will,
 * which the broker sends: no sign of life. Where such a message is the first that we hear of a gateway,
 * its time is all there is.
 */
import type { GatewayEvent, Location } from "../chirpstack/event.ts";
import type { GatewayRecord } from "./records.ts";
import { recordTimeMs } from "./seen.ts";
import type { Seen } from "./seen.ts";

export interface GatewayObservation {
  readonly record: GatewayRecord;
  /** It came or went: a row of `gateway_event`. */
  readonly changedOnline: boolean;
}

export function observeGateway(
  record: GatewayRecord | undefined,
  event: GatewayEvent,
  seen: Seen,
): GatewayObservation {
  const atMs = recordTimeMs(seen);
  const known = record ?? newRecord(event.gatewayId, atMs);
  if (event.kind === "gateway/conn") return withState(known, event.online, atMs, seen.isRetained);
  if (seen.isRetained) return { record: known, changedOnline: false };
  if (event.kind === "gateway/mesh") return { record: withLastSeen(known, atMs), changedOnline: false };
  const lastStatsMs = Math.max(known.lastStatsMs ?? atMs, atMs);
  return {
    record: { ...withLastSeen(withLocation(known, event.location, atMs), atMs), lastStatsMs },
    changedOnline: false,
  };
}

/** An uplink that this gateway received at `atMs`, and where it then was. */
export function heardUplink(
  record: GatewayRecord | undefined,
  gatewayId: string,
  location: Location | undefined,
  atMs: number,
): GatewayRecord {
  return withLastSeen(withLocation(record ?? newRecord(gatewayId, atMs), location, atMs), atMs);
}

function newRecord(gatewayId: string, atMs: number): GatewayRecord {
  return {
    gatewayId,
    firstSeenMs: atMs,
    lastSeenMs: atMs,
    online: undefined,
    onlineSinceMs: undefined,
    lastStatsMs: undefined,
    location: undefined,
  };
}

function withState(
  record: GatewayRecord,
  online: boolean,
  atMs: number,
  isRetained: boolean,
): GatewayObservation {
  const alive = online && !isRetained ? withLastSeen(record, atMs) : record;
  if (record.online === online) return { record: alive, changedOnline: false };
  const isFound = isRetained && record.online === undefined;
  // Since when it has been as we find it, nobody said.
  const onlineSinceMs = isFound ? undefined : atMs;
  return { record: { ...alive, online, onlineSinceMs }, changedOnline: !isFound };
}

function withLastSeen(record: GatewayRecord, atMs: number): GatewayRecord {
  return atMs > record.lastSeenMs ? { ...record, lastSeenMs: atMs } : record;
}

/** Of the newest message that says it. */
function withLocation(record: GatewayRecord, location: Location | undefined, atMs: number): GatewayRecord {
  return location === undefined || atMs < record.lastSeenMs ? record : { ...record, location };
}
