import { sleep } from "../lib/abort.ts";
import type { Log } from "../lib/log.ts";
import type { Beat } from "../lib/pulse.ts";
import { reportDetails, type Snapshot } from "./snapshot.ts";

const everyMs = 300_000;

/** Says every few minutes, and at the end, how things stand. */
export async function report(
  snapshot: () => Snapshot,
  log: Log,
  signal: AbortSignal,
  beat?: Beat,
): Promise<void> {
  while (!signal.aborted) {
    beat?.();
    await sleep(everyMs, signal);
    log.info("status", reportDetails(snapshot()));
  }
}
