/**
 * Whether a read that failed is asked anew, and when. A read changes nothing on the server, so only two things stand
 * against it: the consumer has seen rows already, which would come a second time, or the fault will not go away, as a
 * mistake in the configuration or in a certificate, which a person mends between two queries but not during one. Pure.
 */
import { backoffMs } from "../../lib/backoff.ts";
import type { Fault } from "../../lib/fault.ts";
import type { FlightQuery } from "./api.ts";

/** The first one included. */
export const maxAttempts = 5;
const baseMs = 250;
const capMs = 5000;

export interface FailedAttempt {
  readonly fault: Fault;
  readonly policy: NonNullable<FlightQuery["retry"]>;
  /** A batch with rows was handed out, and not to somebody who can still drop it. */
  readonly sawRows: boolean;
  /** So far, the failed one included. */
  readonly attempts: number;
  /** Until the deadline of the whole read. */
  readonly remainingMs: number;
  readonly random: () => number;
}

/** How long to wait before the next attempt; undefined: there is none, and the fault is the consumer's. */
export function retryDelayMs(failed: FailedAttempt): number | undefined {
  const { fault, policy, sawRows, attempts, remainingMs, random } = failed;
  if (fault.disposition !== "retry" || fault.layer === "config" || attempts >= maxAttempts) return undefined;
  if (policy === "never" || (policy === "before_rows" && sawRows)) return undefined;
  const delayMs = backoffMs({ attempt: attempts - 1, baseMs, capMs, random });
  // The fault says more than the timeout that would follow.
  return delayMs < remainingMs ? delayMs : undefined;
}
