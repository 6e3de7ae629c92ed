import { createHash } from "node:crypto";
import { aborted, sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Beat } from "../lib/pulse.ts";
import { type NodeFigures, nodeRow } from "../registry/rows.ts";
import type { TagSettings } from "../telemetry/settings.ts";
import type { OwnRows } from "./project-rows.ts";
import { msToNs } from "./received-time.ts";
import { noFacts } from "./route.ts";

export interface NodeReportDeps {
  /** Name of this installation: the tag `node`. */
  readonly node: string;
  /** Between two rows; 0: none are made. */
  readonly intervalMs: number;
  figures(): NodeFigures;
  /** The database that takes them is away: they would only fill the journal. */
  isAway(): boolean;
  readonly rows: OwnRows;
  readonly clock: Clock;
  readonly clockWatch: { readonly mayRelease: boolean };
  /** The newest time in the journal that was trusted when it was opened: its process has reported up to there. */
  readonly trustedUntilMs: number | undefined;
  readonly settings: TagSettings;
}

const awayIntervalMs = 900_000;
/** A fleet must not write in the same second. */
const maxSpreadMs = 20_000;
const dayMs = 86_400_000;

/**
 * Rows of `flightline_node`: one at each full minute of the wall clock, or whatever the interval is, and one
 * in a quarter of an hour while the database is away. They begin as soon as the clock may be used, right or
 * not. The figures are those of the moment; the row has the time of the minute in which that falls, however
 * long it had to wait.
 *
 * No minute is reported twice, because InfluxDB may keep either row: not that in which the report starts,
 * which another process may have reported, and none again when the clock is put back. Back by more than a
 * day, it was ahead before, and its minutes are new ones.
 *
 * A row is also what lets the log time pass when no device says anything (see `project.ts`).
 */
export async function reportNode(deps: NodeReportDeps, signal: AbortSignal, beat?: Beat): Promise<void> {
  const { node, clock, clockWatch, rows, settings, intervalMs, trustedUntilMs } = deps;
  if (intervalMs === 0) {
    await aborted(signal);
    return;
  }
  const spreadMs = spreadOf(node, Math.min(maxSpreadMs, intervalMs / 3));
  let reportedMs = Math.max(startOf(clock.nowMs(), intervalMs), trustedUntilMs ?? 0);
  while (!signal.aborted) {
    beat?.();
    // A timer may fire a little early: then nothing new is due, and the next one is short.
    await sleep(intervalMs - ((clock.nowMs() - spreadMs) % intervalMs), signal);
    if (!clockWatch.mayRelease || dueMs(deps, reportedMs) === undefined) continue;
    if (!(await rows.admitted(signal, beat)) || signal.aborted) return;
    const timeMs = dueMs(deps, reportedMs);
    if (timeMs === undefined) continue;
    const point = nodeRow(deps.figures(), node, msToNs(timeMs), settings);
    rows.submit({ points: [point], facts: noFacts });
    reportedMs = timeMs;
  }
}

/** The time of the row that is due; undefined: it has been made. */
function dueMs(deps: NodeReportDeps, reportedMs: number): number | undefined {
  const stepMs = deps.isAway() ? Math.max(awayIntervalMs, deps.intervalMs) : deps.intervalMs;
  const timeMs = startOf(deps.clock.nowMs(), stepMs);
  return timeMs > reportedMs || reportedMs - timeMs > dayMs ? timeMs : undefined;
}

function startOf(timeMs: number, intervalMs: number): number {
  return Math.floor(timeMs / intervalMs) * intervalMs;
}

/** The same at each start: 0 to `maxMs`, and each node has its own. */
function spreadOf(node: string, maxMs: number): number {
  return createHash("sha256").update(node).digest().readUInt32BE(0) % Math.floor(maxMs);
}
