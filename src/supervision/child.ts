/**
 * A child is a long-running part of the daemon, seen by the supervisor: a name, what to do when it ends, how
 * long it may be silent, how long it may take to end. Its `run` resolves when it was asked to end, rejects
 * when it failed, and owns no timer or socket after that; it may be called again then, and builds what it
 * needs each time.
 */

import type { Layer } from "../lib/fault.ts";

/** permanent: started again also when it ends by itself; transient: only when it fails; temporary: never. */
export type RestartKind = "permanent" | "transient" | "temporary";

/** One run of a child, as the child sees it. */
export interface Life {
  /** Finish what has begun, then end. */
  readonly drain: AbortSignal;
  /** End now. */
  readonly abort: AbortSignal;
  /** Progress of its own kind; an idle part beats too. Costs next to nothing: once per message is fine. */
  readonly beat: () => void;
  /** From here on it is doing its work (else: when run is called). Only work counts as having run well. */
  readonly ready: () => void;
}

export interface Child {
  /** Unique in the tree. */
  readonly name: string;
  readonly restart: RestartKind;
  /** The daemon is of no use without it: its failure ends the process, and its silence the watchdog's pings. */
  readonly isCritical: boolean;
  /** Longest time between two beats, some seconds at least: the supervisor looks once a second. */
  readonly progressDeadlineMs: number;
  /** From being asked to end (or, for a silent one, from being aborted) to being left behind. */
  readonly stopDeadlineMs: number;
  run(life: Life): Promise<void>;
}

export type ChildState =
  /** At work. */
  | "running"
  /** It failed and is started again after a backoff. */
  | "waiting"
  /** It failed too often and is tried again after a cool-down. */
  | "parked"
  /** It was asked to end, or aborted, and has some time left for that. */
  | "stopping"
  /** It does not end. It is not started again unless it does. */
  | "stuck"
  /** It is not running and nothing will start it, or the supervisor has not begun. */
  | "ended";

/** Plain data, for whoever shows the tree. */
export interface ChildStatus {
  readonly name: string;
  readonly isCritical: boolean;
  readonly state: ChildState;
  /** Starts after the first, since the daemon started or the child was replaced. */
  readonly restarts: number;
  readonly lastFault: FaultSummary | undefined;
  /** When the state began: monotonic ms, as `Clock.uptimeMs` gives them. */
  readonly sinceMs: number;
  /** When it is started again, if it waits or is parked: monotonic ms. */
  readonly nextTryMs: number | undefined;
  /** To the second, and without the time in which the event loop stood still; undefined when nothing runs. */
  readonly lastBeatAgoMs: number | undefined;
}

export interface FaultSummary {
  readonly layer: Layer;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}
