import { once, settledWithin } from "../lib/abort.ts";
import { BugError } from "../lib/fault.ts";

/**
 * A long-running part of the daemon. `drain` asks it to finish what it has begun and end; `abort` to end
 * now. It resolves when it has ended and rejects when it failed.
 */
export interface Part {
  readonly name: string;
  run(drain: AbortSignal, abort: AbortSignal): Promise<void>;
}

export interface PartsOutcome {
  /** What made everything stop, when it was not the caller. */
  readonly failure: { readonly part: string; readonly error: unknown } | undefined;
  /** Parts that were still running when the time was over. */
  readonly stragglers: readonly string[];
}

/** Share of the stop deadline after which draining becomes aborting. */
const drainShare = 0.7;
/** What each stage gets at least, also when those before it have used up the time: the journal comes late. */
const leastMs = 100;

/**
 * Runs all parts at once. When `stop` aborts, or one of them fails or ends by itself, they are drained stage
 * after stage in the order given, which is that of the data: a part is only told to stop when those that
 * feed it have ended. The parts of one stage do not feed each other and are drained at the same time, so
 * that ten slow sources take as long as one. All of it within `stopDeadlineMs`, and `leastMs` for each stage
 * after that.
 */
export async function runParts(
  stages: readonly (readonly Part[])[],
  stop: AbortSignal,
  stopDeadlineMs: number,
): Promise<PartsOutcome> {
  const abort = new AbortController();
  const { promise: stopping, resolve: beginStop } = Promise.withResolvers<void>();
  let failure: PartsOutcome["failure"];
  let isStopping = false;
  const running = stages.map((parts) => {
    const drain = new AbortController();
    const ends = parts.map((part) => ({ name: part.name, done: runOne(part, drain.signal) }));
    return { drain, ends };
  });
  async function runOne(part: Part, drain: AbortSignal): Promise<void> {
    try {
      await part.run(drain, abort.signal);
      if (!isStopping && !stop.aborted)
        failure ??= { part: part.name, error: new BugError("BUG: it ended by itself") };
    } catch (error) {
      failure ??= { part: part.name, error };
    }
    beginStop();
  }
  if (stop.aborted) beginStop();
  const stopListening = once(stop, beginStop);
  await stopping;
  isStopping = true;
  stopListening();

  const stragglers: string[] = [];
  const abortTimer = setTimeout(() => {
    abort.abort(new Error("the time to finish is over"));
  }, stopDeadlineMs * drainShare);
  const endMs = performance.now() + stopDeadlineMs;
  for (const { drain, ends } of running) {
    drain.abort(new Error("stopping"));
    const leftMs = Math.max(leastMs, endMs - performance.now());
    const ended = await Promise.all(ends.map(async ({ done }) => await settledWithin(done, leftMs)));
    stragglers.push(...ends.filter((_, index) => ended[index] === false).map(({ name }) => name));
  }
  clearTimeout(abortTimer);
  abort.abort(new Error("stopped"));
  return { failure, stragglers };
}
