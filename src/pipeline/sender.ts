import type { Clock } from "../lib/clock.ts";
import { IntervalSet } from "../lib/intervals.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import type { Fault } from "../lib/fault.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import type { Batch } from "./batch.ts";
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
/** How long uplinks that InfluxDB refused are left alone. */
const refusedRetryMs = 300_000;
/**
 * Refusals that one batch may cost: enough to find half a dozen bad uplinks among two thousand. When
 * everything is refused, the rest is left alone as it is, and the server is spared thousands of requests.
 */
const refusalBudget = 64;
const repeatFaultMs = 60_000;

type Failure = Exclude<WriteOutcome, { kind: "delivered" }>;

/** One batch, and the halves that it may fall into, on its way through one slot. */
interface Shipment {
  readonly lane: Lane;
  readonly abort: AbortSignal;
  refusalsLeft: number;
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

  constructor(deps: SenderDeps) {
    this.#deps = deps;
    this.#startSeq = deps.log.lastSeq;
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

  /** Waits for a slot and starts the write; does not wait for its outcome. */
  async send(lane: Lane, batch: Batch, abort: AbortSignal): Promise<void> {
    const hasSlot = await this.#slots.acquire(lane, abort);
    if (!hasSlot || !this.#deps.endpoint.mayWrite(lane)) {
      // Meanwhile the gate has closed: the batch goes back to the log rather than into the wind.
      if (hasSlot) this.#slots.release(lane);
      this.#release(batch);
      return;
    }
    const write = this.#write(batch, { lane, abort, refusalsLeft: refusalBudget })
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
    } else this.#failed(batch, epoch, outcome);
  }

  #delivered(batch: Batch, epoch: number, { lane }: Shipment): void {
    const { counters, latency, clock, deduplicator } = this.#deps;
    this.#serverIsWell(epoch);
    const nowMs = clock.uptimeMs();
    for (const { lo, hi } of batch.seqs.intervals) this.settle(lo, hi);
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

  /** Nothing gets through at present, whatever is sent. */
  #failed(batch: Batch, epoch: number, outcome: Failure): void {
    const isPassing = outcome.kind === "retry";
    this.#deps.endpoint.failed(
      epoch,
      isPassing ? "passing" : "refusal",
      isPassing ? outcome.afterMs : undefined,
    );
    this.#release(batch);
    this.#deps.counters.retries += 1;
    this.report(outcome.fault);
  }

  /**
   * The server is well and does not want something in this batch. It is halved until the refused uplinks
   * stand alone, so that their neighbours get through; those stay in the journal and are tried seldom.
   */
  async #refused(batch: Batch, epoch: number, outcome: Failure, shipment: Shipment): Promise<void> {
    this.#serverIsWell(epoch);
    if (batch.uplinks.length > 1 && shipment.refusalsLeft > 0) {
      shipment.refusalsLeft -= 1;
      for (const half of batch.halves()) {
        if (this.#deps.endpoint.mayWrite(shipment.lane)) await this.#write(half, shipment);
        else this.#release(half);
      }
      return;
    }
    this.#deps.work.park(this.#giveUp(batch), this.#deps.clock.uptimeMs() + refusedRetryMs);
    this.report(outcome.fault);
  }

  #serverIsWell(epoch: number): void {
    const { endpoint, logger, log, work } = this.#deps;
    if (!endpoint.succeeded(epoch)) return;
    logger.info("InfluxDB takes writes again");
    // Whichever lane has found that out, and whoever has tried them meanwhile: the newest go first.
    work.refresh(log.lastSeq, freshAfterOutage);
  }

  /** One line a minute for each fault code, with how much is waiting. */
  report(fault: Fault): void {
    const { clock, logger, log } = this.#deps;
    const suppressed = this.#throttle.admit(fault.code, clock.uptimeMs());
    if (suppressed === undefined) return;
    logger.fault(fault, {
      backlog: log.lastSeq - log.settled.countWithin(1, log.lastSeq),
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
