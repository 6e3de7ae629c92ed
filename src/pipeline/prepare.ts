import { type DeviceEvent, isDeviceEvent, type MeshHeartbeat } from "../chirpstack/event.ts";
import { hasGpsTime, pointTime } from "../chirpstack/time.ts";
import type { JournalMessage } from "../journal/message.ts";
import type { Point } from "../telemetry/point.ts";
import { points } from "../telemetry/points.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { DecodedEvents } from "./decoded.ts";
import type { Deduplicator } from "./deduplicator.ts";
import { type FittedLines, fittedLines } from "./fitted-lines.ts";
import type { LeftOutColumns, LeftOutReport } from "./left-out.ts";
import { ownSource, ownTopic, unpackOwn } from "./own-message.ts";
import type { ClockTrust, Destination, QuarantinedMessage } from "./ports.ts";
import { type ReadyMessage, readyMessage } from "./ready.ts";
import { type OffsetOf, receiptFor } from "./received-time.ts";
import { deviceFacts, noFacts, type RouteFacts } from "./route.ts";
import type { DestinationSchema } from "./schema-keeper.ts";

export interface PrepareDeps {
  readonly decoded: DecodedEvents;
  readonly deduplicator: Deduplicator;
  readonly clock: ClockTrust;
  readonly offsetMs: OffsetOf;
  readonly settings: TelemetrySettings;
  /** Of the destination. */
  readonly schema: DestinationSchema;
  /** Whether columns that this message makes in this table are made for all. */
  readonly mayClaim: (seq: number, table: string) => boolean;
  /** Rows of this message that are in InfluxDB or dead-lettered already. */
  readonly finishedRows: (seq: number) => ReadonlySet<number> | undefined;
  /** It was settled before, and is owed again. */
  readonly isAgain: (seq: number) => boolean;
  readonly destination: Destination;
  readonly leftOut: LeftOutReport;
  readonly counters: Counters;
}

export interface PreparedChunk {
  readonly ready: ReadyMessage[];
  /** Nothing is to be sent for these. */
  readonly done: number[];
  readonly quarantined: QuarantinedMessage[];
  /** Their time cannot be told before the clock is right. */
  readonly waitForClock: number[];
}

/**
 * Bytes → event → lines fitted to the destination's columns, for a run of messages; says what is to become of
 * each that is the destination's, and of no other: those are in none of the lists. Whose a message is depends
 * on its bytes and its source alone, so that each destination comes to the same answer at any time. Never
 * throws for an input.
 */
export function prepare(messages: readonly JournalMessage[], deps: PrepareDeps): PreparedChunk {
  const chunk: PreparedChunk = { ready: [], done: [], quarantined: [], waitForClock: [] };
  deps.decoded.marked(messages, (message) => {
    if (message.source === ownSource) prepareOwn(message, deps, chunk);
    else prepareEvent(message, deps, chunk);
  });
  return chunk;
}

/** Rows that we made ourselves: their times are right, and nobody sends them twice. */
function prepareOwn(message: JournalMessage, deps: PrepareDeps, chunk: PreparedChunk): void {
  const own = unpackOwn(message.payload);
  if (!own.ok) {
    if (deps.destination.isDefault) chunk.quarantined.push({ message, fault: own.fault });
    return;
  }
  const { points: rows, facts } = own.value;
  if (deps.destination.isMine?.(facts) === false) return;
  const fitted = fitRows(message, rows, "", deps);
  const said = { droppedCount: 0, isOwn: true, device: undefined };
  if (fitted.lines.length > 0) chunk.ready.push(readyMessage(message, fitted.lines, said));
  else finishWithoutRow(message.seq, ownTopic, deps, chunk);
}

