/**
 * How large batches are, as a share of their configured limits. Pure.
 *
 * A batch that fails in passing may be too large for the link (nothing above 200 kB gets through a GPRS
 * uplink within the write timeout) or hold the one uplink on which a server stumbles. Sent again at the
 * same size it would fail for ever. So each failure halves the share, down to single uplinks, and each
 * success doubles it.
 *
 * A failure soon after a success says that the server is well and the size is the trouble: then the share
 * stays below it for a while, instead of growing into the next timeout. During an outage nothing succeeds,
 * and afterwards the size is back within a dozen writes.
 */
export interface BatchSize {
  /** 0 < share ≤ 1. */
  readonly share: number;
  /** What it may grow to until `ceilingUntilMs`. */
  readonly ceiling: number;
  readonly ceilingUntilMs: number;
  readonly lastSuccessMs: number;
}

/** Fault codes of failures that may be the batch's doing; "slow down" and "nobody listens" are not. */
const batchSuspects: ReadonlySet<string> = new Set([
  "write_timeout",
  "write_server_error",
  "connection_closed",
]);

export function maySuspectBatch(faultCode: string): boolean {
  return batchSuspects.has(faultCode);
}

export const fullSize: BatchSize = { share: 1, ceiling: 1, ceilingUntilMs: 0, lastSuccessMs: -Infinity };

/** Of the default limits (5000 lines, 1 MiB) this is one line: a batch of one uplink. */
const smallestShare = 1 / 8192;
const recentlyMs = 60_000;
const ceilingForMs = 600_000;

export function sizeSucceeded(size: BatchSize, nowMs: number): BatchSize {
  const ceiling = nowMs < size.ceilingUntilMs ? size.ceiling : 1;
  return { ...size, share: Math.min(ceiling, size.share * 2), ceiling, lastSuccessMs: nowMs };
}

export function sizeFailed(size: BatchSize, nowMs: number): BatchSize {
  const share = Math.max(smallestShare, size.share / 2);
  if (nowMs - size.lastSuccessMs > recentlyMs) return { ...size, share };
  return { ...size, share, ceiling: share, ceilingUntilMs: nowMs + ceilingForMs };
}

export function isSmallest(size: BatchSize): boolean {
  return size.share <= smallestShare;
}
