import { backoffMs } from "../lib/backoff.ts";

/**
 * Whether to talk to InfluxDB now. Pure: a circuit breaker as data.
 *
 * open: write. closed: wait until a time, then let one write through as a probe; its outcome opens the
 * gate or closes it for longer. A write that started before the gate closed says nothing new when it fails
 * too, so failures carry the epoch in which they started.
 */
export type Gate =
  | { readonly state: "open"; readonly epoch: number; readonly attempt: 0 }
  | { readonly state: "closed"; readonly epoch: number; readonly attempt: number; readonly untilMs: number }
  | { readonly state: "probing"; readonly epoch: number; readonly attempt: number };

export const openGate: Gate = { state: "open", epoch: 0, attempt: 0 };

/** A passing failure: 0.5 s, doubling with full jitter up to 30 s. */
const passing = { baseMs: 500, capMs: 30_000 };
/** A refusal that a person must mend (token, database): tried slowly. */
const refusal = { baseMs: 5000, capMs: 300_000 };

export function gateSucceeded(gate: Gate, epoch: number): Gate {
  // A late answer from before the gate closed proves only what was true then.
  if (gate.state === "open" || epoch < gate.epoch) return gate;
  return { state: "open", epoch: gate.epoch + 1, attempt: 0 };
}

export interface GateFailure {
  /** The epoch in which the write started. */
  readonly epoch: number;
  readonly kind: "passing" | "refusal";
  /** What the server asked for (Retry-After). */
  readonly afterMs: number | undefined;
  readonly nowMs: number;
  readonly random: () => number;
}

export function gateFailed(gate: Gate, failure: GateFailure): Gate {
  if (failure.epoch < gate.epoch) return gate;
  const { attempt } = gate;
  const curve = failure.kind === "passing" ? passing : refusal;
  const delayMs = Math.max(failure.afterMs ?? 0, backoffMs({ ...curve, attempt, random: failure.random }));
  return { state: "closed", epoch: gate.epoch + 1, attempt: attempt + 1, untilMs: failure.nowMs + delayMs };
}

/** The waiting time is over: the caller becomes the probe. */
export function gateProbes(gate: Gate): Gate {
  return { state: "probing", epoch: gate.epoch, attempt: gate.attempt };
}

/** The probe had nothing to write after all. */
export function gateProbeUnused(gate: Gate, nowMs: number): Gate {
  if (gate.state !== "probing") return gate;
  return { state: "closed", epoch: gate.epoch, attempt: gate.attempt, untilMs: nowMs };
}
