/**
 * Is the daemon well, as far as a watchdog should know? Pure: the supervisor tells it what it sees.
 *
 * Silence is counted in ticks of the supervisor that passed without a beat, not by the clock: a process
 * that was stopped (SIGSTOP, a suspended machine, one long fsync) gave its parts no chance to beat, and must
 * not take all of them for stuck when it goes on. That the loop stood still is told as what it is.
 */

/** How often the supervisor looks. */
export const tickMs = 1000;
/** The loop stood still for longer than this: no word to the watchdog until a tick has come in time. */
const loopDeadlineMs = 10_000;
const rememberedMs = 60_000;

export interface Silence {
  readonly name: string;
  readonly silentMs: number;
}

/** Why the watchdog must not be told that all is well. */
export interface Unhealthy {
  /** Critical children beyond their deadline. */
  readonly silent: readonly Silence[];
  /** By how much the event loop was late, when that is too much. */
  readonly loopLateMs: number | undefined;
}

export interface Beating extends Silence {
  readonly progressDeadlineMs: number;
}

/** Undefined: every critical child has moved in time, and so has the event loop. */
export function healthOf(critical: readonly Beating[], loopLateMs: number): Unhealthy | undefined {
  const silent = critical
    .filter(({ silentMs, progressDeadlineMs }) => silentMs > progressDeadlineMs)
    .map(({ name, silentMs }) => ({ name, silentMs }));
  const isLate = loopLateMs > loopDeadlineMs;
  if (silent.length === 0 && !isLate) return undefined;
  return { silent, loopLateMs: isLate ? loopLateMs : undefined };
}

/** The event loop's delay: by how much the ticks come late. */
export class LoopDelay {
  #lastTickMs: number;
  #lateMs = 0;
  #recent: { readonly atMs: number; readonly lateMs: number }[] = [];

  /** `nowMs`: monotonic, as everywhere here; the first tick is due `tickMs` later. */
  constructor(nowMs: number) {
    this.#lastTickMs = nowMs;
  }

  tick(nowMs: number): void {
    this.#lateMs = this.#overdueMs(nowMs);
    this.#lastTickMs = nowMs;
    this.#recent = this.#recent.filter(({ atMs }) => atMs > nowMs - rememberedMs);
    this.#recent.push({ atMs: nowMs, lateMs: this.#lateMs });
  }

  /** Of the last tick, or of the one that is due: whoever asks may run before it. */
  lateMs(nowMs: number): number {
    return Math.max(this.#lateMs, this.#overdueMs(nowMs));
  }

  /** The worst of the last minute. */
  worstMs(nowMs: number): number {
    const recent = this.#recent.filter(({ atMs }) => atMs > nowMs - rememberedMs);
    return Math.max(this.#overdueMs(nowMs), ...recent.map(({ lateMs }) => lateMs));
  }

  #overdueMs(nowMs: number): number {
    return Math.max(0, nowMs - this.#lastTickMs - tickMs);
  }
}
