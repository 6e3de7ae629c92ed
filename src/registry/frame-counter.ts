/**
 * The frame counter of a device through its sessions, and the interval between transmissions that follows
 * from it. `fCnt` is the full 32-bit counter: it goes back only when it is reset.
 *
 * A sample is (t₁ − t₀) / (fCnt₁ − fCnt₀) of two neighbours within a session. The counter says how many
 * transmissions the time was divided into, so lost uplinks, and hours in which we were away ourselves, do not
 * stretch it. The interval is the median of the newest 24, or their mean where that is larger.
 *
 * The median alone would be the usual robust choice. But a device that sends in pairs, 5 s apart every 10
 * minutes, has as many samples of 5 s as of 595 s: their median jumps from one to the other with each uplink,
 * and by the short one the device is silent as soon as it pauses. The mean of whole bursts is steady, and a
 * regular device has the same mean as median. The largest sample counts as the second largest, so that one
 * pause of a day does not stretch the mean.
 */
import type { Join, Uplink } from "../chirpstack/event.ts";
import { clip } from "./bounds.ts";
import type { DeviceRecord, Session } from "./records.ts";

/** Whole bursts of two, three, four and six: as many short samples and long ones, wherever the window begins. */
const maxSamples = 24;
const minSamples = 3;
/** Of fewer, the largest may be the only pause between two bursts. */
const minSamplesToClip = 6;
/** Meters report once a day, trackers in storage once a week. */
const maxSampleMs = 30 * 86_400_000;
/**
 * RECEIVE_DELAY1 (LoRaWAN 1.0.4 §4.3): no device transmits again sooner. Shorter times between receipts
 * are those of a broker that hands out what it had queued.
 */
const minReceiptSampleMs = 1000;

type Counted = Pick<DeviceRecord, "session" | "intervalMs" | "intervalSamplesMs">;

/** The same transmission, or one that repeats it. */
export function isSameFrame(session: Session, uplink: Uplink): boolean {
  return uplink.fCnt === session.lastFCnt && !isOtherAddress(session, uplink.devAddr);
}

export function followUplink(counted: Counted, uplink: Uplink, atMs: number): Counted {
  const { session, intervalMs, intervalSamplesMs } = counted;
  const unchanged: Counted = { session, intervalMs, intervalSamplesMs };
  const { fCnt } = uplink;
  // Without its counter nobody knows which transmission it was.
  if (fCnt === undefined) return unchanged;
  if (session === undefined) return { ...unchanged, session: newSession(uplink, fCnt, atMs) };
  // At the same instant too: no device resets and transmits again within it.
  const isLate = atMs < session.lastUplinkMs || (atMs === session.lastUplinkMs && fCnt < session.lastFCnt);
  if (isLate || isSameFrame(session, uplink)) return unchanged;
  if (isOtherAddress(session, uplink.devAddr) || fCnt < session.lastFCnt) {
    return { ...unchanged, session: newSession(uplink, fCnt, atMs) };
  }
  const sampleMs = Math.round((atMs - session.lastUplinkMs) / (fCnt - session.lastFCnt));
  const minSampleMs = uplink.timeNs === undefined ? minReceiptSampleMs : 1;
  const isPossible = sampleMs >= minSampleMs && sampleMs <= maxSampleMs;
  const samples = isPossible ? [...intervalSamplesMs, sampleMs].slice(-maxSamples) : intervalSamplesMs;
  return {
    session: {
      devAddr: session.devAddr === "" ? clip(uplink.devAddr) : session.devAddr,
      sinceMs: session.sinceMs,
      lastFCnt: fCnt,
      lastUplinkMs: atMs,
    },
    intervalMs: samples.length < minSamples ? intervalMs : interval(samples),
    intervalSamplesMs: samples,
  };
}

/**
 * The session after a join: none, until its first uplink. That uplink may be here already, because the
 * network server publishes both at once.
 */
export function followJoin(session: Session | undefined, join: Join, atMs: number): Session | undefined {
  if (session === undefined || atMs < session.lastUplinkMs) return session;
  return join.devAddr !== "" && clip(join.devAddr) === session.devAddr ? session : undefined;
}

function newSession({ devAddr }: Uplink, fCnt: number, atMs: number): Session {
  return { devAddr: clip(devAddr), sinceMs: atMs, lastFCnt: fCnt, lastUplinkMs: atMs };
}

/** Some dialects do not say the address. */
function isOtherAddress(session: Session, devAddr: string): boolean {
  return devAddr !== "" && session.devAddr !== "" && clip(devAddr) !== session.devAddr;
}

/** In whole ms. */
function interval(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return Math.round(Math.max(median(sorted), clippedMean(sorted)));
}

function median(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

function clippedMean(sorted: readonly number[]): number {
  const most = sorted.at(sorted.length < minSamplesToClip ? -1 : -2) ?? 0;
  return sorted.reduce((sum, sample) => sum + Math.min(sample, most), 0) / sorted.length;
}
