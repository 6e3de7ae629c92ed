/**
 * Queries during which the process died. One that was under way at two deaths within the window is refused
 * for a cool-down, which doubles when its trial kills again; one that is answered is cleared. Pure.
 *
 * Two suspects must not run beside each other: then at most one of those under way at a death was a suspect
 * before, and an innocent one does not go down with the one that kills.
 */
import {
  type FailureHistory,
  judge,
  noFailures,
  type RestartSettings,
} from "../supervision/restart-policy.ts";

/** Of texts; the one whose death is longest ago is forgotten. */
const maxSuspects = 200;

interface Suspect {
  readonly history: FailureHistory;
  readonly parkedUntilMs: number;
}

const policy = { restart: "permanent", isCritical: false } as const;

export class Suspects {
  readonly #settings: RestartSettings;
  readonly #suspects = new Map<string, Suspect>();

  constructor(settings: RestartSettings) {
    this.#settings = settings;
  }

  /** The process died while this text ran. */
  died(text: string, nowMs: number): void {
    const before = this.#suspects.get(text)?.history ?? noFailures;
    const end = { kind: "failed", workedMs: 0 } as const;
    const { verdict, history } = judge(policy, end, before, this.#settings, nowMs, () => 0);
    const parkedUntilMs = verdict.kind === "park" ? verdict.untilMs : 0;
    this.#suspects.delete(text);
    this.#suspects.set(text, { history, parkedUntilMs });
    const oldest = this.#suspects.keys().next();
    if (this.#suspects.size > maxSuspects && oldest.done !== true) this.#suspects.delete(oldest.value);
  }

  answered(text: string): void {
    this.#suspects.delete(text);
  }

  isSuspect(text: string): boolean {
    return this.#suspects.has(text);
  }

  /** How long it is still refused; 0: it is not. */
  parkedForMs(text: string, nowMs: number): number {
    return Math.max(0, (this.#suspects.get(text)?.parkedUntilMs ?? 0) - nowMs);
  }

  parked(nowMs: number): readonly { readonly text: string; readonly untilMs: number }[] {
    return [...this.#suspects]
      .filter(([, { parkedUntilMs }]) => parkedUntilMs > nowMs)
      .map(([text, { parkedUntilMs: untilMs }]) => ({ text, untilMs }));
  }
}
