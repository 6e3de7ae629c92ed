/**
 * When to commit the waiting group. Pure.
 *
 * Two forces: a message must not wait longer than `intervalMs`, and must not wait at all once half of the
 * broker's receive window is here (the broker sends no more than a window before it sees PUBACKs). Against
 * them stands the disk: a commit blocks the event loop for as long as its fsync takes, so commits start no
 * more often than ten times as long as one usually takes. On an SD card with 20 ms per fsync that costs
 * 200 ms of latency and leaves nine tenths of the event loop to everything else.
 *
 * A full group rests only twice as long: then the broker has begun to queue, and mosquitto drops what goes
 * beyond 1000; a third of the event loop is the price. One hiccup of the disk is not how long a commit
 * usually takes: the shortest of the last few is.
 */
export interface CommitSettings {
  readonly intervalMs: number;
  /** Commit at once when this many wait. */
  readonly groupCount: number;
  /** …or this many bytes. */
  readonly groupBytes: number;
}

export interface CommitState {
  readonly waitingCount: number;
  readonly waitingBytes: number;
  /** When the oldest waiting message arrived (monotonic ms). */
  readonly oldestMs: number;
  readonly lastEndMs: number;
  /** How long a commit takes here: the shortest of the last few. */
  readonly usualTookMs: number;
}

const restPerCommit = 10;
const restPerFullCommit = 2;
/** However slow the disk is, acknowledgements wait no longer than this for its rest. */
const maxRestMs = 2000;

/** Milliseconds until the next commit is due; 0 is now; undefined when nothing waits. */
export function commitDueInMs(
  state: CommitState,
  settings: CommitSettings,
  nowMs: number,
): number | undefined {
  if (state.waitingCount === 0) return undefined;
  const groupIsFull = state.waitingCount >= settings.groupCount || state.waitingBytes >= settings.groupBytes;
  const wanted = groupIsFull ? nowMs : state.oldestMs + settings.intervalMs;
  const rest = Math.min(maxRestMs, (groupIsFull ? restPerFullCommit : restPerCommit) * state.usualTookMs);
  return Math.max(0, Math.max(wanted, state.lastEndMs + rest) - nowMs);
}
