/**
 * How large batches are, as a share of their configured limits. Pure.
 *
 * A batch that fails in passing may be too large for the link (nothing above 200 kB gets through a GPRS
 * uplink within the write timeout). Sent again at the same size it would fail for ever. But most that fails in passing
 * is an outage, of which the size is innocent: a single failure lowers nothing. What does is evidence: a batch
 * fails, a smaller one passes, and one that is larger than that fails again, while nothing as large as the first has
 * passed. Then the share falls to half of it, not below what passed, and stays there for a while.
 *
 * Failures while nobody is believed to listen say nothing about that. But one uplink on which a server stumbles may
 * be in every probe: so each probe that fails makes the next one smaller, down to a single uplink, until
 * something passes.
 *
 * An answer that a batch is too large (413) says so at once: the share falls to half of that batch, and stays
 * there for a while. But not below what was taken lately: then it is one line that is too large, and what else
 * there is need not be sent in crumbs.
 */
export interface BatchSize {
  /** 0 < share ≤ 1. */
  readonly share: number;
  /** Of probes. */
  readonly probeShare: number;
  /** What it may grow to until `ceilingUntilMs`. */
  readonly ceiling: number;
  readonly ceilingUntilMs: number;
  /** The last batch that failed while others were believed to pass, unless one as large has passed since. */
  readonly failure: SizeFailure | undefined;
  /** The largest batch that was taken, until `takenUntilMs`. */
  readonly taken: number;
  readonly takenUntilMs: number;
}

interface SizeFailure {
  readonly share: number;
  readonly untilMs: number;
  /** The largest that has passed since. */
  readonly passed: number;
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

export const fullSize: BatchSize = {
  share: 1,
  probeShare: 1,
  ceiling: 1,
  ceilingUntilMs: 0,
  failure: undefined,
  taken: 0,
  takenUntilMs: 0,
};

/** Of the default limits (5000 lines, 1 MiB) this is one line: a batch of one uplink. */
const smallestShare = 1 / 8192;
const ceilingForMs = 600_000;

/** `batchShare`: of the limit in bytes, what the batch had. */
export function sizeSucceeded(size: BatchSize, batchShare: number, nowMs: number): BatchSize {
  const ceiling = nowMs < size.ceilingUntilMs ? size.ceiling : 1;
  const share = Math.min(ceiling, size.share * 2);
  const failure = passedAfter(size.failure, batchShare);
  const succeeded = { ...size, share, probeShare: 1, ceiling, failure };
  if (batchShare < takenLately(size, nowMs)) return succeeded;
  return { ...succeeded, taken: batchShare, takenUntilMs: nowMs + ceilingForMs };
}

function passedAfter(failure: SizeFailure | undefined, batchShare: number): SizeFailure | undefined {
  if (failure === undefined || batchShare >= failure.share) return undefined;
  return { ...failure, passed: Math.max(failure.passed, batchShare) };
}

/** While others are believed to pass. */
export function sizeFailed(size: BatchSize, batchShare: number, nowMs: number): BatchSize {
  const { failure } = size;
  const untilMs = nowMs + ceilingForMs;
  const passed = failure === undefined || nowMs >= failure.untilMs ? 0 : failure.passed;
  const failed = { ...size, failure: { share: batchShare, untilMs, passed } };
  if (passed === 0 || batchShare <= passed) return failed;
  const share = Math.min(size.share, Math.max(smallestShare, passed, batchShare / 2));
  return { ...failed, share, ceiling: share, ceilingUntilMs: untilMs };
}

export function probeFailed(size: BatchSize, batchShare: number): BatchSize {
  const probeShare = Math.min(size.probeShare, batchShare) / 2;
  return { ...size, probeShare: Math.max(smallestShare, probeShare) };
}

/** `batchShare`: of the limit in bytes, what the batch had that is too large. */
export function sizeTooLarge(size: BatchSize, batchShare: number, nowMs: number): BatchSize {
  const half = Math.max(smallestShare, takenLately(size, nowMs), batchShare / 2);
  const share = Math.min(size.share, half);
  return { ...size, share, ceiling: share, ceilingUntilMs: nowMs + ceilingForMs };
}

function takenLately({ taken, takenUntilMs }: BatchSize, nowMs: number): number {
  return nowMs < takenUntilMs ? taken : 0;
}

/** Of a batch, or of probes. */
export function isSmallest(share: number): boolean {
  return share <= smallestShare;
}
