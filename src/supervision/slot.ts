/**
 * The place of one child in the tree: the child that is wanted there, the run that is there, and what is
 * to happen next. Invariants: at most one run at a time, also while a run that was given up goes on; a timer
 * only while waiting or parked; nothing starts before `open` or after `close`.
 */
import { timerMs } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { BugError, type Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Child, ChildState, ChildStatus } from "./child.ts";
import { ChildRun, type Ending, type StopLimits } from "./child-run.ts";
import { deafFault, faultOf, stuckFault, tell } from "./faults.ts";
import type { Beating } from "./heartbeat.ts";
import {
  type FailureHistory,
  judge,
  noFailures,
  type RestartSettings,
  type Verdict,
} from "./restart-policy.ts";
import { ownLimits } from "./shutdown.ts";

export interface SlotDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly restart: RestartSettings;
  /** A critical child has failed, was silent for too long, or does not make way for the one that is wanted. */
  escalate(part: string, error: unknown): void;
  /** The removed child has ended. */
  vacated(slot: Slot): void;
}

export class Slot {
  readonly name: string;
  readonly stage: number;
  readonly #deps: SlotDeps;
  /** Undefined: removed, and kept until its run has ended. */
  #wanted: Child | undefined;
  #run: ChildRun | undefined;
  /** Why the present run was aborted, when the reason is its silence. */
  #stuck: Fault | undefined;
  #history: FailureHistory = noFailures;
  #timer: NodeJS.Timeout | undefined;
  #phase: "new" | "open" | "closed" = "new";

  #state: ChildState = "ended";
  #sinceMs: number;
  #nextTryMs: number | undefined;
  #restarts = 0;
  #lastFault: Fault | undefined;

  constructor(stage: number, child: Child, deps: SlotDeps) {
    this.name = child.name;
    this.stage = stage;
    this.#wanted = child;
    this.#deps = deps;
    this.#sinceMs = deps.clock.uptimeMs();
  }

