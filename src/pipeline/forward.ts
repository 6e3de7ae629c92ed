import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import type { Log } from "../lib/log.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import { type Beat, idleWaitMs } from "../lib/pulse.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import type { Batch, BatchLimits } from "./batch.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { DecodedEvents } from "./decoded.ts";
import type { Deduplicator } from "./deduplicator.ts";
import { Endpoint } from "./endpoint.ts";
import { FaultReport } from "./fault-report.ts";
import { Held, type HeldStatus } from "./held.ts";
import type { LatencyWindow } from "./latency.ts";
import { beatOfBoth } from "./lane-beats.ts";
import { LeftOutReport } from "./left-out.ts";
import type {
  ClockTrust,
  DeadLetters,
  Destination,
  LineWriter,
  MessageLog,
  Quarantine,
  QuarantinedMessage,
} from "./ports.ts";
import { type PreparedChunk, prepare, type PrepareDeps } from "./prepare.ts";
import { readTaken } from "./read-taken.ts";
import type { OffsetOf } from "./received-time.ts";
import type { SchemaKeeper } from "./schema-keeper.ts";
import { Sender } from "./sender.ts";
import type { Lane } from "./slots.ts";
import { freshAfterOutage, Work } from "./work.ts";

export interface ForwardDeps {
  readonly destination: Destination;
  /** Of this destination, like the schema and the limits. All else is shared by all forwarders. */
  readonly writer: LineWriter;
  readonly schema: SchemaKeeper;
  readonly limits: BatchLimits;
  readonly maxInFlight: number;
  readonly log: MessageLog;
  readonly quarantine: Quarantine;
  readonly deadLetters: DeadLetters;
  readonly decoded: DecodedEvents;
  readonly deduplicator: Deduplicator;
  readonly clockTrust: ClockTrust;
  readonly offsetMs: OffsetOf;
  readonly settings: TelemetrySettings;
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
/** Of a probe, each second while InfluxDB is away: enough not to be one message alone, which may be at fault itself. */
const probeCount = 8;
/** A lane that falls this far behind the newest message leaves the difference to the backlog lane. */
const freshMaxLag = 20_000;
/** How long undecodable messages wait for a full disk. */
const noRoomRetryMs = 30_000;

/**
 * From the log into one database: read, prepare, batch, write, settle. Two lanes do the same work on other
 * messages: "fresh" what arrives now, "backlog" what was left behind. What fails is released and read from
 * the log again, so that an outage of days holds nothing in memory.
 *
 * Where there are several databases, each has a forwarder of its own over the same log, and none waits for
 * another. Each looks at every message and takes it; what is another's it never settles and never releases,
 * so that it does not meet it again.
 */
export class Forward {
  readonly #deps: ForwardDeps;
  readonly #prepareDeps: PrepareDeps;
  readonly #report: FaultReport;
  readonly #work: Work;
  readonly #endpoint: Endpoint;
  readonly #sender: Sender;
  readonly #refused: Held;
  /** What the shared counters were told of this one's waiting messages. */
  #held = 0;
  #waitingForClock = 0;
  /** Of the schema: those that parked messages were released for. */
  #recoveries = 0;

