/**
 * Does the daemon come up whole, or in safe mode (ingest, journal and forward only)? Pure.
 *
 * Times are on the boot's monotonic clock: the wall clock of a gateway jumps by years when it finds the
 * network. They compare only within a boot, and a power cut is no crash. When an unclean run ended is not
 * recorded by anybody; the next start is the closest that is known.
 *
 * A daemon that makes the machine reboot (its memory, a driver, `StartLimitAction=reboot`) never gets that
 * many starts within one boot. So a row of boots counts as well, one after the other, each of which ended
 * with a run that was unclean and never became calm. Only what is known to have been short counts there:
 * five power cuts in a year look the same but for that.
 */
import type { Child } from "./child.ts";

export interface RecordedStart {
  readonly bootId: string;
  /** When it started: ms since boot (CLOCK_MONOTONIC). */
  readonly uptimeMs: number;
  /** unknown: it left no word, as after `kill -9`, a power cut, or a crash in native code. */
  readonly end: "clean" | "crash" | "unknown";
  /** The part that ran when it crashed. */
  readonly part?: string | undefined;
  readonly faultCode?: string | undefined;
  /** Whether it was still running `calmAfterMs` after its start; absent when nobody recorded that. */
  readonly wasCalm?: boolean | undefined;
}

export type StartMode =
  | { readonly mode: "normal" }
  | { readonly mode: "safe"; readonly uncleanStarts: number; readonly suspect?: string };

const uncleanLimit = 5;
const windowMs = 600_000;
/** From then on a run is calm, and its end, whatever it is, no part of a reboot loop. */
export const calmAfterMs = windowMs;

/** `starts`: those before this one, in the order in which they were recorded. */
export function startMode(
  starts: readonly RecordedStart[],
  present: { readonly bootId: string; readonly uptimeMs: number },
): StartMode {
  const inBoot = uncleanWithinWindow(starts, present);
  const unclean = inBoot.length >= uncleanLimit ? inBoot : uncleanBoots(starts, present.bootId);
  if (unclean.length < uncleanLimit) return { mode: "normal" };
  const suspect = mostNamed(unclean);
  return { mode: "safe", uncleanStarts: unclean.length, ...(suspect === undefined ? {} : { suspect }) };
}

/** Of this boot, those whose end was unclean and lies within the window. */
function uncleanWithinWindow(
  starts: readonly RecordedStart[],
  present: { readonly bootId: string; readonly uptimeMs: number },
): readonly RecordedStart[] {
  const ofBoot = starts.filter(
    ({ bootId, uptimeMs }) => bootId === present.bootId && uptimeMs <= present.uptimeMs,
  );
  return ofBoot.filter(({ end }, index) => {
    const endedMs = ofBoot[index + 1]?.uptimeMs ?? present.uptimeMs;
    return end !== "clean" && endedMs >= present.uptimeMs - windowMs;
  });
}

/**
 * The last run of each earlier boot, back from the present one, as long as they were unclean and no run of
 * their boot became calm. A clean stop or a calm run since then, in this boot too, ends the row.
 */
function uncleanBoots(starts: readonly RecordedStart[], presentBootId: string): readonly RecordedStart[] {
  const found: RecordedStart[] = [];
  let seenBootId: string | undefined;
  for (const start of starts.toReversed()) {
    const isLastOfBoot = start.bootId !== seenBootId;
    seenBootId = start.bootId;
    if (start.wasCalm !== false || (isLastOfBoot && start.end === "clean")) break;
    if (isLastOfBoot && start.bootId !== presentBootId) found.push(start);
  }
  return found.toReversed();
}

/** The part that was named most often; of several, the one that was named last. */
function mostNamed(starts: readonly RecordedStart[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { part } of starts) if (part !== undefined) counts.set(part, (counts.get(part) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return starts.findLast(({ part }) => part !== undefined && counts.get(part) === most)?.part;
}

/** Peace in safe mode before anything else is tried. */
const peaceMs = 900_000;
/** Longer than a watchdog of 60 s needs: a part that hangs the daemon is killed before the next one starts. */
export const apartMs = 120_000;

/** When to start what safe mode left out, in ms after the start of the daemon: one by one, the suspect last. */
export function resumption(
  parts: readonly Child["name"][],
  suspect: string | undefined,
): readonly { readonly part: string; readonly afterMs: number }[] {
  const innocent = parts.filter((part) => part !== suspect);
  const order = parts.filter((part) => part === suspect);
  return [...innocent, ...order].map((part, index) => ({ part, afterMs: peaceMs + index * apartMs }));
}
