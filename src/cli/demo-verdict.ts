/** What `--json` prints. Counts of uplinks; latency from receipt to InfluxDB's acknowledgement. */
export interface DemoResult {
  readonly published: number;
  readonly journalled: number;
  readonly written: number;
  readonly quarantined: number;
  readonly lost: number;
  readonly altered: number;
  readonly invented: number;
  readonly duplicates: number;
  readonly p99_ms: number;
}

/** How far the demo came before the judge looked. */
export interface DemoCourse {
  /** The daemon had the broker before the devices started. */
  readonly isConnected: boolean;
  /** Everything that was published had come through before the deadline. */
  readonly isSettled: boolean;
}

const notRight = "That is not right: please report it.";

/** Why this run does not show that every uplink is there exactly once, in a sentence; undefined when it does. */
export function whyNoProof(result: DemoResult, { isConnected, isSettled }: DemoCourse): string | undefined {
  const { published, written, lost, altered, invented, duplicates } = result;
  if (!isConnected) return "The daemon did not connect to the broker: nothing was tried.";
  if (published === 0)
    return "No device has published anything, so that nothing was tried: let it run longer.";
  if (altered + invented + duplicates > 0) return notRight;
  if (!isSettled) {
    return "Not everything had come through when the time was up: what is missing may be late or lost.";
  }
  return lost > 0 || written < published ? notRight : undefined;
}
