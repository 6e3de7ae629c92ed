import { Fault } from "../lib/fault.ts";
import type { Peer } from "./diagnose.ts";
import { explain } from "./probe-explain.ts";
import type { ProbeTarget } from "./probe-report.ts";
import { probe } from "./probe.ts";

/** Where the error of a client says too little, a probe is asked. Who calls this sees to it that it is seldom. */

export type RefineTarget = ProbeTarget & Peer;

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
