/** What a scenario of the proof is, and how long it goes on. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Verdict } from "./proof-verdicts.ts";

export interface Scenario {
  readonly fault: string;
  /** It takes its time by its nature: no short version. */
  readonly isLong?: boolean;
  /** Its fault takes acknowledged messages, which must then be counted; all others must not need that. */
  readonly mayDrop?: boolean;
  /** Undefined when the machine lacks something: the test is skipped. */
  readonly run: (t: TestContext, effort: Effort) => Promise<Outcome | undefined>;
}

export interface Outcome {
  readonly verdict: Verdict;
  /** That the fault has fallen, and where: one line of figures that the scenario has asserted. */
  readonly proof: string;
}

/** One short turn, or as many as fit in a time. */
export class Effort {
  /** Undefined: short. */
  readonly #endMs: number | undefined;

  constructor(durationMs: number | undefined) {
    this.#endMs = durationMs === undefined ? undefined : performance.now() + durationMs;
  }

  get isLong(): boolean {
    return this.#endMs !== undefined;
  }

  /** `enough`: rounds of the short version. */
  wants(rounds: number, enough: number): boolean {
    return rounds < enough || (this.#endMs !== undefined && performance.now() < this.#endMs);
  }
}

export function assertSeen(count: number, least: number, what: string): void {
  assert.ok(count >= least, `${count} ${what}, ${least} at least`);
}
