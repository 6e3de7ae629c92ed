import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import { Fault } from "../lib/fault.ts";
import type { Beat } from "../lib/pulse.ts";

/** A clock that is this far behind the newest trusted time in the journal is wrong. */
const behindToleranceMs = 60_000;
const pollMs = 5000;

export interface ClockObservation {
  readonly nowMs: number;
  /** Since boot. */
  readonly uptimeMs: number;
  /** The kernel's word; undefined when it cannot be asked. */
  readonly synchronised: boolean | undefined;
  /** Newest receive time in the journal that was trusted. */
  readonly lastTrustedMs: number | undefined;
  /** Uptime at which this process first looked. */
  readonly watchingSinceMs: number;
}

export type ClockVerdict =
  | { readonly trusted: true }
  | { readonly trusted: false; readonly why: "not_synchronised" | "behind"; readonly patienceOver: boolean };

/**
 * Is the wall clock to be believed? Pure. A gateway without a battery boots in 1970 or in its build year,
 * and the network server on the same board stamps its events with that.
 *
 * Patience with an unsynchronised clock counts from boot: a machine that has been up for days without NTP
 * has no more to offer, and restarting the daemon must not begin the wait anew. Patience with a clock that
 * went backwards counts from when this process began to look.
 */
export function judgeClock(
  seen: ClockObservation,
  settings: { readonly ntp: "require" | "ignore"; readonly patienceMs: number },
): ClockVerdict {
  if (seen.lastTrustedMs !== undefined && seen.nowMs < seen.lastTrustedMs - behindToleranceMs) {
    const waitedMs = seen.uptimeMs - seen.watchingSinceMs;
    return { trusted: false, why: "behind", patienceOver: waitedMs >= settings.patienceMs };
  }
  if (settings.ntp === "require" && seen.synchronised === false) {
    return { trusted: false, why: "not_synchronised", patienceOver: seen.uptimeMs >= settings.patienceMs };
  }
  return { trusted: true };
}

export interface ClockWatchDeps {
  readonly clock: Clock;
  readonly settings: { readonly ntp: "require" | "ignore"; readonly patienceMs: number };
  readonly lastTrustedMs: number | undefined;
  readonly log: Log;
  readonly released: Wakeup;
  isSynchronised(): boolean | undefined;
  /**
   * What becomes of the times of messages received under a wrong clock in this boot, for good: they are
   * mended with wall clock − uptime, or stay as they are. False when it could not be stored.
   */
  learnOffset(offsetMs: number): boolean;
  decideNoOffset(): boolean;
}

/**
 * Looks at the clock every few seconds until it is trusted; afterwards a synchronised clock stays trusted.
 *
 * Nothing is released before it is stored how its time is told: a message that is sent again after a
 * restart, when the clock is right at last, must not become another point.
 */
export class ClockWatch {
  readonly #deps: ClockWatchDeps;
  readonly #sinceMs: number;
  #verdict: ClockVerdict = { trusted: false, why: "not_synchronised", patienceOver: false };
  #isDecided = false;

  constructor(deps: ClockWatchDeps) {
    this.#deps = deps;
    this.#sinceMs = deps.clock.uptimeMs();
  }

  /** A message that arrives now has a receive time that may be believed. */
  get isTrusted(): boolean {
    return this.#verdict.trusted;
  }

  get mayRelease(): boolean {
    return this.#isDecided;
  }

  /** To be called once before anything asks, and then by `run`. Faults: journal_write_failed (restart). */
  look(): void {
    if (!this.#verdict.trusted) this.#judge();
    if (this.#isDecided || !this.#decide()) return;
    this.#isDecided = true;
    if (!this.#verdict.trusted) this.#deps.log.fault(outOfPatience(this.#verdict.why));
    this.#deps.released.notify();
  }

  #judge(): void {
    const { clock, settings, lastTrustedMs } = this.#deps;
    this.#verdict = judgeClock(
      {
        nowMs: clock.nowMs(),
        uptimeMs: clock.uptimeMs(),
        synchronised: this.#deps.isSynchronised(),
        lastTrustedMs,
        watchingSinceMs: this.#sinceMs,
      },
      settings,
    );
  }

  #decide(): boolean {
    const { clock } = this.#deps;
    if (this.#verdict.trusted) return this.#deps.learnOffset(clock.nowMs() - clock.uptimeMs());
    return this.#verdict.patienceOver && this.#deps.decideNoOffset();
  }

  async run(signal: AbortSignal, beat?: Beat): Promise<void> {
    const { log } = this.#deps;
    if (!this.isTrusted && !this.mayRelease) {
      log.warn("the clock is not to be trusted yet: uplinks without GPS time wait in the journal", {
        why: this.#verdict.trusted ? undefined : this.#verdict.why,
      });
    }
    while (!signal.aborted) {
      beat?.();
      await sleep(pollMs, signal);
      if (!this.isTrusted || !this.#isDecided) this.look();
    }
  }
}

function outOfPatience(why: "not_synchronised" | "behind"): Fault {
  return new Fault({
    code: "clock_untrusted",
    layer: "host",
    disposition: "drop",
    message:
      why === "behind"
        ? "the clock is behind the times already in the journal; events are written with the time they state"
        : "the clock is not synchronised; events are written with the time they state",
    hint: 'check NTP (timedatectl), or set ntp = "ignore" under [clock] if this clock is right without it',
  });
}
