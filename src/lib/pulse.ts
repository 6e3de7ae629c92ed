/**
 * How a long-running part shows that it moves. It beats once for each turn of its loop; one that waits for
 * something to happen wakes up for it, so that silence always means that it is stuck. A part that nobody
 * watches gets no beat to give, and sleeps on.
 */
export type Beat = () => void;

const idleBeatMs = 15_000;

/** How long an idle part may wait for what it waits for `waitMs` at most (undefined: for ever). */
export function idleWaitMs(beat: Beat | undefined, waitMs?: number): number | undefined {
  return beat === undefined ? waitMs : Math.min(waitMs ?? idleBeatMs, idleBeatMs);
}
