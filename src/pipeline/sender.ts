import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import { IntervalSet } from "../lib/intervals.ts";
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
import type { FaultReport } from "./fault-report.ts";
import type { LatencyWindow } from "./latency.ts";
import type { LineWriter, MessageLog, WriteOutcome } from "./ports.ts";
import { Refusals } from "./refusals.ts";
import type { SchemaKeeper } from "./schema-keeper.ts";
import { type Lane, Slots } from "./slots.ts";
import { freshAfterOutage, type Work } from "./work.ts";

export interface SenderDeps {
  readonly log: MessageLog;
  readonly work: Work;
  readonly endpoint: Endpoint;
  readonly writer: LineWriter;
  readonly schema: SchemaKeeper;
  readonly deduplicator: Deduplicator;
  readonly limits: BatchLimits;
  readonly maxInFlight: number;
  readonly counters: Counters;
  readonly latency: LatencyWindow;
  readonly clock: Clock;
  readonly report: FaultReport;
  /** Notified when a write has ended. */
  readonly activity: Wakeup;
}

/** How long messages that InfluxDB refused, or stumbled over, are left alone. */
const setAsideMs = 300_000;
/** How long one that failed alone steps aside, so that the next probe is made with another. */
const suspectRetryMs = 60_000;

type Failure = Exclude<WriteOutcome, { kind: "delivered" }>;
/** Not written: its lines are stale, or the columns could not be asked for. */
type NotTried = { readonly kind: "stale" } | { readonly kind: "unasked"; readonly fault: Fault };

/** One batch, and the halves that it may fall into, on its way through one slot. */
interface Shipment {
  readonly lane: Lane;
  readonly abort: AbortSignal;
  /** The columns were asked for again because of it. */
  hasAskedAgain: boolean;
}

/**
 * Writes batches and sees to what becomes of their messages: delivered ones are settled, everything else is
 * released or parked, and read from the log again when its time comes.
 *
 * Lines are fitted to the columns that the database is believed to have. When it turns out to have others
 * (at the first look, or after a refusal) the lines that were made before are stale: they are not sent, but
 * released and made anew.
 */
export class Sender {
  readonly #deps: SenderDeps;
  /** Uptimes of older messages may be those of another boot. */
  readonly #startSeq: number;
  readonly #slots: Slots;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #bug = Promise.withResolvers<never>();
  readonly #refusals: Refusals;
  #size: BatchSize = fullSize;
  /** Messages that failed alone: they are not put together with others again. */
  readonly #suspects = new IntervalSet();
  #hasAnswered = false;
  #lastFault: Fault | undefined;

