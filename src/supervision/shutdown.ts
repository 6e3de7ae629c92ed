/**
 * Stopping in the order of the data: a stage is told to stop when the one that feeds it has ended. The
 * children of one stage do not feed each other and are drained at the same time, so that ten slow sources
 * take as long as one. All of it within one deadline, and `leastMs` for each stage after that: the journal
 * comes late, and must have its chance to save.
 */
import type { Clock } from "../lib/clock.ts";
import type { Child } from "./child.ts";
import type { StopLimits } from "./child-run.ts";

/** Share of a stop deadline after which draining becomes aborting. */
const drainShare = 0.7;
/** What each stage gets at least, also when those before it have used up the time. */
const leastMs = 100;

interface Stoppable {
  shutDown(limitsFor: (child: Child) => StopLimits, urgent: AbortSignal): Promise<void>;
}

/** For a child that is stopped alone. */
export function ownLimits({ stopDeadlineMs }: Child): StopLimits {
  const drainMs = stopDeadlineMs * drainShare;
  return { drainMs, abortMs: stopDeadlineMs - drainMs };
}

/**
 * Stops stage after stage. `urgent` turns draining into aborting, still in order: a part that heeds it ends
 * at once, and the journal keeps its place after those that feed it.
 */
export async function stopInOrder(
  stages: readonly (readonly Stoppable[])[],
  deadlineMs: number,
  urgent: AbortSignal,
  clock: Clock,
): Promise<void> {
  const beginMs = clock.uptimeMs();
  for (const stage of stages) {
    const passedMs = clock.uptimeMs() - beginMs;
    const limitsFor = (child: Child): StopLimits => {
      const own = ownLimits(child);
      const drainMs = Math.min(own.drainMs, Math.max(0, deadlineMs * drainShare - passedMs));
      const totalMs = Math.min(child.stopDeadlineMs, Math.max(leastMs, deadlineMs - passedMs));
      return { drainMs, abortMs: totalMs - drainMs };
    };
    await Promise.all(stage.map(async (one) => await one.shutDown(limitsFor, urgent)));
  }
}
