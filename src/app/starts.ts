/**
 * What earlier runs have to do with this one: their crash is told, this start is recorded, and after a row of
 * unclean ones the daemon comes up in safe mode, where what it can do without is started later, one by one.
 */
import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import type { Beat } from "../lib/pulse.ts";
import type { Child } from "../supervision/child.ts";
import { apartMs, calmAfterMs, resumption, type StartMode, startMode } from "../supervision/crash-guard.ts";
import { recallCrash } from "./crash-record.ts";
import type { Files } from "./files.ts";
import type { AppOptions } from "./options.ts";

/** To be called once, before anything runs. A run that nobody records is normal. */
export function recordStart({ start, config, log }: AppOptions, { state: { starts } }: Files): StartMode {
  if (start === undefined) return { mode: "normal" };
  recallCrash({ dir: config.journal.dir, starts, log });
  const mode = startMode(starts.recorded(), start);
  const unrecorded = starts.begin(start);
  if (unrecorded !== undefined) log.fault(unrecorded);
  if (mode.mode === "safe") log.fault(safeModeFault(mode));
  return mode;
}

const retryCalmMs = 60_000;

/** Records that this run has become calm; ends then. */
export async function recordCalm(
  starts: { markCalm(): Fault | undefined },
  signal: AbortSignal,
): Promise<void> {
  await sleep(calmAfterMs, signal);
  while (!signal.aborted && starts.markCalm() !== undefined) await sleep(retryCalmMs, signal);
}

export type Placed = readonly [child: Child, stage: number];

/** What is there in safe mode: the way of an event, and who tells of it. */
export function isEssential({ name, isCritical }: Child): boolean {
  return isCritical || ["clock", "service", "control", "units", "resume", "calm"].includes(name);
}

export interface Waiting {
  readonly child: Child;
  readonly stage: number;
  /** On the monotonic clock. */
  readonly startsAtMs: number;
}

/** When each of these is started after all; `startedMs`: of the daemon. */
export function inSafeMode(
  rest: readonly Placed[],
  suspect: string | undefined,
  startedMs: number,
): Waiting[] {
  const names = rest.map(([{ name }]) => name);
  return resumption(names, suspect).flatMap(({ part, afterMs }) => {
    const found = rest.find(([{ name }]) => name === part);
    return found === undefined ? [] : [{ child: found[0], stage: found[1], startsAtMs: startedMs + afterMs }];
  });
}

/**
 * What waits after a reload: `rest` in the places of those that were called the same, or behind the last one;
 * of the `former` parts nothing else.
 */
export function stillWaiting(
  waiting: readonly Waiting[],
  former: ReadonlySet<string>,
  rest: readonly Placed[],
): Waiting[] {
  const kept = waiting.flatMap((entry) => {
    if (!former.has(entry.child.name)) return [entry];
    const successor = rest.find(([{ name }]) => name === entry.child.name);
    return successor === undefined ? [] : [{ ...entry, child: successor[0] }];
  });
  const lastMs = waiting.at(-1)?.startsAtMs ?? 0;
  const known = new Set(waiting.map(({ child: { name } }) => name));
  const added = rest.filter(([{ name }]) => !known.has(name));
  return [
    ...kept,
    ...added.map(([child, stage], index) => ({ child, stage, startsAtMs: lastMs + (index + 1) * apartMs })),
  ];
}

/** Has one after the other started when it is time, and ends when none waits; `start` takes it out of `waiting`. */
export async function resume(
  waiting: readonly Waiting[],
  start: (next: Waiting) => Promise<void>,
  clock: Clock,
  signal: AbortSignal,
  beat: Beat,
): Promise<void> {
  for (let next = waiting[0]; next !== undefined && !signal.aborted; next = waiting[0]) {
    beat();
    const dueInMs = next.startsAtMs - clock.uptimeMs();
    if (dueInMs > 0) {
      await sleep(Math.min(dueInMs, 10_000), signal);
      continue;
    }
    await start(next);
  }
}

function safeModeFault({ uncleanStarts, suspect }: Extract<StartMode, { mode: "safe" }>): Fault {
  const who = suspect === undefined ? "" : `, mostly in the part "${suspect}"`;
  return new Fault({
    code: "safe_mode",
    layer: "host",
    disposition: "restart",
    message: `${uncleanStarts} runs ended without being told to${who}: only what receives and forwards is started now, the rest after 15 minutes without another`,
    hint: "events are taken in, kept and written as ever; flightline status --all lists how those runs ended",
  });
}