  constructor(deps: SenderDeps) {
    this.#deps = deps;
    this.#startSeq = deps.log.lastSeq;
    this.#refusals = new Refusals(deps);
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

  /** InfluxDB has taken something since the start, or refused it: it is there. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Why the last write got through to nobody. */
  get lastFault(): Fault | undefined {
    return this.#lastFault;
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

  /** Others may follow what its rows make of the columns. */
  mayClaim(seq: number): boolean {
    return this.#refusals.mayClaim(seq);
  }

  /** Waits for a slot and starts the write; does not wait for its outcome. */
  async send(lane: Lane, batch: Batch, abort: AbortSignal): Promise<void> {
    const hasSlot = await this.#slots.acquire(lane, abort);
    if (!hasSlot || !this.#mayWrite(batch, lane)) {
      // Meanwhile the gate has closed: the batch goes back to the log rather than into the wind.
      if (hasSlot) this.#slots.release(lane);
      this.#release(batch, lane);
      return;
    }
    const write = this.#write(batch, { lane, abort, hasAskedAgain: false })
      .catch(this.#bug.reject)
      .finally(() => {
        this.#slots.release(lane);
        this.#inFlight.delete(write);
        this.#deps.activity.notify();
      });
    this.#inFlight.add(write);
  }

  #mayWrite(batch: Batch, lane: Lane): boolean {
    return this.#deps.endpoint.mayWrite(lane) && !this.#refusals.isStale(batch);
  }

  async #write(batch: Batch, shipment: Shipment): Promise<void> {
    const epoch = this.#deps.endpoint.startWrite();
    let outcome: WriteOutcome | NotTried;
    try {
      outcome = await this.#attempt(batch, shipment);
    } catch (error) {
      this.#release(batch, shipment.lane);
      if (shipment.abort.aborted) return;
      throw error;
    }
    if (outcome.kind === "delivered") this.#delivered(batch, epoch, shipment);
    else if (outcome.kind === "stale") {
      // It answered, which is all that can be asked of a probe.
      this.#serverIsWell(epoch);
      this.#release(batch, shipment.lane);
    } else if (outcome.kind === "hold" && outcome.scope === "batch") {
      await this.#refused(batch, epoch, outcome, shipment);
    } else if (outcome.kind === "retry") this.#failedInPassing(batch, epoch, outcome);
    else {
      this.#release(batch, shipment.lane);
      this.#failed(epoch, outcome.kind === "unasked" ? "passing" : "refusal", outcome.fault, undefined);
    }
  }

  /** Asks for the columns first, until they are known: most stale lines need no refusal to be found. */
  async #attempt(batch: Batch, { abort }: Shipment): Promise<WriteOutcome | NotTried> {
    const { schema, writer } = this.#deps;
    if (!schema.isKnown) {
      const read = await schema.read(abort);
      if (read.kind === "retry") return { kind: "unasked", fault: read.fault };
      if (this.#refusals.isStale(batch)) return { kind: "stale" };
    }
    return await writer.write(batch.text, abort);
  }

  #delivered(batch: Batch, epoch: number, { lane }: Shipment): void {
    const { counters, latency, clock, deduplicator, log } = this.#deps;
    this.#refusals.delivered(batch);
    this.#serverIsWell(epoch);
    const nowMs = clock.uptimeMs();
    this.#size = sizeSucceeded(this.#size, nowMs);
    const isAllOwn = batch.messages.every(({ isOwn }) => isOwn);
    for (const { lo, hi } of batch.seqs.intervals) {
      log.settle(lo, hi, isAllOwn);
      this.#suspects.remove(lo, hi);
    }
    for (const { seq, uptimeMs, droppedCount, isOwn } of batch.messages) {
      for (const follower of deduplicator.delivered(seq)) {
        log.settle(follower, follower);
        counters.duplicates += 1;
      }
      counters.droppedParts += droppedCount;
      if (isOwn) counters.ownWritten += 1;
      else counters.written += 1;
      if (!isOwn && lane === "fresh" && seq > this.#startSeq) latency.add(nowMs - uptimeMs);
    }
    counters.points += batch.lineCount;
    counters.batches += 1;
  }

  /**
   * The server, the way to it or this batch: nobody can tell yet. The next one is smaller, and a message that
   * fails alone is set aside, so that one on which the server stumbles does not hold up all others.
   */
  #failedInPassing(batch: Batch, epoch: number, outcome: Failure & { kind: "retry" }): void {
    const { clock, endpoint, counters, report } = this.#deps;
    const [first] = batch.messages;
    const isAlone = batch.messages.length === 1 && first !== undefined;
    if (isAlone && endpoint.isOpen && this.isSuspect(first.seq)) {
      // Others get through: this says nothing about the server.
      counters.retries += 1;
      this.#setAside(batch, setAsideMs);
      report.say(outcome.fault, first);
      return;
    }
    const mayBeTheBatch = maySuspectBatch(outcome.fault.code);
    const isHopeless = mayBeTheBatch && isAlone && isSmallest(this.#size);
    if (mayBeTheBatch) this.#size = sizeFailed(this.#size, clock.uptimeMs());
    if (isHopeless) {
      this.#suspects.add(first.seq, first.seq);
      this.#setAside(batch, suspectRetryMs);
    } else this.#release(batch, "backlog");
    this.#failed(epoch, "passing", outcome.fault, outcome.afterMs);
  }

  /** Nothing gets through at present, as far as we know. */
  #failed(epoch: number, kind: "passing" | "refusal", fault: Fault, afterMs: number | undefined): void {
    const { endpoint, counters, report } = this.#deps;
    endpoint.failed(epoch, kind, afterMs);
    this.#lastFault = fault;
    counters.retries += 1;
    report.say(fault);
  }

  /**
   * The server is well and does not want something in this batch. It is halved until the refused messages
   * stand alone, so that their neighbours get through; those stay in the journal and are tried seldom.
   */
  async #refused(batch: Batch, epoch: number, outcome: Failure, shipment: Shipment): Promise<void> {
    this.#serverIsWell(epoch);
    const verdict = await this.#refusals.judge(batch, shipment);
    if (verdict === "stale") this.#release(batch, shipment.lane);
    else if (verdict === "halve") {
      for (const half of batch.halves()) {
        if (this.#mayWrite(half, shipment.lane)) await this.#write(half, shipment);
        else this.#release(half, shipment.lane);
      }
    } else {
      this.#setAside(batch, setAsideMs);
      this.#deps.report.say(outcome.fault, batch.messages.length === 1 ? batch.messages[0] : undefined);
    }
  }

  #setAside(batch: Batch, forMs: number): void {
    this.#deps.work.park(this.#giveUp(batch), this.#deps.clock.uptimeMs() + forMs);
  }

  #serverIsWell(epoch: number): void {
    this.#hasAnswered = true;
    const { endpoint, report, log, work } = this.#deps;
    if (!endpoint.succeeded(epoch)) return;
    report.info("InfluxDB takes writes again");
    // Whichever lane has found that out, and whoever has tried them meanwhile: the newest go first.
    work.refresh(log.lastSeq, freshAfterOutage);
  }

  /** What is only stale is as fresh as it was; everything else has had its turn. */
  #release(batch: Batch, lane: Lane): void {
    const { work } = this.#deps;
    const staysFresh = lane === "fresh" && this.#refusals.isStale(batch);
    for (const { lo, hi } of this.#giveUp(batch).intervals) {
      if (staysFresh) work.releaseAsFresh(lo, hi);
      else work.release(lo, hi);
    }
  }

  /** What must be examined anew when a batch was not delivered: its messages and their copies. */
  #giveUp(batch: Batch): IntervalSet {
    const seqs = IntervalSet.of(batch.seqs.intervals);
    for (const { seq } of batch.messages) {
      for (const follower of this.#deps.deduplicator.givenUp(seq)) seqs.add(follower, follower);
    }
    return seqs;
  }
}
