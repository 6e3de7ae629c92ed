import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import type { Log } from "../lib/log.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import type { Batch, BatchLimits } from "./batch.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { Deduplicator } from "./deduplicator.ts";
import { Endpoint } from "./endpoint.ts";
import type { LatencyWindow } from "./latency.ts";
import type { ClockTrust, LineWriter, MessageLog, Quarantine, QuarantinedMessage } from "./ports.ts";
import { type PreparedChunk, prepare, type PrepareDeps } from "./prepare.ts";
import { freshAfterOutage, Sender } from "./sender.ts";
import type { Lane } from "./slots.ts";
import { Work } from "./work.ts";

export interface ForwardDeps {
  readonly log: MessageLog;
  readonly writer: LineWriter;
  readonly quarantine: Quarantine;
  readonly deduplicator: Deduplicator;
  readonly clockTrust: ClockTrust;
  readonly prepareDeps: PrepareDeps;
  readonly limits: BatchLimits;
  readonly maxInFlight: number;
  readonly counters: Counters;
  readonly latency: LatencyWindow;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Log;
  /** Notified by commits, by the clock and by this room itself: "look again". */
  readonly activity: Wakeup;
}

/** Messages decoded in one go, between two turns of the event loop: a few ms of work, 16 MiB at the very most. */
const chunkCount = 64;
/** A lane that falls this far behind the newest message leaves the difference to the backlog lane. */
const freshMaxLag = 20_000;
/** How long undecodable messages wait for a full disk. */
const noRoomRetryMs = 30_000;

/**
 * From the log into InfluxDB: read, prepare, batch, write, settle. Two lanes do the same work on other
 * messages: "fresh" what arrives now, "backlog" what was left behind. What fails is released and read from
 * the log again, so that an outage of days holds nothing in memory.
 */
export class Forward {
  readonly #deps: ForwardDeps;
  readonly #work: Work;
  readonly #endpoint: Endpoint;
  readonly #sender: Sender;

  constructor(deps: ForwardDeps) {
    this.#deps = deps;
    this.#work = new Work(deps.log.settled, deps.log.lastSeq);
    this.#endpoint = new Endpoint(deps.clock, deps.random);
    this.#sender = new Sender({ ...deps, work: this.#work, endpoint: this.#endpoint });
  }

  /** Whether InfluxDB takes writes, as far as we know. */
  get influxdb(): "untried" | "up" | "away" {
    if (!this.#endpoint.isOpen) return "away";
    return this.#sender.hasDelivered ? "up" : "untried";
  }

  /**
   * `drain`: finish what is in flight and end. `abort`: give that up too; it stays in the journal. Rejects
   * for a bug, and has then given up everything else.
   */
  async run(drain: AbortSignal, abort: AbortSignal): Promise<void> {
    const sender = this.#sender;
    const bug = new AbortController();
    const giveUp = AbortSignal.any([abort, bug.signal]);
    const stop = AbortSignal.any([drain, giveUp]);
    const lanes = [this.#runLane("fresh", stop, giveUp), this.#runLane("backlog", stop, giveUp)];
    try {
      await Promise.race([Promise.all(lanes), sender.bug]);
      await Promise.race([sender.idle(), sender.bug]);
    } catch (error) {
      bug.abort(error);
      await Promise.allSettled(lanes);
      await sender.idle();
      throw error;
    }
  }

  async #runLane(lane: Lane, stop: AbortSignal, abort: AbortSignal): Promise<void> {
    let batch = this.#sender.newBatch();
    while (!stop.aborted) {
      const version = this.#deps.activity.version;
      const nowMs = this.#deps.clock.uptimeMs();
      const isDue = !batch.isEmpty && batch.dueInMs(nowMs) === 0;
      const chunk = isDue || !this.#mayTake(lane, nowMs) ? undefined : this.#take(lane);
      if (chunk !== undefined) {
        batch = await this.#collect(lane, batch, chunk, abort);
        // Sockets and timers get their turn between two chunks.
        await new Promise((resolve) => setImmediate(resolve));
      } else if (isDue) {
        await this.#sender.send(lane, batch, abort);
        batch = this.#sender.newBatch();
      } else {
        if (batch.isEmpty && this.#endpoint.probeUnused(lane, nowMs)) this.#deps.activity.notify();
        await this.#deps.activity.changedSince(version, stop, this.#waitMs(lane, batch, nowMs));
      }
    }
    if (!batch.isEmpty) await this.#sender.send(lane, batch, abort);
  }

  /** Undefined: until something changes. */
  #waitMs(lane: Lane, batch: Batch, nowMs: number): number | undefined {
    const nextUnparkMs = this.#work.nextUnparkMs;
    const times = [
      batch.isEmpty ? undefined : batch.dueInMs(nowMs),
      this.#hasWork(lane) ? this.#endpoint.nextProbeInMs(nowMs) : undefined,
      nextUnparkMs === undefined ? undefined : nextUnparkMs - nowMs,
    ].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.max(1, Math.min(...times));
  }

  #hasWork(lane: Lane): boolean {
    return lane === "fresh" ? this.#work.hasFresh(this.#deps.log.lastSeq) : this.#work.hasBacklog();
  }

