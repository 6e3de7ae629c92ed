/** `[clock]`: when the wall clock of this machine may be believed. */
import { durationMs, oneOf, table } from "../lib/schema.ts";

export interface ClockConfig {
  /** "require": time that is not NTP-synchronised is not trusted. */
  readonly ntp: "require" | "ignore";
  /** How long messages wait in the journal for a trusted clock. */
  readonly patienceMs: number;
}

export const clockSchema = table({
  ntp: oneOf(
    ["require", "ignore"],
    "require",
    "require trusts the clock once it is synchronised; ignore is for machines with a clock of their own",
  ),
  patience: durationMs({
    fallback: "15m",
    min: "0s",
    max: "7d",
    description: "How long messages wait for a trusted clock before they are written with what there is",
  }),
}).transform((clock): ClockConfig => ({ ntp: clock.ntp, patienceMs: clock.patience }));
