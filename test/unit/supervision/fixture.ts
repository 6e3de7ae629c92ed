/** Children that do what a test says, and a supervisor in virtual time. */
import type { TestContext } from "node:test";
import { aborted, sleep } from "../../../src/lib/abort.ts";
import type { Child, ChildStatus, Life } from "../../../src/supervision/child.ts";
import type { RestartSettings } from "../../../src/supervision/restart-policy.ts";
import { Supervisor, type SupervisorOutcome } from "../../../src/supervision/supervisor.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

export const deadlineMs = 10_000;

/** Delays without chance: with `random` at one half, 500, 1000, 2000 ms. */
export const settings: RestartSettings = {
  baseMs: 1000,
  capMs: 8000,
  maxRestarts: 3,
  windowMs: 60_000,
  coolDownMs: 100_000,
  coolDownCapMs: 300_000,
  trialMs: 5000,
  wellMs: 600_000,
};

/** Beats every second until it is told to end; `more` changes one thing or the other. */
export function child(name: string, more: Partial<Child> = {}): Child {
  return {
    name,
    restart: "permanent",
    isCritical: false,
    progressDeadlineMs: 30_000,
    stopDeadlineMs: deadlineMs,
    run: beating,
    ...more,
  };
}

export function critical(name: string, run: Child["run"] = beating): Child {
  return child(name, { isCritical: true, run });
}

async function beating({ drain, beat }: Life): Promise<void> {
  while (!drain.aborted) {
    beat();
    await sleep(1000, drain);
  }
}

/** Hears neither drain nor abort and never ends. */
export async function deaf(): Promise<void> {
  await new Promise<never>(() => {});
}

/** Does nothing at all, and heeds the drain. */
export async function silent({ drain }: Life): Promise<void> {
  await aborted(drain);
}

export function failsAfter(afterMs: number, error: unknown): Child["run"] {
  return async ({ drain }) => {
    await sleep(afterMs, drain);
    throw error;
  };
}

/** A run that ends when the test says so, whatever the signals say; `starts` counts. */
export class ByHand {
  starts = 0;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};

  readonly run = async (): Promise<void> => {
    this.starts += 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#resolve = resolve;
    this.#reject = reject;
    await promise;
  };

  end(): void {
    this.#resolve();
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}

export interface Scene {
  readonly time: VirtualTime;
  readonly log: RecordingLog;
  readonly supervisor: Supervisor;
  readonly stop: AbortController;
  readonly urgent: AbortController;
  readonly outcome: Promise<SupervisorOutcome>;
  readonly status: (name: string) => ChildStatus;
  /** Stops, lets the deadline pass, and gives the outcome. */
  readonly end: () => Promise<SupervisorOutcome>;
}

export interface SceneOptions {
  readonly stop?: AbortController;
  /** Added to the clock, and to no timer: time in which the process stood still. */
  readonly stoodStillMs?: () => number;
}

export function scene(
  t: TestContext,
  stages: readonly (readonly Child[])[],
  { stop = new AbortController(), stoodStillMs = () => 0 }: SceneOptions = {},
): Scene {
  const time = VirtualTime.install(t);
  const log = new RecordingLog();
  const urgent = new AbortController();
  const clock = { nowMs: () => time.nowMs(), uptimeMs: () => time.uptimeMs() + stoodStillMs() };
  const options = { clock, log, random: () => 0.5, stopDeadlineMs: deadlineMs, restart: settings };
  const supervisor = new Supervisor(stages, options);
  const outcome = supervisor.run(stop.signal, urgent.signal);
  return {
    time,
    log,
    supervisor,
    stop,
    urgent,
    outcome,
    status(name) {
      const found = supervisor.status().find((one) => one.name === name);
      if (found === undefined) throw new Error(`no part ${name}`);
      return found;
    },
    async end() {
      stop.abort();
      await time.advance(deadlineMs + 1000);
      return await outcome;
    },
  };
}
