/**
 * What another machine's clock says beside ours. A reading bounds the difference from both sides: the other clock was
 * read after we asked and before we had the answer. Several readings bound it more closely. Pure.
 */
import { Fault } from "../lib/fault.ts";
import { shownMs, shownSpan, type Lines } from "./lines.ts";

/** Of their clock minus ours: it lies in here. */
export interface ClockBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface ClockAnswer {
  /** Unix, as they said it. */
  readonly theirMs: number;
  /** Theirs counts steps of this, and leaves out what is less: the `Date` of HTTP has whole seconds. */
  readonly stepMs: number;
  /** Unix, on our clock. */
  readonly askedMs: number;
  readonly answeredMs: number;
}

export function boundsOf({ theirMs, stepMs, askedMs, answeredMs }: ClockAnswer): ClockBounds {
  return { minMs: theirMs - answeredMs, maxMs: theirMs + stepMs - askedMs };
}

/** Undefined: there are none, or they contradict each other, as when a clock was set meanwhile. */
export function narrowed(readings: readonly ClockBounds[]): ClockBounds | undefined {
  if (readings.length === 0) return undefined;
  const minMs = Math.max(...readings.map((reading) => reading.minMs));
  const maxMs = Math.min(...readings.map((reading) => reading.maxMs));
  return minMs <= maxMs ? { minMs, maxMs } : undefined;
}

/** How far apart the clocks are at least; theirs is ahead when positive. 0: they may be equal. */
export function certainMs({ minMs, maxMs }: ClockBounds): number {
  if (minMs > 0) return minMs;
  return maxMs < 0 ? maxMs : 0;
}

/** With NTP, machines are milliseconds apart: one of two that differ by this has none that works. */
const suspiciousMs = 2000;

/**
 * Events that are this far ahead of our clock lose their own time (chirpstack/time.ts), and on Core rows this far
 * from the server's are where nobody looks for them.
 */
const harmfulMs = 120_000;

export interface ClockContext {
  /** "InfluxDB at http://127.0.0.1:8181" */
  readonly name: string;
  readonly retentionMs: number | undefined;
}

/** The line `clock`. */
export function tellClock(lines: Lines, bounds: ClockBounds | undefined, context: ClockContext): void {
  if (bounds === undefined) {
    lines.skipped("clock", "the answers told no time, or times that contradict each other");
    return;
  }
  const offMs = certainMs(bounds);
  const awayMs = Math.abs(offMs);
  const figures = { clockMinMs: Math.round(bounds.minMs), clockMaxMs: Math.round(bounds.maxMs) };
  const where = `${offMs > 0 ? "behind" : "ahead of"} that of ${context.name}`;
  const text = `the clock of this machine is ${shownSpan(awayMs)} ${where}`;
  const hint =
    "see which of the two is wrong (timedatectl on both) and that NTP works there: a gateway without a battery clock needs it";
  if (awayMs >= harmfulMs) {
    lines.fault("clock", clockDiffers(`${text}: ${harmOf(offMs, context)}`, hint));
  } else if (awayMs >= suspiciousMs) lines.warning("clock", text, hint, figures);
  else lines.ok("clock", equal(bounds), figures);
}

function harmOf(offMs: number, { retentionMs }: ClockContext): string {
  if (offMs > 0 && retentionMs !== undefined && offMs >= retentionMs) {
    return `what it dates is older than the ${shownSpan(retentionMs)} that the database keeps, and never seen`;
  }
  return "times are wrong in the database, or replaced by the time of receipt";
}

function clockDiffers(message: string, hint: string): Fault {
  return new Fault({ code: "clock_differs", layer: "host", disposition: "retry", message, hint });
}

function equal({ minMs, maxMs }: ClockBounds): string {
  const widest = Math.max(Math.abs(minMs), Math.abs(maxMs));
  return `no difference seen; it is ${shownMs(Math.max(1, widest))} at most`;
}
