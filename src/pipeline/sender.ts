import type { Clock } from "../lib/clock.ts";
import type { Fault } from "../lib/fault.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import type { Batch, BatchLimits } from "./batch.ts";
import { BatchSizer } from "./batch-sizer.ts";
import type { Counters } from "./counters.ts";
import { Undertaker } from "./dead-letters.ts";
import type { Deduplicator } from "./deduplicator.ts";
import type { Endpoint } from "./endpoint.ts";
import { Fates } from "./fates.ts";
import type { Held } from "./held.ts";
import type { FaultReport } from "./fault-report.ts";
import type { LatencyWindow } from "./latency.ts";
import { MessageEnds } from "./message-ends.ts";
import type { DeadLetters, Destination, LineWriter, MessageLog, WriteOutcome } from "./ports.ts";
import { Refusals } from "./refusals.ts";
import { type NextBatch, RefusedBatches } from "./refused-batches.ts";
import type { SchemaKeeper } from "./schema-keeper.ts";
import { type Lane, Slots } from "./slots.ts";
import { Stumbles } from "./stumbles.ts";
import { freshAfterOutage, type Work } from "./work.ts";

export interface SenderDeps {
  readonly destination: Destination;
  readonly log: MessageLog;
  readonly work: Work;
  readonly endpoint: Endpoint;
  readonly writer: LineWriter;
  readonly deadLetters: DeadLetters;
  readonly held: Held;
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

type Retry = Extract<WriteOutcome, { kind: "retry" }>;
/** Not written: its lines are stale, or the columns could not be asked for. */
type NotTried = { readonly kind: "stale" } | { readonly kind: "unasked"; readonly fault: Fault };

/** One batch, and the pieces that it may fall into, on its way through one slot. */
interface Shipment {
  readonly lane: Lane;
  readonly abort: AbortSignal;
  /** The columns were asked for again because of it. */
  hasAskedAgain: boolean;
}

/**
 * Writes batches and sees to what becomes of their messages: delivered ones are settled, refused lines become dead
 * letters (`RefusedBatches`), everything else is released or parked, and read from the log again when its time comes.
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
  readonly #fates: Fates;
  readonly #ends: MessageEnds;
  readonly #refusals: Refusals;
  readonly #refused: RefusedBatches;
  readonly #stumbles: Stumbles;
  readonly #sizer: BatchSizer;
  #hasAnswered = false;
  #lastFault: Fault | undefined;
  /** Writes have failed, or would have: it was not only that columns could not be asked for. */
  #hasWriteFailed = false;

  constructor(deps: SenderDeps) {
    this.#deps = deps;
    this.#startSeq = deps.log.lastSeq;
    this.#fates = new Fates(deps.clock);
    const { schema, clock } = deps;
    const fates = this.#fates;
    const ends = new MessageEnds({ ...deps, fates });
    const refusals = new Refusals({ schema, fates });
    const undertaker = new Undertaker(deps);
    this.#ends = ends;
    this.#refusals = refusals;
    const sizer = new BatchSizer(deps.limits, clock);
    const unparkAll = (): void => this.unparkAll();
    this.#refused = new RefusedBatches({ ...deps, ends, fates, refusals, undertaker });
    this.#stumbles = new Stumbles({ ends, fates, sizer, endpoint: deps.endpoint, clock, unparkAll });
    this.#sizer = sizer;
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
    return this.#sizer.newBatch(!this.#deps.endpoint.isOpen);
  }

  /** Everything that is parked is tried again, whatever it waits for. */
  unparkAll(): void {
    this.#deps.work.unpark(Infinity, false);
    this.#deps.held.clear();
  }

  /** It must travel alone. */
  isSuspect(seq: number): boolean {
    return this.#fates.isSuspect(seq);
  }

  /** Others may follow what its rows make of the columns of this table. */
  mayClaim(seq: number, table: string): boolean {
    return this.#refusals.mayClaim(seq, table);
  }

