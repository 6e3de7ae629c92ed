import type { Fault } from "../lib/fault.ts";

/** A fault for a terminal: its sentence with the code to look up, and what to do about it below. */
export function describeFault(fault: Fault): string {
  const hint = fault.hint === undefined ? "" : `  ${fault.hint}\n`;
  return `${fault.message} [${fault.code}]\n${hint}`;
}
