/**
 * The lines of one part, in its order. Every check that was announced is told once at least: what nobody could look
 * at is told by `rest`, with the reason.
 */
import type { Fault } from "../lib/fault.ts";
import type { Finding, Severity } from "./finding.ts";

export type Figures = NonNullable<Finding["figures"]>;

export class Lines {
  readonly #prefix: string;
  readonly #report: (finding: Finding) => void;
  readonly #untold: Set<string>;

  /** `prefix` is that of every check: "influxdb.main". */
  constructor(prefix: string, checks: readonly string[], report: (finding: Finding) => void) {
    this.#prefix = prefix;
    this.#report = report;
    this.#untold = new Set(checks);
  }

  ok(check: string, text: string, figures?: Figures): void {
    this.#say(check, "ok", { text, figures });
  }

  warning(check: string, text: string, hint: string, figures?: Figures): void {
    this.#say(check, "warning", { text, hint, figures });
  }

  /** In the words of the fault; its code is the finding's. */
  fault(
    check: string,
    { message: text, hint, code }: Fault,
    severity: "failure" | "warning" = "failure",
  ): void {
    this.#say(check, severity, { text, hint, code });
  }

  skipped(check: string, why: string): void {
    this.#say(check, "skipped", { text: why });
  }

  /** Ends the part. */
  rest(why: string): void {
    for (const check of this.#untold) this.skipped(check, why);
  }

  #say(check: string, severity: Severity, rest: Pick<Finding, "text" | "hint" | "code" | "figures">): void {
    this.#untold.delete(check);
    this.#report({ check: `${this.#prefix}.${check}`, severity, ...rest });
  }
}

export function roundedMs(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** "0.4 ms", "12 ms", "3.2 s". */
export function shownMs(ms: number): string {
  if (ms >= 1000) return `${Math.round(ms / 100) / 10} s`;
  return `${ms < 10 ? roundedMs(ms) : Math.round(ms)} ms`;
}

const spanUnits = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
] as const;

/** In the largest unit of which there are two: "30 days", "36 hours", "2.4 seconds". */
export function shownSpan(ms: number): string {
  const [name, unitMs] = spanUnits.find(([, size]) => ms >= 2 * size) ?? ["second", 1000];
  const count = ms / unitMs;
  const shown = Math.round(count * 10) / 10;
  return `${shown} ${name}${shown === 1 ? "" : "s"}`;
}

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}
