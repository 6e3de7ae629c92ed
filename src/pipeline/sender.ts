import type { Clock } from "../lib/clock.ts";
import { IntervalSet } from "../lib/intervals.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import type { Fault } from "../lib/fault.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import { Batch, type BatchLimits } from "./batch.ts";
import {
  type BatchSize,
  fullSize,
  isSmallest,
  maySuspectBatch,
  sizeFailed,
  sizeSucceeded,
} from "./batch-size-policy.ts";
import type { Counters } from "./counters.ts";
import type { Deduplicator } from "./deduplicator.ts";
import type { Endpoint } from "./endpoint.ts";
import type { LatencyWindow } from "./latency.ts";
import type { LineWriter, MessageLog, WriteOutcome } from "./ports.ts";
import { type Lane, Slots } from "./slots.ts";
import type { Work } from "./work.ts";

export interface SenderDeps {
  readonly log: MessageLog;
  readonly work: Work;
  readonly endpoint: Endpoint;
  readonly writer: LineWriter;
  readonly deduplicator: Deduplicator;
  readonly limits: BatchLimits;
  readonly maxInFlight: number;
  readonly counters: Counters;
  readonly latency: LatencyWindow;
  readonly clock: Clock;
  readonly logger: Log;
  /** Notified when a write has ended. */
  readonly activity: Wakeup;
}

/** After an outage the newest this many go first, the rest is backlog. */
export const freshAfterOutage = 256;
/** How long uplinks that InfluxDB refused, or stumbled over, are left alone. */
const setAsideMs = 300_000;
/** How long one that failed alone steps aside, so that the next probe is made with another. */
const suspectRetryMs = 60_000;
/**
 * Refusals that may be looked into at once: enough to find half a dozen bad uplinks among two thousand; one
 * more every few seconds. When everything is refused, batches are left alone whole, and the server is
 * spared thousands of requests.
 */
const refusalBudget = 64;
const refusalRefillMs = 5000;
const repeatFaultMs = 60_000;

type Failure = Exclude<WriteOutcome, { kind: "delivered" }>;

/** One batch, and the halves that it may fall into, on its way through one slot. */
interface Shipment {
  readonly lane: Lane;
  readonly abort: AbortSignal;
}

/**
 * Writes batches and sees to what becomes of their messages: delivered ones are settled, everything else is
 * released or parked, and read from the log again when its time comes.
 */
export class Sender {
  readonly #deps: SenderDeps;
  /** Uptimes of older messages may be those of another boot. */
  readonly #startSeq: number;
  readonly #slots: Slots;
  readonly #throttle = new FaultThrottle(repeatFaultMs);
  readonly #inFlight = new Set<Promise<void>>();
  readonly #bug = Promise.withResolvers<never>();
  #size: BatchSize = fullSize;
  /** Uplinks that failed alone: they are not put together with others again. */
  readonly #suspects = new IntervalSet();
  #refusals = refusalBudget;
  #refusalsAtMs: number;

  constructor(deps: SenderDeps) {
    this.#deps = deps;
    this.#startSeq = deps.log.lastSeq;
    this.#refusalsAtMs = deps.clock.uptimeMs();
    this.#slots = new Slots(deps.maxInFlight);
    // Whoever waits for it hears of it; until then it is no unhandled rejection.
    this.#bug.promise.catch(() => {});
  }

  /** Rejects when a write ended in a way that no outcome describes. */
  get bug(): Promise<never> {
    return this.#bug.promise;
  }

  /** Resolves when no write is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** InfluxDB has taken something since the start. */
  get hasDelivered(): boolean {
    return this.#deps.counters.batches > 0;
  }

