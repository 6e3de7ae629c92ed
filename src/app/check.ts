import { join } from "node:path";
import { damagedFault, quickCheck } from "../journal/quick-check.ts";
import type { Files } from "./files.ts";
import type { AppOptions } from "./options.ts";

/** For what a check of the journal may take; 2 GiB on a slow card are not finished then. */
const checkTimeoutMs = 60_000;

/** A file that a power cut has damaged should be known before somebody needs what is in it. */
export async function checkAfterUncleanStop(
  { config, log }: AppOptions,
  { isAfterUncleanStop }: Files,
  signal: AbortSignal,
): Promise<void> {
  if (!isAfterUncleanStop) return;
  const file = join(config.journal.dir, "journal.db");
  const result = await quickCheck(file, checkTimeoutMs, signal);
  if (result === "damaged") log.fault(damagedFault(file));
  else if (!signal.aborted) log.info("checked the journal after an unclean stop", { result });
}
