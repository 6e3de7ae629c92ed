/** What `flightline doctor` says about one thing that it looked at: plain data, one line on the screen. */

/** "skipped": it could not be tried, because of something that stands as a failure, or it does not apply here. */
export type Severity = "ok" | "warning" | "failure" | "skipped";

export interface Finding {
  /** What was looked at, stable for scripts: "influxdb.main.tls", "broker.chirpstack.session", "journal.fsync". */
  readonly check: string;
  readonly severity: Severity;
  /** One line: what was found; of a failure its cause. */
  readonly text: string;
  /** The cure, or what to look at. */
  readonly hint?: string | undefined;
  /** The code of the fault behind it, as in docs/errors.md. */
  readonly code?: string | undefined;
  /** What was measured, with the unit in the name: `roundTripMs`, `freeBytes`. For --json. */
  readonly figures?: Readonly<Record<string, number | string | boolean>> | undefined;
}

/**
 * Looks at one part. What it has found is told at once, so that a part that takes too long loses only its rest.
 * Ends soon after an abort; never rejects for what it looks at.
 */
export type Examination = (report: (finding: Finding) => void, signal: AbortSignal) => Promise<void>;
