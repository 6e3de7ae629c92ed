import type { Clock } from "../lib/clock.ts";
import {
  type FailureKind,
  type Gate,
  gateFailed,
  gateProbes,
  gateProbeUnused,
  gateSucceeded,
  openGate,
} from "./gate-policy.ts";
import type { Lane } from "./slots.ts";

/** The gate before InfluxDB, with the time and the lane that probes. */
export class Endpoint {
  readonly #clock: Clock;
  readonly #random: () => number;
  #gate: Gate = openGate;
  #prober: Lane | undefined;
  #probeSent = false;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get isOpen(): boolean {
    return this.#gate.state === "open";
  }

  /** May this lane take messages now? Makes it the prober when the waiting time is over. */
  admits(lane: Lane, nowMs: number): boolean {
    if (this.#gate.state === "closed" && this.#gate.untilMs <= nowMs) {
      this.#gate = gateProbes(this.#gate);
      this.#prober = lane;
      this.#probeSent = false;
    }
    return this.mayWrite(lane);
  }

  mayWrite(lane: Lane): boolean {
    if (this.#gate.state === "open") return true;
    return this.#gate.state === "probing" && this.#prober === lane && !this.#probeSent;
  }

  /** A write starts: pass what this returns to `succeeded` or `failed`. */
  startWrite(): number {
    if (this.#gate.state === "probing") this.#probeSent = true;
    return this.#gate.epoch;
  }

  /** True when this opened the gate. */
  succeeded(epoch: number): boolean {
    const before = this.#gate;
    this.#gate = gateSucceeded(before, epoch);
    return before.state !== "open" && this.isOpen;
  }

  failed(epoch: number, kind: FailureKind, afterMs: number | undefined): void {
    const nowMs = this.#clock.uptimeMs();
    this.#gate = gateFailed(this.#gate, { epoch, kind, afterMs, nowMs, random: this.#random });
  }

  /** The prober found nothing to write: the other lane may probe. True when that changed the gate. */
  probeUnused(lane: Lane, nowMs: number): boolean {
    if (this.#gate.state !== "probing" || this.#prober !== lane || this.#probeSent) return false;
    this.#gate = gateProbeUnused(this.#gate, nowMs);
    return true;
  }

  nextProbeInMs(nowMs: number): number | undefined {
    return this.#gate.state === "closed" ? Math.max(1, this.#gate.untilMs - nowMs) : undefined;
  }
}
