import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { type NodeFigures, nodeRow } from "../registry/rows.ts";
import type { TagSettings } from "../telemetry/settings.ts";
import type { OwnRows } from "./project-rows.ts";
import { msToNs } from "./received-time.ts";

export interface NodeReportDeps {
  /** Name of this installation: the tag `node`. */
  readonly node: string;
  figures(): NodeFigures;
  readonly rows: OwnRows;
  readonly clock: Clock;
  readonly clockWatch: { readonly isTrusted: boolean };
  readonly settings: TagSettings;
}

const everyMs = 60_000;
/** The database that takes what no route takes. */
const nowhere = { source: "", tenantId: "", tenantName: "", applicationId: "", applicationName: "" };

/**
 * One row of `flightline_node` at each full minute of the wall clock, while that is trusted. Not for the
 * minute in which it starts, which another process may have reported. The row is also what lets the log time
 * pass when no device says anything (see `project.ts`).
 */
export async function reportNode(deps: NodeReportDeps, signal: AbortSignal): Promise<void> {
  const { clock, clockWatch, rows } = deps;
  let lastMinute = minuteOf(clock);
  while (!signal.aborted) {
    await sleep(everyMs - (clock.nowMs() % everyMs), signal);
    const minute = minuteOf(clock);
    // A timer may fire a little early; and while the clock is wrong there is no minute to report for.
    if (minute === lastMinute || !clockWatch.isTrusted) continue;
    if (signal.aborted || !(await rows.admitted(signal))) return;
    const point = nodeRow(deps.figures(), deps.node, msToNs(minute * everyMs), deps.settings);
    rows.submit({ points: [point], facts: nowhere });
    lastMinute = minute;
  }
}

function minuteOf(clock: Clock): number {
  return Math.floor(clock.nowMs() / everyMs);
}
