import { errorText, Fault } from "../lib/fault.ts";
import type { Log, LogDetails } from "../lib/log.ts";

/** The part was silent for too long; `silentMs` is how long. */
export function stuckFault(name: string, silentMs: number): Fault {
  return new Fault({
    code: "part_stuck",
    layer: "host",
    disposition: "restart",
    message: `the part "${name}" has made no progress for ${Math.round(silentMs / 1000)} s`,
    hint: "see its last lines in the log, and whether disk and memory of this machine are well",
  });
}

/** The part was told to end, with its stop deadline, and goes on. */
export function deafFault(name: string, stopDeadlineMs: number): Fault {
  return new Fault({
    code: "part_stuck",
    layer: "host",
    disposition: "restart",
    message: `the part "${name}" does not end, ${Math.round(stopDeadlineMs / 1000)} s after it was told to`,
    hint: "restart the daemon when that is convenient: systemctl restart flightline",
  });
}

/** A fault as it is; anything else that was thrown is a bug of the part and becomes `part_failed`. */
export function faultOf(name: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault({
    code: "part_failed",
    layer: "host",
    disposition: "restart",
    message: `the part "${name}" failed through a bug: ${errorText(error)}`,
    hint: "report it with the stack that stands in the log",
    cause: error,
  });
}

/** One line for what a part threw, with the stack when it is a bug; returns the fault that stands in it. */
export function tell(log: Log, part: string, error: unknown, details: LogDetails = {}): Fault {
  const fault = faultOf(part, error);
  const isBug = fault !== error && error instanceof Error;
  log.fault(fault, { part, ...details, ...(isBug ? { stack: error.stack } : {}) });
  return fault;
}
