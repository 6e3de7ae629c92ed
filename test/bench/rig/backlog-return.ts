/** What the return of the database looked like from its side. Pure. */
import type { SunkWrite } from "./backlog-sink.ts";
import { quantile } from "./figures.ts";

export interface Watched {
  /** In the order in which they came. */
  readonly writes: readonly SunkWrite[];
  /** When the database was back; all times are `monotonicMs()`. */
  readonly returnedMs: number;
  /** Numbers of the backlog's uplinks: first … first + count − 1. */
  readonly first: number;
  readonly count: number;
  /** The newest go before the backlog (`freshAfterOutage`): they are not in its order. */
  readonly newestCount: number;
  /** Of fresh uplinks, by number: when each was on its way to the daemon. */
  readonly sentMs: ReadonlyMap<number, number>;
}

export interface Return {
  readonly uplinksPerSecond: number;
  readonly pointsPerSecond: number;
  /** From the return to the last uplink of the backlog. */
  readonly drainMs: number;
  readonly drainedMs: number;
  /** From the return to the first uplink that was sent after it. */
  readonly firstFreshMs: number;
  /** From sending to arrival, of what was sent between the return and the end of the drain. */
  readonly freshMs: readonly number[];
  /** Of what was sent after that. */
  readonly laterMs: readonly number[];
  /** How many uplinks an older one came behind a newer one, at most. */
  readonly mostStepBack: number;
}

/** Throws when an uplink is missing or was there twice. */
export function watchedReturn(watched: Watched): Return {
  const { writes, returnedMs, sentMs } = watched;
  const arrivedMs = arrivals(watched);
  const ofBacklog = writes.filter(({ backlog }) => backlog.length > 0);
  const drainedMs = ofBacklog.at(-1)?.atMs ?? Number.NaN;
  const fresh = [...sentMs].map(([number, atMs]) => ({
    atMs,
    tookMs: (arrivedMs.get(number) ?? NaN) - atMs,
  }));
  const during = fresh.filter(({ atMs }) => atMs >= returnedMs && atMs < drainedMs);
  return {
    uplinksPerSecond: rate(ofBacklog, ({ backlog }) => backlog.length),
    pointsPerSecond: rate(ofBacklog, ({ lines }) => lines),
    drainMs: drainedMs - returnedMs,
    drainedMs,
    firstFreshMs: Math.min(...during.map(({ atMs, tookMs }) => atMs + tookMs)) - returnedMs,
    freshMs: during.map(({ tookMs }) => tookMs),
    laterMs: fresh.filter(({ atMs }) => atMs >= drainedMs).map(({ tookMs }) => tookMs),
    mostStepBack: mostStepBack(watched),
  };
}

/** Per second, between the writes with which a tenth and nine tenths of the backlog's uplinks had come. */
function rate(writes: readonly SunkWrite[], of: (write: SunkWrite) => number): number {
  let uplinks = 0;
  let total = 0;
  const progress = writes.map((write) => {
    uplinks += write.backlog.length;
    total += of(write);
    return { atMs: write.atMs, uplinks, total };
  });
  const from = progress.find((one) => one.uplinks >= uplinks / 10);
  const to = progress.find((one) => one.uplinks >= (uplinks * 9) / 10);
  if (from === undefined || to === undefined || to.atMs <= from.atMs) return Number.NaN;
  return (1000 * (to.total - from.total)) / (to.atMs - from.atMs);
}

function arrivals({ writes, first, count, sentMs }: Watched): Map<number, number> {
  const arrivedMs = new Map<number, number>();
  for (const { atMs, backlog, fresh } of writes) {
    for (const number of [...backlog, ...fresh]) {
      if (arrivedMs.has(number)) throw new Error(`the sink had uplink ${number} twice`);
      arrivedMs.set(number, atMs);
    }
  }
  for (let number = first; number < first + count; number += 1) {
    if (!arrivedMs.has(number)) throw new Error(`uplink ${number} of the backlog did not come to the sink`);
  }
  for (const number of sentMs.keys()) {
    if (!arrivedMs.has(number)) throw new Error(`the fresh uplink ${number} did not come to the sink`);
  }
  return arrivedMs;
}

function mostStepBack({ writes, first, count, newestCount }: Watched): number {
  let newest = first;
  let most = 0;
  for (const { backlog } of writes) {
    for (const number of backlog) {
      if (number >= first + count - newestCount) continue;
      most = Math.max(most, newest - number);
      newest = Math.max(newest, number);
    }
  }
  return most;
}

/** "p50 / p99 / max" in seconds. */
export function spread(samplesMs: readonly number[]): string {
  return [0.5, 0.99, 1].map((share) => (quantile(samplesMs, share) / 1000).toFixed(2)).join(" / ");
}
