import { type DeviceEvent, type Event, type GatewayEvent, isDeviceEvent } from "../chirpstack/event.ts";
import { pointTime } from "../chirpstack/time.ts";
import type { JournalMessage } from "../journal/message.ts";
import type { Result } from "../lib/result.ts";
import type { StatsSum } from "../registry/records.ts";
import type { ConnChange } from "../registry/gateway-record.ts";
import { deviceRow, gatewayConnRow, gatewayStatsRow } from "../registry/rows.ts";
import type { TagSettings } from "../telemetry/settings.ts";
import { ownSource } from "./own-message.ts";
import type { LiveRegistry } from "./project-registry.ts";
import type { RoutedPoint } from "./project-rows.ts";
import { beginningOfTime, type LogTime, logTimeAt } from "./project-time.ts";
import { type OffsetOf, receiptFor, receivedTime } from "./received-time.ts";
import { deviceFacts, noFacts, type RouteFacts } from "./route.ts";

export interface ProjectionDeps {
  readonly registry: LiveRegistry;
  readonly offsetMs: OffsetOf;
  readonly settings: TagSettings;
  eventOf(message: JournalMessage): Result<Event>;
}

/** What the projection of a message depends on, beside the registry and the message. */
export interface ProjectionState {
  /** Of the last message; 0 before the first, or -1 (`beforeOtherLog`). A message with another one than the next comes after a gap. */
  readonly seq: number;
  readonly time: LogTime;
  /** Sums that close before this could not be complete and are not made. */
  readonly sumsFromMs: number;
}

export const beforeFirstMessage: ProjectionState = { seq: 0, time: beginningOfTime, sumsFromMs: 0 };

/** There is a registry, and this log is not the one that it was learned from: it begins with a gap. */
export const beforeOtherLog: ProjectionState = { ...beforeFirstMessage, seq: -1 };

/**
 * After a gap in the log, a sum that closes later than this after the first message that is left has all its
 * messages: five minutes and half a minute, and two minutes for statistics that are ahead of us.
 */
const incompleteForMs = 450_000;

/**
 * One message of the log: what it tells the registry, and the rows that are due with it. The same rows for
 * the same registry, state and message, whenever it is read.
 *
 * Where messages before it are gone, any sum that was open may lack some of them, and was perhaps made of all
 * of them by an earlier process: it is given up.
 */
export function projectMessage(
  message: JournalMessage,
  before: ProjectionState,
  deps: ProjectionDeps,
): { readonly state: ProjectionState; readonly rows: readonly RoutedPoint[] } {
  const { registry } = deps;
  const { receivedNs } = receivedTime(message, deps.offsetMs);
  const { time, isNewEra } = logTimeAt(before.time, message, toMs(receivedNs));
  const isAfterGap = message.seq !== before.seq + 1;
  if (isAfterGap) registry.giveUpSums();
  if (before.seq === beforeOtherLog.seq) registry.forgetCounted();
  const dueMs = isNewEra ? Infinity : time.ms;
  const rows = [...sumRows(registry.closeSums(dueMs), deps), ...stateRows(registry.showStates(dueMs), deps)];
  // No sum of a new era is met by what the old one lacks.
  const carriedOn = isNewEra ? 0 : before.sumsFromMs;
  const sumsFromMs = isAfterGap ? time.ms + incompleteForMs : carriedOn;
  const state = { seq: message.seq, time, sumsFromMs };
  if (message.source === ownSource) return { state, rows };

  const decoded = deps.eventOf(message);
  if (!decoded.ok || decoded.value.kind === "unmapped") return { state, rows };
  const event = decoded.value;
  if (isDeviceEvent(event))
    return { state, rows: [...rows, ...deviceRows(message, event, receivedNs, deps)] };
  const connRows = gatewayRows(message, event, { receivedNs, logTimeMs: time.ms, sumsFromMs }, deps);
  const crowdedUntilMs = registry.crowdedUntilMs;
  if (crowdedUntilMs === undefined) return { state, rows: [...rows, ...connRows] };
  // The log time goes ahead of the clock for once, and what comes next belongs to later sums.
  const ahead = { ...state, time: { ...time, ms: Math.max(time.ms, crowdedUntilMs) } };
  return { state: ahead, rows: [...rows, ...connRows, ...sumRows(registry.closeSums(ahead.time.ms), deps)] };
}

function sumRows(sums: readonly StatsSum[], { settings }: ProjectionDeps): RoutedPoint[] {
  return sums.map((sum) => ({ point: gatewayStatsRow(sum, settings), facts: gatewayFacts(sum.source) }));
}

function stateRows(changes: readonly ConnChange[], { settings }: ProjectionDeps): RoutedPoint[] {
  return changes.map(({ gatewayId, online, timeNs, source }) => ({
    point: gatewayConnRow(gatewayId, online, timeNs, settings),
    facts: gatewayFacts(source),
  }));
}

function deviceRows(
  message: JournalMessage,
  event: DeviceEvent,
  receivedNs: bigint,
  { registry, offsetMs, settings }: ProjectionDeps,
): RoutedPoint[] {
  const { timeNs, source } = pointTime(event, receiptFor(message, event, offsetMs));
  // The broker kept it, for a minute or for years: when the device lived, nobody can tell.
  if (message.retained && source === "received") return [];
  const seen = { timeMs: toMs(timeNs), receivedMs: toMs(receivedNs), isRetained: message.retained };
  const { record, rowDue } = registry.observeDevice(event, seen);
  if (!rowDue) return [];
  // Of the record: an event does not say everything in every dialect, and the row goes where it belongs.
  const facts = deviceFacts(message.source, record);
  return [{ point: deviceRow(record, timeNs, settings), facts }];
}

function gatewayRows(
  message: JournalMessage,
  event: GatewayEvent,
  at: { readonly receivedNs: bigint; readonly logTimeMs: number; readonly sumsFromMs: number },
  deps: ProjectionDeps,
): RoutedPoint[] {
  const { registry, offsetMs } = deps;
  const { duplicate: isDuplicate, retained: isRetained, source } = message;
  const { timeNs, source: timeSource } = pointTime(event, receiptFor(message, event, offsetMs));
  const { receivedNs, logTimeMs, sumsFromMs } = at;
  const seen = { timeMs: toMs(timeNs), receivedMs: toMs(receivedNs), isRetained };
  const isOwnTime = timeSource === "event";
  const { changes, isCopy } = registry.observeGateway(event, {
    ...seen,
    isOwnTime,
    isDuplicate,
    source,
    topic: message.topic,
    receivedNs,
    logTimeMs,
  });
  if (event.kind === "gateway/stats" && !isRetained && !isCopy) {
    registry.addStats(event, { ...seen, receivedMs: logTimeMs }, { timeNs, source }, sumsFromMs);
  }
  return stateRows(changes, deps);
}

/** A gateway has no tenant that its messages would tell. */
function gatewayFacts(source: string): RouteFacts {
  return { ...noFacts, source };
}

function toMs(timeNs: bigint): number {
  return Number(timeNs / 1_000_000n);
}
