import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import { Batch, type BatchLimits } from "./batch.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { Deduplicator } from "./deduplicator.ts";
import { Endpoint } from "./endpoint.ts";
import type { LatencyWindow } from "./latency.ts";
import type {
  ClockTrust,
  LineWriter,
  MessageLog,
  Quarantine,
  QuarantinedMessage,
  WriteOutcome,
} from "./ports.ts";
import { type PreparedChunk, prepare, type PrepareDeps } from "./prepare.ts";
import { type Lane, Slots } from "./slots.ts";
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
/** After an outage the newest this many go first, the rest is backlog. */
const freshAfterOutage = 256;
/** A lane that falls this far behind the newest message leaves the difference to the backlog lane. */
const freshMaxLag = 20_000;
/** How long uplinks that InfluxDB refused are left alone. */
const refusedRetryMs = 300_000;
/**
 * Refusals that one batch may cost: enough to find half a dozen bad uplinks among two thousand. When
 * everything is refused, the rest is left alone as it is, and the server is spared thousands of requests.
 */
const refusalBudget = 64;
/** How long undecodable messages wait for a full disk. */
const noRoomRetryMs = 30_000;
const repeatFaultMs = 60_000;

/** What is left of `refusalBudget`. */
interface Budget {
  refusals: number;
}

/**
 * From the log into InfluxDB: read, prepare, batch, write, settle. Two lanes do the same work on other
 * messages: "fresh" what arrives now, "backlog" what was left behind. What fails is released and read from
 * the log again, so that an outage of days holds nothing in memory.
 */
export class Forward {
  readonly #deps: ForwardDeps;
  /** Uptimes of older messages may be those of another boot. */
  readonly #startSeq: number;
  readonly #work: Work;
  readonly #slots: Slots;
  readonly #endpoint: Endpoint;
  readonly #throttle = new FaultThrottle(repeatFaultMs);
  readonly #inFlight = new Set<Promise<void>>();
  /** Rejects when a write ended in a way that no outcome describes. */
  readonly #bug = Promise.withResolvers<never>();

  constructor(deps: ForwardDeps) {
    this.#deps = deps;
    this.#startSeq = deps.log.lastSeq;
    this.#work = new Work(deps.log.settled, this.#startSeq);
    this.#slots = new Slots(deps.maxInFlight);
    this.#endpoint = new Endpoint(deps.clock, deps.random);
  }

  /** InfluxDB takes writes, as far as we know. */
  get isOpen(): boolean {
    return this.#endpoint.isOpen;
  }

