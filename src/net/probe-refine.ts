import { Fault } from "../lib/fault.ts";
import type { Peer } from "./diagnose.ts";
import type { GrpcPhase } from "./grpc-rows.ts";
import { explain } from "./probe-explain.ts";
import type { ProbeTarget } from "./probe-report.ts";
import { probe } from "./probe.ts";

/** Where the error of a client says too little, a probe is asked. Who calls this sees to it that it is seldom. */

export type RefineTarget = ProbeTarget & Peer;

/** Each can have several causes that look the same to a client. */
const ambiguous: ReadonlySet<string> = new Set([
  "broker_silent",
  "connect_timeout",
  "connection_closed",
  "connection_failed",
  "name_not_found",
  "server_not_http",
  "server_not_http2",
  "tls_certificate_expired",
  "tls_certificate_not_yet_valid",
  "tls_failed",
  "tls_handshake_cut",
  "tls_handshake_refused",
  "tls_unknown_ca",
]);

/** `phase` is that of a Flight call, whose timeouts say something about the connection only while there is none. */
export function isAmbiguous({ code }: Fault, phase?: GrpcPhase): boolean {
  return ambiguous.has(code) || (code === "flight_timeout" && phase === "connecting");
}

/**
 * What a probe makes of a fault, with the fault itself behind it; the fault itself where the probe finds nothing
 * wrong, or the same. Never rejects for what a peer does; takes 2 × `timeoutMs` at most.
 */
export async function refine(fault: Fault, target: RefineTarget, signal: AbortSignal): Promise<Fault> {
  const report = await probe(target, signal);
  if (signal.aborted) return fault;
  const found = explain(report, target);
  if (found === undefined || found.message === fault.message) return fault;
  const { code, layer, disposition, message, hint } = found;
  return new Fault({ code, layer, disposition, message, hint, cause: fault });
}

/**
 * The faults of one peer, refined. Probes at most once in `everyMs`; in between, and while a probe runs, what was
 * found last stands for the same fault, for twice that time at most.
 */
export class Refiner {
  readonly #target: RefineTarget;
  readonly #everyMs: number;
  #probedAtMs = -Infinity;
  #latest: { readonly first: Fault; readonly refined: Fault; readonly atMs: number } | undefined;

  constructor(target: RefineTarget, everyMs: number) {
    this.#target = target;
    this.#everyMs = everyMs;
  }

  /** `nowMs` is any clock that does not jump. After an abort: the fault as it was. */
  async refined(fault: Fault, nowMs: number, signal: AbortSignal, phase?: GrpcPhase): Promise<Fault> {
    if (!isAmbiguous(fault, phase)) return fault;
    if (nowMs - this.#probedAtMs < this.#everyMs) return this.#known(fault, nowMs);
    this.#probedAtMs = nowMs;
    const refined = await refine(fault, this.#target, signal);
    if (!signal.aborted) this.#latest = { first: fault, refined, atMs: nowMs };
    return refined;
  }

  /** For who cannot wait: what is known already. The probe runs meanwhile, for the next time. */
  soon(fault: Fault, nowMs: number, signal: AbortSignal, phase?: GrpcPhase): Fault {
    if (!isAmbiguous(fault, phase)) return fault;
    const known = this.#known(fault, nowMs);
    void this.refined(fault, nowMs, signal, phase);
    return known;
  }

  #known(fault: Fault, nowMs: number): Fault {
    if (this.#latest === undefined || nowMs - this.#latest.atMs >= 2 * this.#everyMs) return fault;
    const { first, refined } = this.#latest;
    return first.code === fault.code && first.message === fault.message ? refined : fault;
  }
}
