/**
 * What to do with a child that has ended. Pure.
 *
 * A failure is followed by a restart after an exponential backoff with full jitter. More than `maxRestarts`
 * failures within `windowMs`, and the child is parked for a cool-down: whatever is wrong does not pass by
 * trying. The first attempt after a cool-down is a trial. While trials fail at once (within `trialMs`), the
 * child is parked again and the cool-down doubles, up to a cap; a trial that lasted earns a new series of
 * restarts. Running well for `wellMs` clears the record.
 *
 * A critical child is not restarted here: the process ends, and the service manager starts all of it.
 */
import { backoffMs } from "../lib/backoff.ts";
import type { Child } from "./child.ts";

export interface RestartSettings {
  /** Ceiling of the first delay, and of every delay. */
  readonly baseMs: number;
  readonly capMs: number;
  /** Restarts within the window; the failure after them parks. */
  readonly maxRestarts: number;
  readonly windowMs: number;
  /** The first cool-down, and the longest. */
  readonly coolDownMs: number;
  readonly coolDownCapMs: number;
  /** A trial that fails sooner than this has failed at once. */
  readonly trialMs: number;
  /** Work for this long clears the record. */
  readonly wellMs: number;
}

export const defaultRestartSettings: RestartSettings = {
  baseMs: 1000,
  capMs: 30_000,
  maxRestarts: 5,
  windowMs: 600_000,
  coolDownMs: 60_000,
  coolDownCapMs: 3_600_000,
  trialMs: 10_000,
  wellMs: 1_800_000,
};

/** The record of one child. Times are monotonic ms. */
export interface FailureHistory {
  /** Failures within the window since the last parking, oldest first; at most `maxRestarts`. */
  readonly failuresMs: readonly number[];
  /** Cool-downs since it last ran well, without those that followed a trial that lasted. */
  readonly coolDowns: number;
  /** The run that ends next is the first after a cool-down. */
  readonly isTrial: boolean;
}

export const noFailures: FailureHistory = { failuresMs: [], coolDowns: 0, isTrial: false };

export interface ChildEnd {
  readonly kind: "failed" | "ended";
  /** How long it has done its work. */
  readonly workedMs: number;
}

export type Verdict =
  | { readonly kind: "restart"; readonly afterMs: number }
  | { readonly kind: "park"; readonly untilMs: number }
  | { readonly kind: "escalate" }
  | { readonly kind: "leave" };

export interface Judgement {
  readonly verdict: Verdict;
  readonly history: FailureHistory;
}

/**
 * The verdict on an end that nobody asked for, and the record with it. A permanent child that ended by itself
 * is treated as failed. `random` is uniform in [0, 1).
 */
export function judge(
  child: Pick<Child, "restart" | "isCritical">,
  end: ChildEnd,
  before: FailureHistory,
  settings: RestartSettings,
  nowMs: number,
  random: () => number,
): Judgement {
  if (end.kind === "ended" && child.restart !== "permanent")
    return { verdict: { kind: "leave" }, history: before };
  if (child.isCritical) return { verdict: { kind: "escalate" }, history: before };
  if (child.restart === "temporary") return { verdict: { kind: "leave" }, history: before };

  const history = end.workedMs >= settings.wellMs ? noFailures : before;
  if (history.isTrial && end.workedMs < settings.trialMs) return park(history.coolDowns, settings, nowMs);
  const recentMs = history.failuresMs.filter((atMs) => atMs > nowMs - settings.windowMs);
  // A trial that lasted begins again with the shortest cool-down.
  const coolDowns = history.isTrial ? 0 : history.coolDowns;
  if (recentMs.length >= settings.maxRestarts) return park(coolDowns, settings, nowMs);
  const { baseMs, capMs } = settings;
  const afterMs = backoffMs({ attempt: recentMs.length, baseMs, capMs, random });
  return {
    verdict: { kind: "restart", afterMs },
    history: { failuresMs: [...recentMs, nowMs], coolDowns, isTrial: false },
  };
}

function park(coolDowns: number, settings: RestartSettings, nowMs: number): Judgement {
  const coolDownMs = Math.min(settings.coolDownCapMs, settings.coolDownMs * 2 ** coolDowns);
  return {
    verdict: { kind: "park", untilMs: nowMs + coolDownMs },
    history: { failuresMs: [], coolDowns: coolDowns + 1, isTrial: true },
  };
}
