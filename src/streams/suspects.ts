/**
 * Queries during which the process died. Pure.
 *
 * Who was under way beside others at a death is a suspect, and no more than that: it then runs alone
 * (requests.ts), so that a next death tells. A death counts against the one that was alone, or that the process
 * named: two of them within the window, and it is refused for a cool-down, which doubles when its trial kills
 * again. What is answered, or fails while the process lives, is cleared; without a death the suspicion ends
 * with the window.
 */
import { createHash } from "node:crypto";
import {
  type FailureHistory,
  judge,
  noFailures,
  type RestartSettings,
} from "../supervision/restart-policy.ts";

/** The one whose death is longest ago is forgotten. */
const maxSuspects = 200;

/** A query, without its text, which may be long and hold anything. */
export interface Named {
  /** The same for the same text. */
  readonly key: string;
  /** For people: short, and without secrets. */
  readonly label: string;
}

interface Suspect {
  readonly label: string;
  readonly history: FailureHistory;
  readonly parkedUntilMs: number;
  readonly untilMs: number;
}

const policy = { restart: "permanent", isCritical: false } as const;

export function keyOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

export class Suspects {
  readonly #settings: RestartSettings;
  readonly #suspects = new Map<string, Suspect>();

  constructor(settings: RestartSettings) {
    this.#settings = settings;
  }

  /** The process died while these were under way. `culprit`: it said of which. */
  died(underWay: readonly Named[], culprit: Named | undefined, nowMs: number): void {
    const [first] = underWay;
    const isAlone = underWay.every(({ key }) => key === first?.key);
    const guilty = culprit ?? (isAlone ? first : undefined);
    if (guilty !== undefined) this.#count(guilty, nowMs);
    else for (const one of underWay) this.#keep(one, this.#historyOf(one.key, nowMs), 0, nowMs);
  }

  /** It ended, and the process lives. */
  clear(key: string): void {
    this.#suspects.delete(key);
  }

  isSuspect(key: string, nowMs: number): boolean {
    return this.#of(key, nowMs) !== undefined;
  }

  /** How long it is still refused; 0: it is not. */
  parkedForMs(key: string, nowMs: number): number {
    return Math.max(0, (this.#of(key, nowMs)?.parkedUntilMs ?? 0) - nowMs);
  }

  parked(nowMs: number): readonly { readonly text: string; readonly untilMs: number }[] {
    return [...this.#suspects.values()]
      .filter(({ parkedUntilMs }) => parkedUntilMs > nowMs)
      .map(({ label, parkedUntilMs }) => ({ text: label, untilMs: parkedUntilMs }));
  }

  #count(named: Named, nowMs: number): void {
    const before = this.#historyOf(named.key, nowMs);
    const end = { kind: "failed", workedMs: 0 } as const;
    const { verdict, history } = judge(policy, end, before, this.#settings, nowMs, () => 0);
    this.#keep(named, history, verdict.kind === "park" ? verdict.untilMs : 0, nowMs);
  }

  #keep({ key, label }: Named, history: FailureHistory, parkedUntilMs: number, nowMs: number): void {
    const untilMs = Math.max(nowMs, parkedUntilMs) + this.#settings.windowMs;
    this.#suspects.delete(key);
    this.#suspects.set(key, { label, history, parkedUntilMs, untilMs });
    const oldest = this.#suspects.keys().next();
    if (this.#suspects.size > maxSuspects && oldest.done !== true) this.#suspects.delete(oldest.value);
  }

  #historyOf(key: string, nowMs: number): FailureHistory {
    return this.#of(key, nowMs)?.history ?? noFailures;
  }

  #of(key: string, nowMs: number): Suspect | undefined {
    const suspect = this.#suspects.get(key);
    return suspect !== undefined && nowMs < suspect.untilMs ? suspect : undefined;
  }
}