  /** An empty batch of the size that gets through at present. */
  newBatch(): Batch {
    const { maxLines, maxBytes, maxAgeMs } = this.#deps.limits;
    const scaled = (limit: number): number => Math.max(1, Math.floor(limit * this.#size.share));
    return new Batch({ maxLines: scaled(maxLines), maxBytes: scaled(maxBytes), maxAgeMs });
  }

  /** It must travel alone. */
  isSuspect(seq: number): boolean {
    return this.#suspects.has(seq);
  }

  /** Waits for a slot and starts the write; does not wait for its outcome. */
  async send(lane: Lane, batch: Batch, abort: AbortSignal): Promise<void> {
    const hasSlot = await this.#slots.acquire(lane, abort);
    if (!hasSlot || !this.#deps.endpoint.mayWrite(lane)) {
      // Meanwhile the gate has closed: the batch goes back to the log rather than into the wind.
      if (hasSlot) this.#slots.release(lane);
      this.#release(batch);
      return;
    }
    const write = this.#write(batch, { lane, abort })
      .catch(this.#bug.reject)
      .finally(() => {
        this.#slots.release(lane);
        this.#inFlight.delete(write);
        this.#deps.activity.notify();
      });
    this.#inFlight.add(write);
  }

  async #write(batch: Batch, shipment: Shipment): Promise<void> {
    const epoch = this.#deps.endpoint.startWrite();
    let outcome: WriteOutcome;
    try {
      outcome = await this.#deps.writer.write(batch.text, shipment.abort);
    } catch (error) {
      this.#release(batch);
      if (shipment.abort.aborted) return;
      throw error;
    }
    if (outcome.kind === "delivered") this.#delivered(batch, epoch, shipment);
    else if (outcome.kind === "hold" && outcome.scope === "batch") {
      await this.#refused(batch, epoch, outcome, shipment);
    } else if (outcome.kind === "retry") this.#failedInPassing(batch, epoch, outcome);
    else {
      this.#release(batch);
      this.#failed(epoch, "refusal", outcome);
    }
  }

  #delivered(batch: Batch, epoch: number, { lane }: Shipment): void {
    const { counters, latency, clock, deduplicator } = this.#deps;
    this.#serverIsWell(epoch);
    const nowMs = clock.uptimeMs();
    this.#size = sizeSucceeded(this.#size, nowMs);
    for (const { lo, hi } of batch.seqs.intervals) {
      this.settle(lo, hi);
      this.#suspects.remove(lo, hi);
    }
    for (const { seq, uptimeMs, droppedCount } of batch.uplinks) {
      for (const follower of deduplicator.delivered(seq)) {
        this.settle(follower, follower);
        counters.duplicates += 1;
      }
      counters.droppedParts += droppedCount;
      if (lane === "fresh" && seq > this.#startSeq) latency.add(nowMs - uptimeMs);
    }
    counters.written += batch.uplinks.length;
    counters.points += batch.lineCount;
    counters.batches += 1;
  }

  /**
   * The server, the way to it or this batch: nobody can tell yet. The next one is smaller, and an uplink that
   * fails alone is set aside, so that one on which the server stumbles does not hold up all others.
   */
  #failedInPassing(batch: Batch, epoch: number, outcome: Failure & { kind: "retry" }): void {
    const { clock, endpoint, counters } = this.#deps;
    const [first] = batch.uplinks;
    const isAlone = batch.uplinks.length === 1 && first !== undefined;
    if (isAlone && endpoint.isOpen && this.isSuspect(first.seq)) {
      // Others get through: this says nothing about the server.
      counters.retries += 1;
      this.#setAside(batch, setAsideMs);
      this.report(outcome.fault, first);
      return;
    }
    const mayBeTheBatch = maySuspectBatch(outcome.fault.code);
    const isHopeless = mayBeTheBatch && isAlone && isSmallest(this.#size);
    if (mayBeTheBatch) this.#size = sizeFailed(this.#size, clock.uptimeMs());
    if (isHopeless) {
      this.#suspects.add(first.seq, first.seq);
      this.#setAside(batch, suspectRetryMs);
    } else this.#release(batch);
    this.#failed(epoch, "passing", outcome);
  }

  /** Nothing gets through at present, as far as we know. */
  #failed(epoch: number, kind: "passing" | "refusal", outcome: Failure): void {
    const { endpoint, counters } = this.#deps;
    endpoint.failed(epoch, kind, outcome.kind === "retry" ? outcome.afterMs : undefined);
    counters.retries += 1;
    this.report(outcome.fault);
  }

  /**
   * The server is well and does not want something in this batch. It is halved until the refused uplinks
   * stand alone, so that their neighbours get through; those stay in the journal and are tried seldom.
   */
  async #refused(batch: Batch, epoch: number, outcome: Failure, shipment: Shipment): Promise<void> {
    this.#serverIsWell(epoch);
    if (batch.uplinks.length > 1 && this.#mayLookInto()) {
      for (const half of batch.halves()) {
        if (this.#deps.endpoint.mayWrite(shipment.lane)) await this.#write(half, shipment);
        else this.#release(half);
      }
      return;
    }
    this.#setAside(batch, setAsideMs);
    this.report(outcome.fault, batch.uplinks.length === 1 ? batch.uplinks[0] : undefined);
  }

  #mayLookInto(): boolean {
    const nowMs = this.#deps.clock.uptimeMs();
    const refill = Math.floor((nowMs - this.#refusalsAtMs) / refusalRefillMs);
    this.#refusals = Math.min(refusalBudget, this.#refusals + refill);
    this.#refusalsAtMs += refill * refusalRefillMs;
    if (this.#refusals === 0) return false;
    this.#refusals -= 1;
    return true;
  }

  #setAside(batch: Batch, forMs: number): void {
    this.#deps.work.park(this.#giveUp(batch), this.#deps.clock.uptimeMs() + forMs);
  }

  #serverIsWell(epoch: number): void {
    const { endpoint, logger, log, work } = this.#deps;
    if (!endpoint.succeeded(epoch)) return;
    logger.info("InfluxDB takes writes again");
    // Whichever lane has found that out, and whoever has tried them meanwhile: the newest go first.
    work.refresh(log.lastSeq, freshAfterOutage);
  }

  /** One line a minute for each fault code, with how much is waiting and, where one is to blame, which. */
  report(fault: Fault, about?: { readonly seq: number; readonly topic: string }): void {
    const { clock, logger, log } = this.#deps;
    const suppressed = this.#throttle.admit(fault.code, clock.uptimeMs());
    if (suppressed === undefined) return;
    logger.fault(fault, {
      ...(about === undefined ? {} : { topic: about.topic, seq: about.seq }),
      backlog: log.backlog,
      ...(suppressed > 0 ? { repeated: suppressed } : {}),
    });
  }

  settle(lo: number, hi: number): void {
    this.#deps.log.settle(lo, hi);
    this.#deps.work.release(lo, hi);
  }

  #release(batch: Batch): void {
    for (const { lo, hi } of this.#giveUp(batch).intervals) this.#deps.work.release(lo, hi);
  }

  /** What must be examined anew when a batch was not delivered: its messages and their copies. */
  #giveUp(batch: Batch): IntervalSet {
    const seqs = IntervalSet.of(batch.seqs.intervals);
    for (const { seq } of batch.uplinks) {
      for (const follower of this.#deps.deduplicator.givenUp(seq)) seqs.add(follower, follower);
    }
    return seqs;
  }
}
