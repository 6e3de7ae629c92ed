/**
 * Runs the parts of the daemon, one for one: a part that fails is started again alone (restart-policy.ts),
 * and no other part hears of it. Only a critical one takes the rest along: then, and when the operator asks,
 * everything is drained in the order of the data (shutdown.ts).
 *
 * Faults and bugs of the children end here, and nowhere else: a bug ends its part, not the daemon. What is
 * thrown outside a child's `run` (a timer, a listener) is beyond this; see `runningPart`.
 */
import { once } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { assert } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Child, ChildStatus } from "./child.ts";
import { tell } from "./faults.ts";
import { healthOf, LoopDelay, tickMs, type Unhealthy } from "./heartbeat.ts";
import { defaultRestartSettings, type RestartSettings } from "./restart-policy.ts";
import { stopInOrder } from "./shutdown.ts";
import { Slot, type SlotDeps } from "./slot.ts";

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** For the ordered stop of everything. */
  readonly stopDeadlineMs: number;
  readonly restart?: RestartSettings;
}

export interface SupervisorOutcome {
  /** What made everything stop, when it was not the operator; or the first critical failure on the way down. */
  readonly failure: { readonly part: string; readonly error: unknown } | undefined;
  /** Parts that were still running when the time was over. */
  readonly stragglers: readonly string[];
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots = new Map<string, Slot>();
  /** While the supervisor runs. */
  #loop: LoopDelay | undefined;
  readonly #deps: SlotDeps;
  readonly #stopping = Promise.withResolvers<void>();
  #phase: "new" | "running" | "stopping" = "new";
  #failure: SupervisorOutcome["failure"];

  /** `stages`: in the order of the data, which is the order of stopping. */
  constructor(stages: readonly (readonly Child[])[], options: SupervisorOptions) {
    this.#options = options;
    this.#deps = {
      clock: options.clock,
      log: options.log,
      random: options.random,
      restart: options.restart ?? defaultRestartSettings,
      escalate: (part, error) => {
        this.#escalate(part, error);
      },
      vacated: (slot) => {
        if (this.#slots.get(slot.name) === slot) this.#slots.delete(slot.name);
      },
    };
    for (const [stage, children] of stages.entries()) for (const child of children) this.add(child, stage);
  }

  /**
   * Adds a child, and starts it if the others run. One of that name must not be there; where a removed one
   * still has not ended, the new one is started, in its stage, when it has.
   */
  add(child: Child, stage: number): void {
    const before = this.#slots.get(child.name);
    assert(before?.isWanted !== true, `there are two parts with the name ${child.name}`);
    if (before !== undefined) {
      void before.replace(child);
      return;
    }
    const slot = new Slot(stage, child, this.#deps);
    this.#slots.set(slot.name, slot);
    if (this.#phase === "running") slot.open();
  }

  /**
   * Drains and removes. Resolves with true when it is gone, with false when it did not end within its stop
   * deadline: it stays in the tree as stuck for as long as it runs.
   */
  async remove(name: string): Promise<boolean> {
    return await this.#slot(name).replace(undefined);
  }

  /**
   * Drains the child of that name and starts the new one in its place, with a clean record; a parked or
   * waiting one is replaced at once. Resolves with true when the new one runs, with false when the old one
   * did not end: the new one is then started when it does, never beside it.
   */
  async replace(child: Child): Promise<boolean> {
    return await this.#slot(child.name).replace(child);
  }

  /** The tree, stage by stage. */
  status(): readonly ChildStatus[] {
    return this.#stages().flatMap((slots) => slots.map(({ status }) => status));
  }

  /** For the watchdog: undefined when all is well. */
  health(): Unhealthy | undefined {
    const beats = [...this.#slots.values()].flatMap(({ criticalBeat }) => criticalBeat ?? []);
    return healthOf(beats, this.#loop?.lateMs(this.#options.clock.uptimeMs()) ?? 0);
  }

  /** The worst delay of the event loop in the last minute. */
  worstLoopDelayMs(): number {
    return this.#loop?.worstMs(this.#options.clock.uptimeMs()) ?? 0;
  }

  /**
   * Runs until `stop` aborts or a critical child fails; then everything is drained. `urgent` aborts instead,
   * before or during that. Never rejects for what a child does. Can be called once.
   */
  async run(stop: AbortSignal, urgent: AbortSignal): Promise<SupervisorOutcome> {
    assert(this.#phase === "new", "a supervisor runs once");
    this.#phase = "running";
    const { clock, stopDeadlineMs } = this.#options;
    const stopTicking = this.#startTicking();
    for (const slot of this.#slots.values()) slot.open();
    const begin = (): void => {
      this.#beginStop();
    };
    const stopListening = [once(stop, begin), once(urgent, begin)];
    if (stop.aborted || urgent.aborted) begin();
    await this.#stopping.promise;
    for (const take of stopListening) take();

    const stages = this.#stages();
    await stopInOrder(stages, stopDeadlineMs, urgent, clock);
    stopTicking();
    const stragglers = stages.flat().filter(({ isRunning }) => isRunning);
    return { failure: this.#failure, stragglers: stragglers.map(({ name }) => name) };
  }

  /** Nothing is started from here on, also before the first stage is told to stop. */
  #beginStop(): void {
    if (this.#phase === "stopping") return;
    this.#phase = "stopping";
    for (const slot of this.#slots.values()) slot.close();
    this.#stopping.resolve();
  }

  /** Said at once: draining takes seconds, and may end in a SIGKILL. */
  #escalate(part: string, error: unknown): void {
    tell(this.#options.log, part, error);
    this.#failure ??= { part, error };
    this.#beginStop();
  }

  #startTicking(): () => void {
    const { clock } = this.#options;
    const loop = new LoopDelay(clock.uptimeMs());
    this.#loop = loop;
    const tick = (): void => {
      loop.tick(clock.uptimeMs());
      for (const slot of this.#slots.values()) slot.tick();
      timer = setTimeout(tick, tickMs);
    };
    let timer = setTimeout(tick, tickMs);
    return () => {
      clearTimeout(timer);
      this.#loop = undefined;
    };
  }

  #stages(): Slot[][] {
    const byStage = Map.groupBy(this.#slots.values(), ({ stage }) => stage);
    return [...byStage].sort(([a], [b]) => a - b).map(([, slots]) => slots);
  }

  #slot(name: string): Slot {
    const slot = this.#slots.get(name);
    assert(slot !== undefined && slot.isWanted, `there is no part with the name ${name}`);
    return slot;
  }
}
