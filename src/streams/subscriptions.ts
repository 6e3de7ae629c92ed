/**
 * Standing queries. Invariants: of each subscription at most one run is under way; runs begin at multiples of
 * its period after its first one, on the monotonic clock, and those that were missed are left out; after a
 * fault the restart policy says when, and a failure after several is a cool-down.
 */
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import { Wakeup } from "../lib/wakeup.ts";
import type { FaultSummary } from "../supervision/child.ts";
import { tell } from "../supervision/faults.ts";
import {
  type FailureHistory,
  judge,
  noFailures,
  type RestartSettings,
} from "../supervision/restart-policy.ts";
import type { StreamQuery, StreamsPort, SubscribeOptions, Subscription, SubscriptionStatus } from "./port.ts";

const policy = { restart: "permanent", isCritical: false } as const;

export interface SubscriptionsDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly retry: RestartSettings;
  readonly query: StreamsPort["query"];
}

interface Standing {
  readonly request: StreamQuery;
  readonly options: SubscribeOptions;
  readonly closed: AbortController;
  /** Of its next regular run. */
  dueMs: number;
  nextMs: number;
  state: SubscriptionStatus["state"];
  history: FailureHistory;
  answers: number;
  faults: number;
  lastFault: FaultSummary | undefined;
}

export class Subscriptions {
  readonly #deps: SubscriptionsDeps;
  readonly #standing = new Set<Standing>();
  readonly #changed = new Wakeup();

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps;
  }

  add(request: StreamQuery, options: SubscribeOptions): Subscription {
    const { clock, random } = this.#deps;
    const firstMs = clock.uptimeMs() + random() * options.everyMs;
    const standing: Standing = {
      request,
      options,
      closed: new AbortController(),
      dueMs: firstMs,
      nextMs: firstMs,
      state: "waiting",
      history: noFailures,
      answers: 0,
      faults: 0,
      lastFault: undefined,
    };
    this.#standing.add(standing);
    this.#changed.notify();
    return {
      close: () => {
        this.#standing.delete(standing);
        standing.closed.abort(new Error("the subscription was closed"));
        this.#changed.notify();
      },
    };
  }

  get status(): readonly SubscriptionStatus[] {
    return [...this.#standing].map(({ options, state, nextMs, answers, faults, lastFault }) => {
      return { name: options.name, everyMs: options.everyMs, state, nextMs, answers, faults, lastFault };
    });
  }

  /** Asks what is due until the signal aborts; resolves when nothing is under way any more. */
  async run(signal: AbortSignal): Promise<void> {
    const runs = new Set<Promise<void>>();
    while (!signal.aborted) {
      const { version } = this.#changed;
      const nowMs = this.#deps.clock.uptimeMs();
      for (const standing of this.#standing) {
        if (standing.state === "asking" || standing.nextMs > nowMs) continue;
        const run = this.#ask(standing, signal).finally(() => {
          runs.delete(run);
          this.#changed.notify();
        });
        runs.add(run);
      }
      const idle = [...this.#standing].filter(({ state }) => state !== "asking");
      const nextMs = Math.min(...idle.map((standing) => standing.nextMs));
      const waitMs = Number.isFinite(nextMs) ? Math.max(1, nextMs - nowMs) : undefined;
      await this.#changed.changedSince(version, signal, waitMs);
    }
    await Promise.all(runs);
  }

  /** One run. Never rejects. */
  async #ask(standing: Standing, stop: AbortSignal): Promise<void> {
    const { clock, query } = this.#deps;
    const { request, options, closed } = standing;
    const signal = AbortSignal.any([stop, closed.signal]);
    standing.state = "asking";
    const everyMs = Math.max(1, options.everyMs);
    const startMs = clock.uptimeMs();
    // A retry comes before the regular run, which it does not replace.
    if (startMs >= standing.dueMs) {
      standing.dueMs += everyMs * (Math.floor((startMs - standing.dueMs) / everyMs) + 1);
    }
    try {
      const answer = query(request, signal);
      const rows = await answer.collect(options);
      const whole = { columns: await answer.columns(), rows, end: await answer.ended };
      signal.throwIfAborted();
      options.onAnswer(whole);
      standing.answers += 1;
      standing.history = noFailures;
      standing.lastFault = undefined;
      standing.nextMs = standing.dueMs;
      standing.state = "waiting";
    } catch (error) {
      // Nothing has failed: it was told to end, and whatever came of that is no fault.
      if (signal.aborted) standing.state = "waiting";
      else this.#failed(standing, error);
    }
  }

  #failed(standing: Standing, error: unknown): void {
    const { clock, random, retry, log } = this.#deps;
    const { name } = standing.options;
    const nowMs = clock.uptimeMs();
    const end = { kind: "failed", workedMs: 0 } as const;
    const { verdict, history } = judge(policy, end, standing.history, retry, nowMs, random);
    const isParked = verdict.kind === "park";
    standing.history = history;
    standing.faults += 1;
    standing.state = isParked ? "parked" : "waiting";
    if (verdict.kind === "park") standing.nextMs = verdict.untilMs;
    else standing.nextMs = verdict.kind === "restart" ? nowMs + verdict.afterMs : standing.dueMs;
    try {
      const fault = error instanceof Fault ? error : tell(log, name, error);
      const { code, layer, message, hint } = fault;
      standing.lastFault = { code, layer, message, hint };
      if (isParked) {
        log.warn("a standing query failed again and again: it is asked next after a pause", {
          name,
          code,
          next_try_s: Math.ceil((standing.nextMs - nowMs) / 1000),
        });
      }
      standing.options.onFault(fault);
    } catch (thrown) {
      tell(log, name, thrown);
    }
  }
}
