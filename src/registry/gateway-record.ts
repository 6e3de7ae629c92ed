/**
 * What one more message tells about its gateway. As with devices, times only move forward and a retained
 * message proves nothing about now. `state/conn` is retained by design: at each subscription the broker
 * hands out the last state of every gateway. The first of these is what we find, not something that
 * happened; a later one with another state happened while we were away. OFFLINE is the gateway's will,
 * which the broker sends: no sign of life. Where such a message is the first that we hear of a gateway,
 * its time is all there is.
 *
 * A gateway that has moved to another region leaves the state of its old topic behind, as a rule its will, and
 * the broker hands out both in any order. So a retained state that its topic is known to have said is no news,
 * and OFFLINE of a topic that is not known is somebody's past unless it is all there is.
 *
 * A state has no time of its own, so a broker that delivers ON and OFF again (DUP) tells of an outage that may
 * be known. What comes with DUP is believed at once, and shown later, if it is still another state than the
 * rows show: with the gateway's next state that comes without DUP, or when the log's time is half a minute
 * further, because a gateway that is gone says nothing more.
 *
 * Statistics are told apart by the time that they say, believable or not: which ones are copies does not depend
 * on when they come, or from which broker. That of the newest 256 is known (two hours, at one in 30 s). Of
 * what is older, a redelivery is a copy, and so is what comes from another source than the last one: a second
 * broker hands out what it has kept for a night. Statistics that say no time at all are never taken for copies.
 */
import type { GatewayEvent, GatewayStats, Location } from "../chirpstack/event.ts";
import type { GatewayRecord, UnshownState } from "./records.ts";
import { recordTimeMs } from "./seen.ts";
import type { Seen } from "./seen.ts";

/** More than a broker takes to deliver again what it has under way to us. */
const showAfterMs = 30_000;
const maxStatsTimes = 256;
const maxStateTopics = 8;

export interface GatewaySeen extends Seen {
  /** `timeMs` is what the message says. */
  readonly isOwnTime: boolean;
  /** Marked as a redelivery (DUP). */
  readonly isDuplicate: boolean;
  /** Name of the `[[mqtt]]` source. */
  readonly source: string;
  readonly topic: string;
  readonly receivedNs: bigint;
  readonly logTimeMs: number;
}

/** It came or went: a row of `gateway_event`. */
export interface ConnChange {
  readonly gatewayId: string;
  readonly online: boolean;
  readonly timeNs: bigint;
  readonly source: string;
}

export interface GatewayObservation {
  readonly record: GatewayRecord;
  /** In the order of their times. */
  readonly changes: readonly ConnChange[];
  /** Statistics that were here before. */
  readonly isCopy: boolean;
}

export function observeGateway(
  record: GatewayRecord | undefined,
  event: GatewayEvent,
  seen: GatewaySeen,
): GatewayObservation {
  const atMs = recordTimeMs(seen);
  const known = record ?? newRecord(event.gatewayId, atMs);
  if (event.kind === "gateway/conn") return { ...withState(known, event.online, seen), isCopy: false };
  if (seen.isRetained) return { record: known, changes: [], isCopy: false };
  if (event.kind === "gateway/mesh") return { record: withLastSeen(known, atMs), changes: [], isCopy: false };
  const alive = withLastSeen(withLocation(known, event.location, atMs), atMs);
  const lastStatsMs = Math.max(known.lastStatsMs ?? atMs, atMs);
  if (isCopy(known, event, seen)) return { record: { ...alive, lastStatsMs }, changes: [], isCopy: true };
  return {
    record: { ...withStatsTime(alive, event, atMs), lastStatsMs, statsSource: seen.source },
    changes: [],
    isCopy: false,
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
    stateTopics: new Map(),
    unshown: undefined,
    lastStatsMs: undefined,
    statsTimesMs: [],
    statsForgottenMs: undefined,
    statsSource: "",
    location: undefined,
  };
}