  /** Rows of the message that need not be sent any more. */
  finishedRows(seq: number): ReadonlySet<number> | undefined {
    return this.#fates.finished(seq);
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
    const shipment = { lane, abort, hasAskedAgain: false };
    const write = this.#write({ batch, cuts: 0 }, shipment)
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

  async #write({ batch, cuts }: NextBatch, shipment: Shipment): Promise<void> {
    const epoch = this.#deps.endpoint.startWrite();
    let outcome: WriteOutcome | NotTried;
    try {
      outcome = await this.#attempt(batch, shipment);
    } catch (error) {
      this.#release(batch, shipment.lane);
      if (shipment.abort.aborted) return;
      throw error;
    }
    switch (outcome.kind) {
      case "delivered":
        this.#delivered(batch, epoch, shipment);
        break;
      case "stale":
        // It answered, which is all that can be asked of a probe.
        this.#serverIsWell(epoch);
        this.#release(batch, shipment.lane);
        break;
      case "refused":
        this.#serverIsWell(epoch);
        await this.#refusals.askAgain(batch, shipment);
        if (this.#refusals.isStale(batch) || shipment.abort.aborted) this.#release(batch, shipment.lane);
        else await this.#writeNext(this.#refused.refused(batch, outcome, cuts), shipment);
        break;
      case "too_large": {
        this.#serverIsWell(epoch);
        const areSmaller = this.#sizer.tooLarge(batch);
        await this.#writeNext(this.#refused.tooLarge(batch, outcome, areSmaller), shipment);
        break;
      }
      case "retry":
        this.#failedInPassing(batch, epoch, outcome);
        break;
      case "unasked":
        this.#release(batch, shipment.lane);
        // Where nobody listens, nobody takes writes either.
        this.#hasWriteFailed ||= !isOfQueries(outcome.fault);
        this.#failed(epoch, "passing", outcome.fault, undefined);
        break;
      case "hold":
        this.#release(batch, shipment.lane);
        this.#hasWriteFailed = true;
        this.#failed(epoch, "refusal", outcome.fault, undefined);
        break;
    }
  }

  /** One after the other: they are what has become of one batch, which has one slot. */
  async #writeNext(next: readonly NextBatch[], shipment: Shipment): Promise<void> {
    for (const piece of next) {
      if (!this.#mayWrite(piece.batch, shipment.lane)) this.#release(piece.batch, shipment.lane);
      else if (this.#sizer.isKnownTooLarge(piece.batch)) {
        const halves = piece.batch.halves().map((batch) => ({ batch, cuts: piece.cuts }));
        await this.#writeNext(halves, shipment);
      } else await this.#write(piece, shipment);
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
    const { counters, latency, clock } = this.#deps;
    this.#refusals.delivered(batch);
    this.#fates.delivered();
    this.#refused.advanced();
    this.#serverIsWell(epoch);
    const nowMs = clock.uptimeMs();
    this.#sizer.succeeded(batch);
    for (const { seq, uptimeMs, isOwn } of this.#ends.delivered(batch)) {
      if (!isOwn && lane === "fresh" && seq > this.#startSeq) latency.add(nowMs - uptimeMs);
    }
    counters.points += batch.lineCount;
    counters.batches += 1;
  }

  #failedInPassing(batch: Batch, epoch: number, { fault, afterMs }: Retry): void {
    if (this.#stumbles.failed(batch, fault.code)) {
      this.#deps.counters.retries += 1;
      this.#deps.report.say(fault, batch.onlyMessage);
      return;
    }
    this.#hasWriteFailed = true;
    this.#failed(epoch, "passing", fault, afterMs);
  }

  /** Nothing gets through at present, as far as we know. */
  #failed(epoch: number, kind: "passing" | "refusal", fault: Fault, afterMs: number | undefined): void {
    const { endpoint, counters, report } = this.#deps;
    endpoint.failed(epoch, kind, afterMs);
    this.#lastFault = fault;
    counters.retries += 1;
    report.say(fault);
  }

  #serverIsWell(epoch: number): void {
    this.#hasAnswered = true;
    const { endpoint, report, log, work } = this.#deps;
    if (!endpoint.succeeded(epoch)) return;
    // Where only the columns could not be asked for, it never refused to take writes.
    report.info(this.#hasWriteFailed ? "InfluxDB takes writes again" : "writing to InfluxDB goes on");
    this.#hasWriteFailed = false;
    this.#stumbles.passed();
    // Whichever lane has found that out, and whoever has tried them meanwhile: the newest go first.
    work.refresh(log.lastSeq, freshAfterOutage);
  }

  /** What is only stale is as fresh as it was; everything else has had its turn. */
  #release(batch: Batch, lane: Lane): void {
    this.#ends.release(batch, lane === "fresh" && this.#refusals.isStale(batch));
  }
}

/** The server answered, or its other port did: it is its queries that fail. */
function isOfQueries({ code, layer }: Fault): boolean {
  return layer === "flight" || code.startsWith("schema_");
}
