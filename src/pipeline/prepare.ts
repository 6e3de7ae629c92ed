import type { Uplink } from "../chirpstack/event.ts";
import { hasGpsTime, pointTime } from "../chirpstack/time.ts";
import type { JournalMessage } from "../journal/message.ts";
import { encodeLine } from "../telemetry/line-protocol.ts";
import { points } from "../telemetry/points.ts";
import type { TagSettings } from "../telemetry/tags.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { DecodeMarker } from "./decode-marker.ts";
import type { Deduplicator } from "./deduplicator.ts";
import type { ClockTrust, Decode, QuarantinedMessage } from "./ports.ts";

export interface PrepareDeps {
  readonly decode: Decode;
  readonly marker: DecodeMarker;
  readonly deduplicator: Deduplicator;
  readonly clock: ClockTrust;
  /** wall clock − uptime during a boot, once it is known. */
  offsetMs(bootKey: number): number | undefined;
  readonly settings: TagSettings;
  readonly counters: Counters;
}

/** One uplink's lines, ready to be sent. */
export interface ReadyUplink {
  readonly seq: number;
  readonly topic: string;
  /** Receipt, ms since boot. */
  readonly uptimeMs: number;
  /** Lines separated by "\n", without one at the end. */
  readonly text: string;
  readonly lineCount: number;
  /** Parts of the event that did not fit and are not in the lines. */
  readonly droppedCount: number;
}

export interface PreparedChunk {
  readonly ready: ReadyUplink[];
  /** Nothing is to be sent for these. */
  readonly done: number[];
  readonly quarantined: QuarantinedMessage[];
  /** Their time cannot be told before the clock is right. */
  readonly waitForClock: number[];
}

/** Bytes → event → lines, for a run of messages; says what is to become of each. Never throws for an input. */
export function prepare(messages: readonly JournalMessage[], deps: PrepareDeps): PreparedChunk {
  const chunk: PreparedChunk = { ready: [], done: [], quarantined: [], waitForClock: [] };
  for (const message of messages) {
    deps.marker.begin(message.seq);
    prepareOne(message, deps, chunk);
  }
  deps.marker.clear();
  return chunk;
}

function prepareOne(message: JournalMessage, deps: PrepareDeps, chunk: PreparedChunk): void {
  const { counters } = deps;
  const decoded = deps.decode(message.topic, message.payload);
  if (!decoded.ok) {
    chunk.quarantined.push({ message, fault: decoded.fault });
    return;
  }
  const event = decoded.value;
  if (event.kind === "unmapped") {
    countUnder(counters.unmapped, event.name);
    chunk.done.push(message.seq);
    return;
  }
  if (mustWaitForClock(message, event, deps)) {
    chunk.waitForClock.push(message.seq);
    return;
  }
  const mayRepeat = event.deduplicationId !== "" || message.duplicate;
  switch (deps.deduplicator.examine(message, mayRepeat)) {
    case "new":
      chunk.ready.push(encode(message, event, deps));
      return;
    case "duplicate":
      counters.duplicates += 1;
      chunk.done.push(message.seq);
      return;
    case "follows":
      // Nothing yet: it shares the fate of the message that it repeats.
      return;
  }
}

function mustWaitForClock(message: JournalMessage, uplink: Uplink, deps: PrepareDeps): boolean {
  return !message.clockTrusted && !deps.clock.mayRelease && !hasGpsTime(uplink);
}

function encode(message: JournalMessage, uplink: Uplink, deps: PrepareDeps): ReadyUplink {
  const { timeNs, source } = pointTime(uplink, receivedTime(message, uplink, deps));
  const lines: string[] = [];
  for (const point of points(uplink, { timeNs, timeSource: source }, deps.settings)) {
    const line = encodeLine(point);
    if (line !== undefined) lines.push(line);
  }
  return {
    seq: message.seq,
    topic: message.topic,
    uptimeMs: message.uptimeMs,
    text: lines.join("\n"),
    lineCount: lines.length,
    droppedCount: uplink.dropped.length,
  };
}

/** When it arrived. A receive time under a wrong clock is mended once the boot's offset is known. */
function receivedTime(
  message: JournalMessage,
  uplink: Uplink,
  deps: PrepareDeps,
): { readonly receivedNs: bigint; readonly receivedTrusted: boolean } {
  if (message.clockTrusted) return { receivedNs: msToNs(message.receivedMs), receivedTrusted: true };
  // An uplink with GPS time does not wait for the offset, so its time must not depend on whether there is one.
  const offsetMs = hasGpsTime(uplink) ? undefined : deps.offsetMs(message.bootKey);
  if (offsetMs === undefined) return { receivedNs: msToNs(message.receivedMs), receivedTrusted: false };
  return { receivedNs: msToNs(Math.round(message.uptimeMs) + offsetMs), receivedTrusted: true };
}

function msToNs(ms: number): bigint {
  return BigInt(Math.round(ms)) * 1_000_000n;
}