  constructor(deps: ForwardDeps) {
    const report = new FaultReport(deps);
    this.#deps = deps;
    this.#report = report;
    this.#prepareDeps = {
      decoded: deps.decoded,
      deduplicator: deps.deduplicator,
      clock: deps.clockTrust,
      offsetMs: deps.offsetMs,
      settings: deps.settings,
      schema: deps.schema.columns,
      mayClaim: (seq, table) => this.#sender.mayClaim(seq, table),
      finishedRows: (seq) => this.#sender.finishedRows(seq),
      isAgain: (seq) => this.#work.isAgain(seq),
      destination: deps.destination,
      leftOut: new LeftOutReport((fault) => {
        report.sayAlways(fault);
      }),
      counters: deps.counters,
    };
    this.#work = new Work(deps.log.settled, deps.log.lastSeq);
    this.#endpoint = new Endpoint(deps.clock, deps.random);
    this.#refused = new Held(deps.clock);
    this.#sender = new Sender({
      ...deps,
      report,
      work: this.#work,
      endpoint: this.#endpoint,
      held: this.#refused,
    });
  }

  /** Whether InfluxDB answers, as far as we know. */
  get influxdb(): "untried" | "up" | "away" {
    if (!this.#endpoint.isOpen) return "away";
    return this.#sender.hasAnswered ? "up" : "untried";
  }

  /** Why InfluxDB takes no writes just now. */
  get trouble(): Fault | undefined {
    return this.#endpoint.isOpen ? undefined : this.#sender.lastFault;
  }

  /** Messages that wait after a refusal, and what the last one was. */
  get held(): HeldStatus | undefined {
    return this.#refused.status;
  }

  /**
   * Messages that the log owes again after they were settled: they are sent once more, oldest first, beside what
   * is new, and counted once more. Others, and those of other databases, may be among them.
   */
  tryAgain(intervals: Iterable<Interval>): void {
    for (const { lo, hi } of intervals) this.#work.tryAgain(lo, hi);
    this.#deps.activity.notify();
  }

  /**
   * `drain`: finish what is in flight and end. `abort`: give that up too; it stays in the journal. Rejects
   * for a bug, and has then given up everything else.
   */
  async run(drain: AbortSignal, abort: AbortSignal, beat?: Beat): Promise<void> {
    const sender = this.#sender;
    const bug = new AbortController();
    const giveUp = AbortSignal.any([abort, bug.signal]);
    const stop = AbortSignal.any([drain, giveUp]);
    const both = beat === undefined ? undefined : beatOfBoth(beat);
    const lanes = [
      this.#runLane("fresh", stop, giveUp, both?.fresh),
      this.#runLane("backlog", stop, giveUp, both?.backlog),
      this.#deps.schema.run(stop),
    ];
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

  async #runLane(lane: Lane, stop: AbortSignal, abort: AbortSignal, beat: Beat | undefined): Promise<void> {
    let batch = this.#sender.newBatch();
    while (!stop.aborted) {
      beat?.();
      const version = this.#deps.activity.version;
      const nowMs = this.#deps.clock.uptimeMs();
      // A probe waits for no others: it is to be answered soon, and cheap, as it may be in vain for days.
      const isDue = !batch.isEmpty && (!this.#endpoint.isOpen || batch.dueInMs(nowMs) === 0);
      const chunk = isDue || !this.#mayTake(lane, nowMs) ? undefined : this.#take(lane);
      if (chunk !== undefined) {
        // An empty one may be of a size that does not get through any more.
        const open = batch.isEmpty ? this.#sender.newBatch() : batch;
        batch = await this.#collect(lane, open, chunk, abort);
        // Sockets and timers get their turn between two chunks.
        await new Promise((resolve) => setImmediate(resolve));
      } else if (isDue) {
        await this.#sender.send(lane, batch, abort);
        batch = this.#sender.newBatch();
      } else {
        if (batch.isEmpty && this.#endpoint.probeUnused(lane, nowMs)) this.#deps.activity.notify();
        const waitMs = idleWaitMs(beat, this.#waitMs(lane, batch, nowMs));
        await this.#deps.activity.changedSince(version, stop, waitMs);
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
    const { schema, clockTrust } = this.#deps;
    if (schema.recoveries > this.#recoveries) {
      // Something may have been refused for a column that nobody could ask for.
      this.#recoveries = schema.recoveries;
      this.#sender.unparkAll();
    }
    this.#work.unpark(nowMs, clockTrust.mayRelease);
    this.#countWaiting();
    // While InfluxDB is away it is the oldest messages that probe: what fails alone steps aside for a while,
    // and the newest must be ready when the link returns.
    if (lane === "fresh" && !this.#endpoint.isOpen && this.#work.hasBacklog()) return false;
    return this.#hasWork(lane) && this.#endpoint.admits(lane, nowMs);
  }

  /** The counters are those of all forwarders: this one adds how its own numbers have changed. */
  #countWaiting(): void {
    const { counters } = this.#deps;
    const { waitingForClockCount } = this.#work;
    const { count } = this.#refused;
    counters.held += count - this.#held;
    counters.waitingForClock += waitingForClockCount - this.#waitingForClock;
    this.#held = count;
    this.#waitingForClock = waitingForClockCount;
  }

  #take(lane: Lane): PreparedChunk | undefined {
    const { log } = this.#deps;
    const keep = this.#endpoint.isOpen ? freshMaxLag : freshAfterOutage;
    if (lane === "fresh") this.#work.skipToFresh(log.lastSeq, keep);
    const maxCount = this.#endpoint.isOpen ? chunkCount : probeCount;
    const first = this.#next(lane, maxCount);
    if (first === undefined) return undefined;
    let messages = readTaken(first, this.#deps);
    let looked = first.hi - first.lo + 1;
    // Where the messages of several destinations alternate, what one of them left behind is in many pieces.
    while (looked < maxCount) {
      const next = this.#next(lane, maxCount - looked);
      if (next === undefined) break;
      messages = [...messages, ...readTaken(next, this.#deps)];
      looked += next.hi - next.lo + 1;
    }
    const chunk = prepare(messages, this.#prepareDeps);
    for (const { seq } of chunk.ready) this.#work.lease(seq);
    return chunk;
  }

  #next(lane: Lane, maxCount: number): Interval | undefined {
    if (lane === "backlog") return this.#work.takeBacklog(maxCount);
    return this.#work.takeFresh(this.#deps.log.lastSeq, maxCount);
  }

  /** Finishes what needs no write and adds the rest to the batch; sends it when it is full. */
  async #collect(lane: Lane, open: Batch, chunk: PreparedChunk, abort: AbortSignal): Promise<Batch> {
    const { clock, schema } = this.#deps;
    // As it was when the chunk was prepared: it may grow while this waits for a slot.
    const schemaVersion = schema.version;
    if (chunk.quarantined.length > 0) this.#quarantine(chunk.quarantined);
    for (const seq of chunk.done) this.#settle(seq);
    for (const seq of chunk.waitForClock) this.#work.parkForClock(seq);
    let batch = open;
    for (const message of chunk.ready) {
      const isSuspect = this.#sender.isSuspect(message.seq);
      if (batch.wouldOverflow(message) || (isSuspect && !batch.isEmpty)) {
        await this.#sender.send(lane, batch, abort);
        batch = this.#sender.newBatch();
      }
      batch.add(message, clock.uptimeMs(), schemaVersion);
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
      this.#report.say(error);
      return;
    }
    for (const { message, fault } of entries) {
      countUnder(counters.quarantined, fault.code);
      this.#report.say(fault, message);
      this.#settle(message.seq);
    }
  }

  #settle(seq: number): void {
    this.#deps.log.settle(seq, seq);
    this.#work.finish(seq, seq);
  }
}
