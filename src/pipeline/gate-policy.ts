import { backoffMs } from "../lib/backoff.ts";

/**
 * Whether to talk to InfluxDB now. Pure: a circuit breaker as data.
 *
 * open: write. closed: wait until a time, then let one write through as a probe; its outcome opens the
 * gate or closes it for longer. A write that started before the gate closed says nothing new when it fails
 * too, so failures carry the epoch in which they started.
 *
 * An outage says nothing of how long a refusal lasts: behind a proxy, a server that starts answers 503 for an hour,
 * 404 once, and is there. So `attempt` counts failures of one `kind` in a row, and another kind begins anew.
 */
export type Gate =
  | { readonly state: "open"; readonly epoch: number; readonly attempt: 0 }
  | (Failing & { readonly state: "closed"; readonly untilMs: number })
  | (Failing & { readonly state: "probing" });

/** "refusal": a person must mend it (token, database). */
export type FailureKind = "passing" | "refusal";

interface Failing {
  readonly epoch: number;
  /** Of the last failure. */
  readonly kind: FailureKind;
  /** Failures of that kind in a row. */
  readonly attempt: number;
}

export const openGate: Gate = { state: "open", epoch: 0, attempt: 0 };

/**
 * A passing failure: 0.5 s, doubling with full jitter up to 2 s, however long the outage. What arrives after the
 * return is to be written within 5 s, of which the answers to the probe and to the write that follows take up to
 * 1 s each (the WAL flush of InfluxDB 3), and the batch another.
 */
const passing = { baseMs: 500, capMs: 2000 };
/** Tried slowly. */
const refusal = { baseMs: 5000, capMs: 300_000 };

export function gateSucceeded(gate: Gate, epoch: number): Gate {
  // A late answer from before the gate closed proves only what was true then.
  if (gate.state === "open" || epoch < gate.epoch) return gate;
  return { state: "open", epoch: gate.epoch + 1, attempt: 0 };
}

export interface GateFailure {
  /** The epoch in which the write started. */
  readonly epoch: number;
  readonly kind: FailureKind;
  /** What the server asked for (Retry-After). */
  readonly afterMs: number | undefined;
  readonly nowMs: number;
  readonly random: () => number;
}

export function gateFailed(gate: Gate, failure: GateFailure): Gate {
  if (failure.epoch < gate.epoch) return gate;
  const { kind, afterMs, nowMs, random } = failure;
  const attempt = gate.state !== "open" && gate.kind === kind ? gate.attempt : 0;
  const curve = kind === "passing" ? passing : refusal;
  const delayMs = Math.max(afterMs ?? 0, backoffMs({ ...curve, attempt, random }));
  return { state: "closed", epoch: gate.epoch + 1, kind, attempt: attempt + 1, untilMs: nowMs + delayMs };
}

/** The waiting time is over: the caller becomes the probe. */
export function gateProbes(gate: Gate): Gate {
  if (gate.state !== "closed") return gate;
  return { state: "probing", epoch: gate.epoch, kind: gate.kind, attempt: gate.attempt };
}

/** The probe had nothing to write after all. */
export function gateProbeUnused(gate: Gate, nowMs: number): Gate {
  if (gate.state !== "probing") return gate;
  return { state: "closed", epoch: gate.epoch, kind: gate.kind, attempt: gate.attempt, untilMs: nowMs };
}