  /**
   * `drain`: finish what is in flight and end. `abort`: give that up too; it stays in the journal. Rejects
   * for a bug, and has then given up everything else.
   */
  async run(drain: AbortSignal, abort: AbortSignal): Promise<void> {
    const bug = new AbortController();
    const giveUp = AbortSignal.any([abort, bug.signal]);
    const stop = AbortSignal.any([drain, giveUp]);
    const lanes = [this.#runLane("fresh", stop, giveUp), this.#runLane("backlog", stop, giveUp)];
    try {
      await Promise.race([Promise.all(lanes), this.#bug.promise]);
      await Promise.race([Promise.all(this.#inFlight), this.#bug.promise]);
    } catch (error) {
      bug.abort(error);
      await Promise.allSettled(lanes);
      await Promise.all(this.#inFlight);
      throw error;
    }
  }

  async #runLane(lane: Lane, stop: AbortSignal, abort: AbortSignal): Promise<void> {
    let batch = new Batch(this.#deps.limits);
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
        await this.#send(lane, batch, abort);
        batch = new Batch(this.#deps.limits);
      } else {
        if (batch.isEmpty && this.#endpoint.probeUnused(lane, nowMs)) this.#deps.activity.notify();
        await this.#deps.activity.changedSince(version, stop, this.#waitMs(lane, batch, nowMs));
      }
    }
    if (!batch.isEmpty) await this.#send(lane, batch, abort);
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
    this.#work.unpark(nowMs, this.#deps.clockTrust.mayRelease);
    this.#gauge();
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
    for (let seq = interval.lo; seq <= interval.hi; seq += 1) if (!seqs.has(seq)) this.#settle(seq, seq);
  }

  /** Finishes what needs no write and adds the rest to the batch; sends it when it is full. */
  async #collect(lane: Lane, open: Batch, chunk: PreparedChunk, abort: AbortSignal): Promise<Batch> {
    const { clock, limits } = this.#deps;
    if (chunk.quarantined.length > 0) this.#quarantine(chunk.quarantined);
    for (const seq of chunk.done) this.#settle(seq, seq);
    for (const seq of chunk.waitForClock) this.#work.parkForClock(seq);
    let batch = open;
    for (const uplink of chunk.ready) {
      if (batch.wouldOverflow(uplink)) {
        await this.#send(lane, batch, abort);
        batch = new Batch(limits);
      }
      batch.add(uplink, clock.uptimeMs());
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
      this.#report(error, clock.uptimeMs());
      return;
    }
    for (const { message, fault } of entries) {
      countUnder(counters.quarantined, fault.code);
      this.#settle(message.seq, message.seq);
    }
  }

  /** Waits for a slot and starts the write; does not wait for its outcome. */
  async #send(lane: Lane, batch: Batch, abort: AbortSignal): Promise<void> {
    const hasSlot = await this.#slots.acquire(lane, abort);
    if (!hasSlot || !this.#endpoint.mayWrite(lane)) {
      // Meanwhile the gate has closed: the batch goes back to the log rather than into the wind.
      if (hasSlot) this.#slots.release(lane);
      this.#release(batch);
      return;
    }
    const write = this.#write(lane, batch, { refusals: refusalBudget }, abort)
      .catch(this.#bug.reject)
      .finally(() => {
        this.#slots.release(lane);
        this.#inFlight.delete(write);
        this.#deps.activity.notify();
      });
    this.#inFlight.add(write);
  }

  async #write(lane: Lane, batch: Batch, budget: Budget, abort: AbortSignal): Promise<void> {
    const epoch = this.#endpoint.startWrite();
    let outcome: WriteOutcome;
    try {
      outcome = await this.#deps.writer.write(batch.text, abort);
    } catch (error) {
      this.#release(batch);
      if (abort.aborted) return;
      throw error;
    }
    switch (outcome.kind) {
      case "delivered":
        this.#delivered(lane, batch, epoch);
        return;
      case "retry":
        this.#failed(batch, epoch, "passing", outcome);
        return;
      case "hold":
        if (outcome.scope === "endpoint") this.#failed(batch, epoch, "refusal", outcome);
        else await this.#refused(lane, batch, epoch, budget, outcome, abort);
        return;
    }
  }

  #delivered(lane: Lane, batch: Batch, epoch: number): void {
    const { counters, latency, clock, deduplicator } = this.#deps;
    this.#serverIsWell(epoch);
    const nowMs = clock.uptimeMs();
    for (const { lo, hi } of batch.seqs.intervals) this.#settle(lo, hi);
    for (const { seq, uptimeMs, droppedCount } of batch.uplinks) {
      for (const follower of deduplicator.delivered(seq)) {
        this.#settle(follower, follower);
        counters.duplicates += 1;
      }
      counters.droppedParts += droppedCount;
      if (lane === "fresh" && seq > this.#startSeq) latency.add(nowMs - uptimeMs);
    }
    counters.written += batch.uplinks.length;
    counters.points += batch.lineCount;
    counters.batches += 1;
  }

  #failed(
    batch: Batch,
    epoch: number,
    kind: "passing" | "refusal",
    outcome: Exclude<WriteOutcome, { kind: "delivered" }>,
  ): void {
    const { clock, counters } = this.#deps;
    const afterMs = outcome.kind === "retry" ? outcome.afterMs : undefined;
    this.#endpoint.failed(epoch, kind, afterMs);
    this.#release(batch);
    counters.retries += 1;
    this.#report(outcome.fault, clock.uptimeMs());
  }

  /**
   * The server is well and does not want something in this batch. It is halved until the refused uplinks
   * stand alone, so that their neighbours get through; those stay in the journal and are tried seldom.
   */
  async #refused(
    lane: Lane,
    batch: Batch,
    epoch: number,
    budget: Budget,
    outcome: Exclude<WriteOutcome, { kind: "delivered" }>,
    abort: AbortSignal,
  ): Promise<void> {
    this.#serverIsWell(epoch);
    if (batch.uplinks.length > 1 && budget.refusals > 0) {
      budget.refusals -= 1;
      for (const half of batch.halves()) {
        if (this.#endpoint.mayWrite(lane)) await this.#write(lane, half, budget, abort);
        else this.#release(half);
      }
      return;
    }
    const nowMs = this.#deps.clock.uptimeMs();
    this.#work.park(this.#giveUp(batch), nowMs + refusedRetryMs);
    this.#gauge();
    this.#report(outcome.fault, nowMs);
  }

  #serverIsWell(epoch: number): void {
    if (!this.#endpoint.succeeded(epoch)) return;
    const { logger, log } = this.#deps;
    logger.info("InfluxDB takes writes again");
    // Whichever lane has found that out, and whoever has tried them meanwhile: the newest go first.
    this.#work.refresh(log.lastSeq, freshAfterOutage);
  }

  #report(fault: Fault, nowMs: number): void {
    const suppressed = this.#throttle.admit(fault.code, nowMs);
    if (suppressed === undefined) return;
    this.#deps.logger.fault(fault, {
      backlog: this.#deps.log.lastSeq - this.#deps.log.settled.countWithin(1, this.#deps.log.lastSeq),
      ...(suppressed > 0 ? { repeated: suppressed } : {}),
    });
  }

  #settle(lo: number, hi: number): void {
    this.#deps.log.settle(lo, hi);
    this.#work.release(lo, hi);
  }

  #release(batch: Batch): void {
    for (const { lo, hi } of this.#giveUp(batch).intervals) this.#work.release(lo, hi);
  }

  /** What must be examined anew when a batch was not delivered: its messages and their copies. */
  #giveUp(batch: Batch): IntervalSet {
    const seqs = IntervalSet.of(batch.seqs.intervals);
    for (const { seq } of batch.uplinks) {
      for (const follower of this.#deps.deduplicator.givenUp(seq)) seqs.add(follower, follower);
    }
    return seqs;
  }

  #gauge(): void {
    const { counters } = this.#deps;
    counters.waitingForClock = this.#work.waitingForClockCount;
    counters.held = this.#work.parkedCount;
  }
}
