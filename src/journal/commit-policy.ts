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
 *
 * A broker may keep fewer messages in flight than we allow (EMQX 32, VerneMQ 20): its window is full long
 * before our group is, and waiting for the interval would make one window per interval the throughput. It
 * shows as a flow that has stalled: at least `stallCount` wait and nothing has come for `stallMs`. Evenly
 * spaced, 16 messages within the default interval of 250 ms come at most 16 ms apart, so only a broker that
 * waits for PUBACKs, or a burst that has ended, looks like this; ordinary traffic is grouped by the interval.
 * A stalled flow rests like a full group, because it is one, of the broker's making.
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
  /** When the newest did. */
  readonly newestMs: number;
  readonly lastEndMs: number;
  /** How long a commit takes here: the shortest of the last few. */
  readonly usualTookMs: number;
}

/** Fewer waiting messages than this are never taken for the whole window of a broker. */
export const stallCount = 16;
const stallMs = 20;
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
  const rested = (restFactor: number): number =>
    state.lastEndMs + Math.min(maxRestMs, restFactor * state.usualTookMs);
  const intervalEndMs = Math.max(state.oldestMs + settings.intervalMs, rested(restPerCommit));
  const queueingMs = Math.max(brokerQueuesFromMs(state, settings), rested(restPerFullCommit));
  return Math.max(0, Math.min(intervalEndMs, queueingMs) - nowMs);
}

/** From when on the broker must be taken to hold messages back until it sees PUBACKs. */
function brokerQueuesFromMs(state: CommitState, settings: CommitSettings): number {
  const { waitingCount, waitingBytes, newestMs } = state;
  if (waitingCount >= settings.groupCount || waitingBytes >= settings.groupBytes) return -Infinity;
  return waitingCount >= stallCount ? newestMs + stallMs : Infinity;
}

/** How many messages a source's broker may send before it sees PUBACKs. */
export interface SourceWindow {
  readonly window: number;
  readonly isConnected: boolean;
}

/**
 * How many messages make a group: half of the largest window of the connected sources, or of all while none
 * is. A source with a smaller window does not lower it for everybody: the stall rule serves its messages.
 */
export function groupCountFor(sources: readonly SourceWindow[]): number {
  const connected = sources.filter(({ isConnected }) => isConnected);
  const speaking = connected.length > 0 ? connected : sources;
  return Math.max(1, Math.floor(Math.max(0, ...speaking.map(({ window }) => window)) / 2));
}
