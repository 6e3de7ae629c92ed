/**
 * A daemon with nothing to do is small, whatever it has done before: with a database away for days it may be the
 * largest thing on a gateway.
 *
 * V8 keeps what a burst has made it take, up to a next collection that a resting process never comes to, and
 * malloc keeps the holes that payloads leave. So while this process uses next to no CPU, V8 runs in its memory saver
 * mode, in which it collects earlier, in small steps, and gives pages back; and now and then malloc gives its free
 * pages back. Measured in RSS, in MB, 10 s after the last of 20,000 uplinks taken from the broker with the database
 * away: 208 without, 155 with the mode, 118 with both. With 1,000,000 found at the start: 105 with both.
 *
 * Under load the mode costs a third more CPU, so it ends with the first look that sees work; what a rested heap needs
 * to grow again is 0.7 s of CPU, once for each return of the database. One forced collection would do at rest what the
 * mode does, but stops the event loop for as long as it takes: a quarter of a second here, a second and more on a small
 * ARM board.
 */
import { createRequire } from "node:module";
import { setFlagsFromString } from "node:v8";
import type * as Koffi from "koffi";
import { sleep } from "../lib/abort.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import type { Beat } from "../lib/pulse.ts";

interface MemoryMeans {
  readonly clock: Pick<Clock, "uptimeMs">;
  /** CPU time of this process so far, all threads. */
  cpuMs(): number;
  /** Smaller memory for more CPU, from here on. */
  setSaving(isSaving: boolean): void;
  /** What is free goes back to the kernel. */
  giveBack(): void;
}

/** How often to look, and below which share of a core it rests. */
interface Pace {
  readonly lookEveryMs: number;
  readonly restShare: number;
}

/** There is no hurry to save. */
const atWork: Pace = { lookEveryMs: 2000, restShare: 0.05 };
/** Work that begins must not pay for the saving; and a collection, or a commit on a slow machine, is no work. */
const atRest: Pace = { lookEveryMs: 250, restShare: 0.25 };
/** It takes half a ms. */
const giveBackEveryMs = 10_000;

export async function saveMemoryAtRest(means: MemoryMeans, signal: AbortSignal, beat: Beat): Promise<void> {
  const { clock } = means;
  let pace = atWork;
  let gaveBackMs = -Infinity;
  let atMs = clock.uptimeMs();
  let usedMs = means.cpuMs();
  try {
    for (;;) {
      beat();
      await sleep(pace.lookEveryMs, signal);
      if (signal.aborted) return;
      const nowMs = clock.uptimeMs();
      const nowUsedMs = means.cpuMs();
      const share = (nowUsedMs - usedMs) / (nowMs - atMs);
      atMs = nowMs;
      usedMs = nowUsedMs;
      const next = share < pace.restShare ? atRest : atWork;
      if (next !== pace) means.setSaving(next === atRest);
      pace = next;
      if (pace === atRest && nowMs - gaveBackMs >= giveBackEveryMs) {
        means.giveBack();
        gaveBackMs = nowMs;
      }
    }
  } finally {
    if (pace === atRest) means.setSaving(false);
  }
}

/** Of this process. */
export function memoryMeans(): MemoryMeans {
  return {
    clock: systemClock,
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    // V8 reads the flag wherever it decides about memory, so it can change at any time.
    setSaving: (isSaving) => {
      setFlagsFromString(isSaving ? "--memory-saver-mode" : "--no-memory-saver-mode");
    },
    giveBack: mallocTrim(),
  };
}

/** malloc_trim(3). Where koffi cannot be loaded or the C library has no such function, malloc keeps what it has. */
function mallocTrim(): () => void {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const trim: unknown = koffi.load("libc.so.6").func("int malloc_trim(size_t pad)");
    if (typeof trim === "function") return () => void trim(0);
  } catch {
    // As said.
  }
  return () => {};
}