function prepareEvent(message: JournalMessage, deps: PrepareDeps, chunk: PreparedChunk): void {
  const { destination, counters } = deps;
  const decoded = deps.decoded.of(message);
  if (!decoded.ok) {
    if (destination.isDefault) chunk.quarantined.push({ message, fault: decoded.fault });
    return;
  }
  const event = decoded.value;
  switch (event.kind) {
    case "unmapped":
      if (destination.isDefault) finishWithoutRow(message.seq, event.name, deps, chunk);
      return;
    case "gateway/stats":
    case "gateway/conn":
      if (!destination.isDefault) return;
      counters.projected += 1;
      chunk.done.push(message.seq);
      return;
    default:
      if (destination.isMine?.(factsOf(event, message)) !== false) prepareRows(message, event, deps, chunk);
  }
}

function finishWithoutRow(seq: number, name: string, deps: PrepareDeps, chunk: PreparedChunk): void {
  countUnder(deps.counters.unmapped, name);
  chunk.done.push(seq);
}

function factsOf(event: DeviceEvent | MeshHeartbeat, { source }: JournalMessage): RouteFacts {
  return isDeviceEvent(event) ? deviceFacts(source, event.device) : { ...noFacts, source };
}

function prepareRows(
  message: JournalMessage,
  event: DeviceEvent | MeshHeartbeat,
  deps: PrepareDeps,
  chunk: PreparedChunk,
): void {
  const { counters, deduplicator } = deps;
  if (mustWaitForClock(message, event, deps)) {
    chunk.waitForClock.push(message.seq);
    return;
  }
  const { timeNs, source } = pointTime(event, receiptFor(message, event, deps.offsetMs));
  if (message.retained && source === "received") {
    // The broker kept it, for a minute or for years: when it happened, nobody can tell.
    counters.retained += 1;
    chunk.done.push(message.seq);
    return;
  }
  const isAgain = message.again === true || deps.isAgain(message.seq);
  const mayRepeat = !isAgain && (event.isIdentified || message.duplicate || message.retained);
  const verdict = deduplicator.examine(message, mayRepeat);
  if (verdict === "duplicate") {
    counters.duplicates += 1;
    chunk.done.push(message.seq);
    return;
  }
  // Nothing yet: it shares the fate of the message that it repeats.
  if (verdict === "follows") return;
  const device = isDeviceEvent(event) ? event.device : undefined;
  const profileName = device?.profileName ?? "";
  const mapped = points(event, { timeNs, timeSource: source }, deps.settings);
  if (mapped.leftOut !== undefined) tellLeftOut({ ...mapped.leftOut, reason: "row" }, deps);
  if (mapped.untimed !== undefined) tellLeftOut({ ...mapped.untimed, reason: "time" }, deps);
  const fitted = fitRows(message, mapped.points, profileName, deps);
  if (fitted.lines.length > 0) {
    const said = { droppedCount: event.dropped.length, isOwn: false, device: device?.devEui };
    chunk.ready.push(readyMessage(message, fitted.lines, said));
    return;
  }
  // No copy can have come between: this is the same turn.
  deduplicator.delivered(message.seq);
  finishWithoutRow(message.seq, event.kind, deps, chunk);
}

function mustWaitForClock(
  message: JournalMessage,
  event: DeviceEvent | MeshHeartbeat,
  deps: PrepareDeps,
): boolean {
  return !message.clockTrusted && !deps.clock.mayRelease && !hasGpsTime(event);
}

function fitRows(
  { seq }: JournalMessage,
  rows: readonly Point[],
  profileName: string,
  deps: PrepareDeps,
): FittedLines {
  const mayClaim = (table: string): boolean => deps.mayClaim(seq, table);
  const fitted = fittedLines(rows, deps.schema, mayClaim, deps.finishedRows(seq));
  for (const { table, names } of fitted.leftOut)
    tellLeftOut({ profileName, table, names, count: names.length, reason: "table" }, deps);
  for (const moved of fitted.moved) deps.leftOut.addMoved(moved);
  return fitted;
}

function tellLeftOut(leftOut: LeftOutColumns, deps: PrepareDeps): void {
  deps.counters.fieldsLeftOut += leftOut.count;
  deps.leftOut.add(leftOut);
}