  get isWanted(): boolean {
    return this.#wanted !== undefined;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** For the watchdog; undefined unless a critical child is at work. */
  get criticalBeat(): Beating | undefined {
    if (this.#run === undefined || this.#state !== "running" || !this.#run.child.isCritical) return undefined;
    const { silentMs, child } = this.#run;
    return { name: this.name, silentMs, progressDeadlineMs: child.progressDeadlineMs };
  }

  get status(): ChildStatus {
    const fault = this.#lastFault;
    return {
      name: this.name,
      isCritical: (this.#run?.child ?? this.#wanted)?.isCritical ?? false,
      state: this.#state,
      restarts: this.#restarts,
      lastFault: fault && {
        code: fault.code,
        layer: fault.layer,
        message: fault.message,
        hint: fault.hint,
      },
      sinceMs: this.#sinceMs,
      nextTryMs: this.#nextTryMs,
      lastBeatAgoMs: this.#run?.silentMs,
    };
  }

  open(): void {
    this.#phase = "open";
    this.#start();
  }

  /** Starts the child that is wanted; there must be no run. */
  #start(): void {
    if (this.#wanted === undefined || this.#phase !== "open") return;
    this.#run = ChildRun.start(this.#wanted, this.#deps.clock);
    this.#enter("running");
    void this.#follow(this.#run);
  }

  /**
   * Drains what runs here and puts `child` in its place, or nothing. True when that is done; false when the
   * old run does not end: then it is left behind, and the change comes when it does end.
   */
  async replace(child: Child | undefined): Promise<boolean> {
    this.#wanted = child;
    this.#stopTimer();
    const run = this.#run;
    if (run === undefined) {
      this.#takeUp();
      return true;
    }
    if (this.#state === "stuck") return false;
    this.#enter("stopping");
    return await this.#endOrLeave(run, run.stop(ownLimits(run.child)));
  }

  /** From here on nothing is started, and every end is one that was asked for. */
  close(): void {
    this.#phase = "closed";
    this.#stopTimer();
    if (this.#run === undefined) this.#enter("ended");
  }

  /** For the ordered shutdown. What has been given up before is not waited for again. */
  async shutDown(limitsFor: (child: Child) => StopLimits, urgent: AbortSignal): Promise<void> {
    const run = this.#run;
    if (run === undefined || this.#state === "stuck") return;
    this.#enter("stopping");
    await this.#endOrLeave(run, run.stop(limitsFor(run.child), urgent));
  }

  /** The supervisor's look, once a second. */
  tick(): void {
    const run = this.#run;
    if (run === undefined) return;
    run.tick();
    if (this.#phase === "closed" || this.#state !== "running") return;
    const { isCritical, progressDeadlineMs } = run.child;
    // A critical child has its deadline twice: the watchdog comes first, where there is one.
    if (run.silentMs <= progressDeadlineMs * (isCritical ? 2 : 1)) return;
    const fault = stuckFault(this.name, run.silentMs);
    if (isCritical) {
      this.#escalate(fault);
      return;
    }
    this.#stuck = fault;
    this.#lastFault = tell(this.#deps.log, this.name, fault);
    this.#enter("stopping");
    void this.#endOrLeave(run, run.kill(run.child.stopDeadlineMs));
  }

  async #endOrLeave(run: ChildRun, stopped: Promise<boolean>): Promise<boolean> {
    const hasEnded = await stopped;
    if (hasEnded || this.#run !== run || this.#state === "stuck") return hasEnded;
    this.#enter("stuck");
    // While all is stopped, whoever reads the outcome tells who was left.
    if (this.#phase === "closed") return false;
    const fault = deafFault(this.name, run.child.stopDeadlineMs);
    if (run.child.isCritical && this.isWanted) this.#escalate(fault);
    else this.#lastFault = tell(this.#deps.log, this.name, fault);
    return false;
  }

  /** What comes after the end of a run. */
  async #follow(run: ChildRun): Promise<void> {
    const ending = await run.done;
    // For whoever still listens in its name.
    run.abort();
    const stuck = this.#stuck;
    this.#run = undefined;
    this.#stuck = undefined;
    const isClosed = this.#phase === "closed";
    if (!isClosed && this.#wanted === run.child) {
      this.#judge(run, ending, stuck);
      return;
    }
    if (ending.kind === "failed") this.#failedWhileStopping(run, ending.error);
    if (isClosed) this.#enter("ended");
    else this.#takeUp();
  }

  /** The last commit of a journal may fail while all is stopped: that is no clean stop. */
  #failedWhileStopping({ child }: ChildRun, error: unknown): void {
    if (this.#phase === "closed" && child.isCritical) this.#escalate(error);
    else this.#lastFault = tell(this.#deps.log, this.name, error);
  }

  /** After an end that nobody asked for. */
  #judge(run: ChildRun, ending: Ending, stuck: Fault | undefined): void {
    const { clock, restart, random, log } = this.#deps;
    const hasFailed = stuck !== undefined || ending.kind === "failed";
    const nowMs = clock.uptimeMs();
    const end = { kind: hasFailed ? "failed" : "ended", workedMs: run.workedMs } as const;
    const { verdict, history } = judge(run.child, end, this.#history, restart, nowMs, random);
    this.#history = history;
    const error = ending.kind === "failed" ? ending.error : new BugError("BUG: it ended by itself");
    if (verdict.kind === "escalate") {
      this.#enter("ended");
      this.#escalate(error);
      return;
    }
    const { state, nextTryMs } = stateAfter(verdict, nowMs);
    this.#enter(state, nextTryMs);
    if (verdict.kind === "leave" && !hasFailed) return;
    const next = { state, next_try_s: nextTryMs && Math.ceil((nextTryMs - nowMs) / 1000) };
    if (stuck === undefined) this.#lastFault = tell(log, this.name, error, next);
    else if (ending.kind === "failed") tell(log, this.name, error, next);
    else log.info("the part that was stuck has ended", { part: this.name, ...next });
  }

  #escalate(error: unknown): void {
    this.#lastFault = faultOf(this.name, error);
    this.#deps.escalate(this.name, error);
  }

  #takeUp(): void {
    if (this.#wanted === undefined) {
      this.#deps.vacated(this);
      return;
    }
    this.#history = noFailures;
    this.#restarts = 0;
    this.#lastFault = undefined;
    this.#start();
  }

  #enter(state: ChildState, nextTryMs?: number): void {
    const nowMs = this.#deps.clock.uptimeMs();
    this.#state = state;
    this.#sinceMs = nowMs;
    this.#nextTryMs = nextTryMs;
    if (nextTryMs === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#restarts += 1;
        this.#start();
      },
      timerMs(nextTryMs - nowMs),
    );
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function stateAfter(
  verdict: Exclude<Verdict, { readonly kind: "escalate" }>,
  nowMs: number,
): { readonly state: ChildState; readonly nextTryMs: number | undefined } {
  if (verdict.kind === "restart") return { state: "waiting", nextTryMs: nowMs + verdict.afterMs };
  if (verdict.kind === "park") return { state: "parked", nextTryMs: verdict.untilMs };
  return { state: "ended", nextTryMs: undefined };
}
