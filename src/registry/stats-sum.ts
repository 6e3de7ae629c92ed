/**
 * Statistics of gateways, summed over five minutes. A sum becomes one row, and InfluxDB may keep either
 * version of a row that is written twice: so every row is made once, from all of its messages, and a
 * replay makes the same one.
 *
 * Both follow from a rule of membership that looks at nothing but the message. Its own time gives the
 * bucket, b = ⌊time / 5 min⌋. Its receipt gives the slot of arrival, a = ⌊(receipt − 30 s) / 5 min⌋, and
 * k = max(0, a − b) says how many buckets late it is: 0 for what arrives in its bucket or up to 30 s
 * after. (gateway, b, k) is the sum that it belongs to, whenever it is read from the journal, beside whatever
 * else. Received at (b + k + 1)·5 min + 30 s or later, a message has an `a` above b + k, hence another k: from
 * then on (`closesMs`, compared with times of receipt) the sum is complete and its row can be made.
 *
 * What comes later, after an outage of hours, makes rows of its own beside the first one: each counts
 * every message once, so that adding up the rows adds up the messages.
 *
 * A sum is one of what is known: a counter that did not fit in a message counts as 0 there.
 */
import type { DutyCycleBand, GatewayStats } from "../chirpstack/event.ts";
import { assert } from "../lib/fault.ts";
import { clip, clipTexts, sortedByKey } from "./bounds.ts";
import type { StatsSum } from "./records.ts";

const bucketMs = 300_000;
/** Gateways send each 30 s, not aligned: the last statistics of a bucket may take that long to come. */
const graceMs = 30_000;

/** Gateways send ten times in five minutes; one that sends each second is still known message by message. */
const maxTimes = 1024;
const maxBands = 32;
const maxMetadata = 32;

/** Which sum a message belongs to. */
export interface StatsPart {
  /** Of the sum, among all sums. */
  readonly key: string;
  readonly gatewayId: string;
  readonly bucketMs: number;
  readonly delay: number;
  readonly closesMs: number;
}

/** `timeMs` is the believable time of the message. */
export function statsKey(gatewayId: string, timeMs: number, receivedMs: number): StatsPart {
  const bucket = Math.floor(timeMs / bucketMs);
  const arrival = Math.floor((receivedMs - graceMs) / bucketMs);
  const delay = Math.max(0, arrival - bucket);
  return {
    key: `${gatewayId}/${bucket}/${delay}`,
    gatewayId,
    bucketMs: bucket * bucketMs,
    delay,
    closesMs: (bucket + delay + 1) * bucketMs + graceMs,
  };
}

export interface StatsOrigin {
  /** The believable time of the message. */
  readonly timeNs: bigint;
  /** Name of the `[[mqtt]]` source. */
  readonly source: string;
}

/**
 * The sum with one more message of its part, which is the same in whatever order they come. A message with
 * the time of another one is its copy, and not added: the sum itself is returned.
 */
export function addStats(
  sum: StatsSum | undefined,
  part: StatsPart,
  stats: GatewayStats,
  { timeNs, source }: StatsOrigin,
): StatsSum {
  const known = sum ?? emptySum(part, source);
  assert(
    known.gatewayId === part.gatewayId && known.bucketMs === part.bucketMs && known.delay === part.delay,
    "statistics added to the sum that they belong to",
  );
  if (known.timesNs.includes(timeNs)) return known;
  const newest = known.timesNs.at(-1);
  const isNewest = newest === undefined || timeNs > newest;
  return {
    ...known,
    count: known.count + 1,
    timesNs: withTime(known.timesNs, timeNs),
    rxReceived: known.rxReceived + (stats.rxReceived ?? 0),
    rxReceivedOk: known.rxReceivedOk + (stats.rxReceivedOk ?? 0),
    txReceived: known.txReceived + (stats.txReceived ?? 0),
    txEmitted: known.txEmitted + (stats.txEmitted ?? 0),
    txByStatus: summed(known.txByStatus, stats.txByStatus),
    dutyCycle: highestLoads(known.dutyCycle, loads(stats.dutyCycle)),
    metadata: isNewest ? clipTexts(stats.metadata, maxMetadata) : known.metadata,
    location: isNewest ? stats.location : known.location,
  };
}

/** ChirpStack's `gw.TxAckStatus`. A gateway can send any other name: a column for each would be without end. */
const txStatuses: ReadonlySet<string> = new Set([
  "IGNORED",
  "OK",
  "TOO_LATE",
  "TOO_EARLY",
  "COLLISION_PACKET",
  "COLLISION_BEACON",
  "TX_FREQ",
  "TX_POWER",
  "GPS_UNLOCKED",
  "QUEUE_FULL",
  "INTERNAL_ERROR",
  "DUTY_CYCLE_OVERFLOW",
]);
const otherStatus = "OTHER";

function summed(
  known: ReadonlyMap<string, number>,
  added: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const sums = new Map(known);
  for (const [name, count] of added) {
    const status = txStatuses.has(name) ? name : otherStatus;
    sums.set(status, (sums.get(status) ?? 0) + count);
  }
  return new Map(sortedByKey(sums));
}

function emptySum({ gatewayId, bucketMs: startMs, delay, closesMs }: StatsPart, source: string): StatsSum {
  return {
    gatewayId,
    source,
    bucketMs: startMs,
    delay,
    closesMs,
    count: 0,
    timesNs: [],
    rxReceived: 0,
    rxReceivedOk: 0,
    txReceived: 0,
    txEmitted: 0,
    txByStatus: new Map(),
    dutyCycle: new Map(),
    metadata: new Map(),
    location: undefined,
  };
}

/** Ascending; the oldest are forgotten first. */
function withTime(timesNs: readonly bigint[], timeNs: bigint): readonly bigint[] {
  const before = timesNs.findLastIndex((time) => time < timeNs);
  return timesNs.toSpliced(before + 1, 0, timeNs).slice(-maxTimes);
}

/**
 * The first `maxBands` by key. Which these are does not depend on the order of messages: a key that had to
 * go has `maxBands` below it from then on, and one that stays was never gone.
 */
function highestLoads(
  known: ReadonlyMap<string, number>,
  added: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const all = new Map(known);
  for (const [name, load] of added) {
    const key = clip(name);
    all.set(key, Math.max(all.get(key) ?? load, load));
  }
  return new Map(sortedByKey(all).slice(0, maxBands));
}

/** Used share of what is allowed, by band; one without a name is called by its frequencies. */
function loads(bands: readonly DutyCycleBand[]): ReadonlyMap<string, number> {
  const highest = new Map<string, number>();
  for (const { name, frequencyMinHz, frequencyMaxHz, loadTrackedMs, loadMaxMs } of bands) {
    const load = loadTrackedMs / loadMaxMs;
    if (!Number.isFinite(load) || load < 0) continue;
    const key = name === "" ? `${frequencyMinHz}-${frequencyMaxHz}` : name;
    highest.set(key, Math.max(highest.get(key) ?? load, load));
  }
  return highest;
}
