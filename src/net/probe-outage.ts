import type { Fault } from "../lib/fault.ts";
import type { GrpcPhase } from "./grpc-rows.ts";
import type { RefineTarget } from "./probe-refine.ts";
import { isAmbiguous, Refiner } from "./refiner.ts";

/** A server on the local net is gone and back within a minute; a cause that takes longer does not change meanwhile. */
const usualEveryMs = 600_000;
const leastBetweenMs = 60_000;

/**
 * What the connections to one peer fail with, refined by a probe (probe-refine.ts).
 *
 * - A finding is of one outage: when the peer answers, it is forgotten, and the next outage is looked at anew.
 * - Within an outage there is a probe every `everyMs` at most, and one a minute however often the peer comes and goes:
 *   never two at a time.
 * - `nowMs` is any clock that does not jump. Nothing is left after an abort of the signals that are given.
 */
export class Outages {
  readonly #target: RefineTarget | undefined;
  readonly #everyMs: number;
  #refiner: Refiner | undefined;
  #startedMs = -Infinity;

  /** Without a target nothing is probed: what stands behind a proxy is not what a probe from here would meet. */
  constructor(target: RefineTarget | undefined, everyMs = usualEveryMs) {
    this.#target = target;
    this.#everyMs = everyMs;
  }

  /** As `Refiner.refined`: waits for the probe, and never rejects. */
  async refined(fault: Fault, nowMs: number, signal: AbortSignal, phase?: GrpcPhase): Promise<Fault> {
    const refiner = this.#refinerOf(fault, nowMs, phase);
    return refiner === undefined ? fault : await refiner.refined(fault, nowMs, signal, phase);
  }

  /** As `Refiner.soon`: what is known already. */
  soon(fault: Fault, nowMs: number, signal: AbortSignal, phase?: GrpcPhase): Fault {
    return this.#refinerOf(fault, nowMs, phase)?.soon(fault, nowMs, signal, phase) ?? fault;
  }

  /** The peer has answered. */
  over(): void {
    this.#refiner = undefined;
  }

  #refinerOf(fault: Fault, nowMs: number, phase: GrpcPhase | undefined): Refiner | undefined {
    if (this.#target === undefined || !isAmbiguous(fault, phase)) return undefined;
    if (this.#refiner === undefined && nowMs - this.#startedMs >= Math.min(leastBetweenMs, this.#everyMs)) {
      this.#startedMs = nowMs;
      this.#refiner = new Refiner(this.#target, this.#everyMs);
    }
    return this.#refiner;
  }
}