  #mayTake(lane: Lane, nowMs: number): boolean {
    const { counters, clockTrust } = this.#deps;
    this.#work.unpark(nowMs, clockTrust.mayRelease);
    counters.waitingForClock = this.#work.waitingForClockCount;
    counters.held = this.#work.parkedCount;
    // While InfluxDB is away it is the oldest messages that probe: what fails alone steps aside for a while,
    // and the newest must be ready when the link returns.
    if (lane === "fresh" && !this.#endpoint.isOpen && this.#work.hasBacklog()) return false;
    return this.#hasWork(lane) && this.#endpoint.admits(lane, nowMs);
  }

  #take(lane: Lane): PreparedChunk | undefined {
    const { log, prepareDeps } = this.#deps;
    const keep = this.#endpoint.isOpen ? freshMaxLag : freshAfterOutage;
    if (lane === "fresh") this.#work.skipToFresh(log.lastSeq, keep);
    const interval =
      lane === "fresh" ? this.#work.takeFresh(log.lastSeq, chunkCount) : this.#work.takeBacklog(chunkCount);
    if (interval === undefined) return undefined;
    const messages = log.read(interval.lo, interval.hi, chunkCount);
    if (messages.length < interval.hi - interval.lo + 1) this.#settleMissing(interval, messages);
    return prepare(messages, prepareDeps);
  }

  /** What the quota evicted is gone; what is gone must not be looked for again. */
  #settleMissing(interval: Interval, present: readonly { readonly seq: number }[]): void {
    const seqs = new Set(present.map(({ seq }) => seq));
    for (let seq = interval.lo; seq <= interval.hi; seq += 1) {
      if (!seqs.has(seq)) this.#sender.settle(seq, seq);
    }
  }

  /** Finishes what needs no write and adds the rest to the batch; sends it when it is full. */
  async #collect(lane: Lane, open: Batch, chunk: PreparedChunk, abort: AbortSignal): Promise<Batch> {
    const { clock } = this.#deps;
    if (chunk.quarantined.length > 0) this.#quarantine(chunk.quarantined);
    for (const seq of chunk.done) this.#sender.settle(seq, seq);
    for (const seq of chunk.waitForClock) this.#work.parkForClock(seq);
    let batch = open;
    for (const uplink of chunk.ready) {
      const isSuspect = this.#sender.isSuspect(uplink.seq);
      if (batch.wouldOverflow(uplink) || (isSuspect && !batch.isEmpty)) {
        await this.#sender.send(lane, batch, abort);
        batch = this.#sender.newBatch();
      }
      batch.add(uplink, clock.uptimeMs());
      if (isSuspect) {
        await this.#sender.send(lane, batch, abort);
        batch = this.#sender.newBatch();
      }
    }
    return batch;
  }

  /** Sets undecodable messages aside. Where there is no room for them, they stay in the log for a while. */
  #quarantine(entries: readonly QuarantinedMessage[]): void {
    const { quarantine, counters, clock } = this.#deps;
    try {
      quarantine.quarantine(entries);
    } catch (error) {
      if (!(error instanceof Fault) || error.disposition !== "retry") throw error;
      const seqs = IntervalSet.of(entries.map(({ message: { seq } }) => ({ lo: seq, hi: seq })));
      this.#work.park(seqs, clock.uptimeMs() + noRoomRetryMs);
      this.#sender.report(error);
      return;
    }
    for (const { message, fault } of entries) {
      countUnder(counters.quarantined, fault.code);
      this.#sender.report(fault, message);
      this.#sender.settle(message.seq, message.seq);
    }
  }
}
