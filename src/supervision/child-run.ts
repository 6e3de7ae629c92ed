import { AsyncLocalStorage } from "node:async_hooks";
import { once, sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Child } from "./child.ts";
import { tickMs } from "./heartbeat.ts";

const parts = new AsyncLocalStorage<string>();

/**
 * The child whose code is running: also inside the handlers of uncaughtException and unhandledRejection,
 * where it names whose error it is. Undefined outside of all children. Two places lead astray: a listener
 * runs in the name of whoever emits, and a bare promise in the name of whoever rejects it.
 */
export function runningPart(): string | undefined {
  return parts.getStore();
}

export type Ending = { readonly kind: "ended" } | { readonly kind: "failed"; readonly error: unknown };

export interface StopLimits {
  /** From drain to abort. */
  readonly drainMs: number;
  /** From abort to giving up. */
  readonly abortMs: number;
}

/** One run of a child: its two signals, its heartbeat, its end. */
export class ChildRun {
  readonly child: Child;
  /** Resolves when the run has ended, in whatever way; never rejects. */
  readonly done: Promise<Ending>;
  readonly #clock: Clock;
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  #workSinceMs: number;
  #hasBeaten = true;
  #silentMs = 0;
  #isOver = false;

  private constructor(child: Child, clock: Clock) {
    this.child = child;
    this.#clock = clock;
    this.#workSinceMs = clock.uptimeMs();
    this.done = parts.run(child.name, async () => await this.#live());
  }

  static start(child: Child, clock: Clock): ChildRun {
    return new ChildRun(child, clock);
  }

  /** Calls `run` at once; a synchronous throw is a failure like any other. */
  async #live(): Promise<Ending> {
    try {
      await this.child.run({
        drain: this.#drain.signal,
        abort: this.#abort.signal,
        beat: () => {
          this.#hasBeaten = true;
        },
        ready: () => {
          this.#workSinceMs = this.#clock.uptimeMs();
        },
      });
      return { kind: "ended" };
    } catch (error) {
      return { kind: "failed", error };
    } finally {
      this.#isOver = true;
    }
  }

  /** How long it has done its work, up to its last beat: to hang is not to work. */
  get workedMs(): number {
    return Math.max(0, this.#clock.uptimeMs() - this.#workSinceMs - this.silentMs);
  }

  get silentMs(): number {
    return this.#hasBeaten ? 0 : this.#silentMs;
  }

  /** The supervisor's look, once in `tickMs`. See heartbeat.ts for why silence is counted in looks. */
  tick(): void {
    this.#silentMs = this.#hasBeaten ? 0 : this.#silentMs + tickMs;
    this.#hasBeaten = false;
  }

  drain(): void {
    parts.run(this.child.name, () => {
      this.#drain.abort(new Error("stopping"));
    });
  }

  /** Whoever listens to `drain` alone hears this too. */
  abort(): void {
    this.drain();
    parts.run(this.child.name, () => {
      this.#abort.abort(new Error("the time to finish is over"));
    });
  }

  /** Drains, then aborts; true when the run has ended within the limits. `urgent` cuts the draining short. */
  async stop({ drainMs, abortMs }: StopLimits, urgent?: AbortSignal): Promise<boolean> {
    this.drain();
    if (urgent?.aborted !== true && (await this.#endsWithin(drainMs, urgent))) return true;
    this.abort();
    return await this.#endsWithin(abortMs);
  }

  /** Aborts; true when the run has ended within the time. */
  async kill(abortMs: number): Promise<boolean> {
    this.abort();
    return await this.#endsWithin(abortMs);
  }

  async #endsWithin(timeMs: number, cutShort?: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const stopListening = cutShort === undefined ? undefined : once(cutShort, () => over.abort());
    await Promise.race([this.done, sleep(timeMs, over.signal)]);
    over.abort();
    stopListening?.();
    return this.#isOver;
  }
}
