/** A `Log` that keeps what it was told. */
import type { Fault } from "../../../src/lib/fault.ts";
import type { Log, LogDetails } from "../../../src/lib/log.ts";

export interface Recorded {
  readonly level: "debug" | "info" | "warn" | "error" | "fault";
  readonly message: string;
  /** Of a fault. */
  readonly code: string | undefined;
  readonly details: LogDetails;
}

export class RecordingLog implements Log {
  readonly lines: Recorded[] = [];

  debug(message: string, details: LogDetails = {}): void {
    this.lines.push({ level: "debug", message, code: undefined, details });
  }

  info(message: string, details: LogDetails = {}): void {
    this.lines.push({ level: "info", message, code: undefined, details });
  }

  warn(message: string, details: LogDetails = {}): void {
    this.lines.push({ level: "warn", message, code: undefined, details });
  }

  error(message: string, details: LogDetails = {}): void {
    this.lines.push({ level: "error", message, code: undefined, details });
  }

  fault(fault: Fault, details: LogDetails = {}): void {
    this.lines.push({ level: "fault", message: fault.message, code: fault.code, details });
  }

  /** Codes of the faults, in order. */
  get codes(): string[] {
    return this.lines.flatMap(({ code }) => code ?? []);
  }
}