function withState(before: GatewayRecord, online: boolean, seen: GatewaySeen): Shown {
  const topic = `${seen.source} ${seen.topic}`;
  const said = before.stateTopics.get(topic);
  const record = withStateTopic(before, topic, online);
  const isPast = said === undefined ? !online && before.online !== undefined : said === online;
  if (seen.isRetained && isPast) return { record, changes: [] };
  const atMs = recordTimeMs(seen);
  const alive = online && !seen.isRetained ? withLastSeen(record, atMs) : record;
  if (seen.isDuplicate && !seen.isRetained) {
    return { record: withRedelivered(alive, online, atMs, seen), changes: [] };
  }
  const shown = showState(alive);
  if (record.online === online) return shown;
  const isFound = seen.isRetained && record.online === undefined;
  // Since when it has been as we find it, nobody said.
  const onlineSinceMs = isFound ? undefined : atMs;
  const change = { gatewayId: record.gatewayId, online, timeNs: seen.receivedNs, source: seen.source };
  return {
    record: { ...shown.record, online, onlineSinceMs },
    changes: isFound ? shown.changes : [...shown.changes, change],
  };
}

function withStateTopic(record: GatewayRecord, topic: string, online: boolean): GatewayRecord {
  const stateTopics = new Map(record.stateTopics);
  stateTopics.delete(topic);
  stateTopics.set(topic, online);
  for (const oldest of stateTopics.keys()) if (stateTopics.size > maxStateTopics) stateTopics.delete(oldest);
  return { ...record, stateTopics };
}

function withRedelivered(
  record: GatewayRecord,
  online: boolean,
  atMs: number,
  { receivedNs, source, logTimeMs }: GatewaySeen,
): GatewayRecord {
  if (record.online === online) return record;
  const { shownOnline, shownSinceMs } = record.unshown ?? {
    shownOnline: record.online,
    shownSinceMs: record.onlineSinceMs,
  };
  if (online === shownOnline) return { ...record, online, onlineSinceMs: shownSinceMs, unshown: undefined };
  const dueMs = logTimeMs + showAfterMs;
  const unshown: UnshownState = { shownOnline, shownSinceMs, timeNs: receivedNs, source, dueMs };
  return { ...record, online, onlineSinceMs: atMs, unshown };
}

type Shown = Pick<GatewayObservation, "record" | "changes">;

/** What is unshown is final now. */
export function showState(record: GatewayRecord): Shown {
  const { gatewayId, online, unshown } = record;
  if (unshown === undefined || online === undefined) return { record, changes: [] };
  const { timeNs, source } = unshown;
  return { record: { ...record, unshown: undefined }, changes: [{ gatewayId, online, timeNs, source }] };
}

function isCopy(record: GatewayRecord, stats: GatewayStats, seen: GatewaySeen): boolean {
  const { statsTimesMs, statsForgottenMs, statsSource } = record;
  const saidMs = saidTimeMs(stats);
  if (saidMs !== undefined && statsTimesMs.includes(saidMs)) return true;
  if (!seen.isOwnTime || statsForgottenMs === undefined || seen.timeMs > statsForgottenMs) return false;
  return seen.isDuplicate || (statsSource !== "" && seen.source !== statsSource);
}

function withStatsTime(record: GatewayRecord, stats: GatewayStats, atMs: number): GatewayRecord {
  const saidMs = saidTimeMs(stats);
  if (saidMs === undefined) return record;
  const times = [...record.statsTimesMs, saidMs];
  const statsTimesMs = times.slice(-maxStatsTimes);
  const leaving = times.length > maxStatsTimes ? times[0] : undefined;
  // One that was far ahead would make everything until then a copy.
  if (leaving === undefined || leaving > atMs) return { ...record, statsTimesMs };
  return { ...record, statsTimesMs, statsForgottenMs: Math.max(record.statsForgottenMs ?? leaving, leaving) };
}

function saidTimeMs({ timeNs }: GatewayStats): number | undefined {
  return timeNs === undefined ? undefined : Number(timeNs / 1_000_000n);
}

function withLastSeen(record: GatewayRecord, atMs: number): GatewayRecord {
  return atMs > record.lastSeenMs ? { ...record, lastSeenMs: atMs } : record;
}

/** Of the newest message that says it. */
function withLocation(record: GatewayRecord, location: Location | undefined, atMs: number): GatewayRecord {
  return location === undefined || atMs < record.lastSeenMs ? record : { ...record, location };
}
