import type { Fault } from "../lib/fault.ts";
import type { GrpcPhase } from "./grpc-rows.ts";
import type { refine as Refine, RefineTarget } from "./probe-refine.ts";

/** When a probe is worth it, and how often. The probe itself (2 MB of memory) is loaded with the first that is made. */

/** Each can have several causes that look the same to a client. */
const ambiguous: ReadonlySet<string> = new Set([
  "broker_silent",
  "connect_timeout",
  "connection_closed",
  "connection_failed",
  "flight_not_grpc",
  "name_not_found",
  "server_not_http",
  "server_not_http2",
  "tls_certificate_expired",
  "tls_certificate_not_yet_valid",
  "tls_failed",
  "tls_handshake_cut",
  "tls_handshake_refused",
  "tls_unknown_ca",
  "write_answer_not_influxdb",
]);

/** `phase` is that of a Flight call, whose timeouts say something about the connection only while there is none. */
export function isAmbiguous({ code }: Fault, phase?: GrpcPhase): boolean {
  return ambiguous.has(code) || (code === "flight_timeout" && phase === "connecting");
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
    const refine = await loadRefine();
    if (refine === undefined) return fault;
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
    return isSame(first, fault) ? refined : fault;
  }
}

/** Undefined: the files of this process were replaced by those of another version, and it runs on as it was. */
async function loadRefine(): Promise<typeof Refine | undefined> {
  try {
    return (await import("./probe-refine.ts")).refine;
  } catch {
    return undefined;
  }
}

/** A timeout says how long it was, which differs by some milliseconds from call to call. */
function isSame(first: Fault, fault: Fault): boolean {
  const isTimeout = fault.code === "flight_timeout";
  return first.code === fault.code && (isTimeout || first.message === fault.message);
}
