import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import type { Log } from "../lib/log.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import { type Beat, idleWaitMs } from "../lib/pulse.ts";
import type { JournalMessage } from "../journal/message.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import type { Batch, BatchLimits } from "./batch.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { DecodedEvents } from "./decoded.ts";
import type { Deduplicator } from "./deduplicator.ts";
import { Endpoint } from "./endpoint.ts";
import { FaultReport } from "./fault-report.ts";
import type { LatencyWindow } from "./latency.ts";
import { LeftOutReport } from "./left-out.ts";
import type {
  ClockTrust,
  Destination,
  LineWriter,
  MessageLog,
  Quarantine,
  QuarantinedMessage,
} from "./ports.ts";
import { type PreparedChunk, prepare, type PrepareDeps } from "./prepare.ts";
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
      mayClaim: (seq) => this.#sender.mayClaim(seq),
      destination: deps.destination,
      leftOut: new LeftOutReport((fault) => {
        report.sayAlways(fault);
      }),
      counters: deps.counters,
    };
    this.#work = new Work(deps.log.settled, deps.log.lastSeq);
    this.#endpoint = new Endpoint(deps.clock, deps.random);
    this.#sender = new Sender({ ...deps, report, work: this.#work, endpoint: this.#endpoint });
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
      this.#work.unpark(Infinity, false);
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
    const { parkedCount, waitingForClockCount } = this.#work;
    counters.held += parkedCount - this.#held;
    counters.waitingForClock += waitingForClockCount - this.#waitingForClock;
    this.#held = parkedCount;
    this.#waitingForClock = waitingForClockCount;
  }

  #take(lane: Lane): PreparedChunk | undefined {
    const { log } = this.#deps;
    const keep = this.#endpoint.isOpen ? freshMaxLag : freshAfterOutage;
    if (lane === "fresh") this.#work.skipToFresh(log.lastSeq, keep);
    const first = this.#next(lane, chunkCount);
    if (first === undefined) return undefined;
    let messages = this.#read(first);
    let looked = first.hi - first.lo + 1;
    // Where the messages of several destinations alternate, what one of them left behind is in many pieces.
    while (looked < chunkCount) {
      const next = this.#next(lane, chunkCount - looked);
      if (next === undefined) break;
      messages = [...messages, ...this.#read(next)];
      looked += next.hi - next.lo + 1;
    }
    return prepare(messages, this.#prepareDeps);
  }

  #next(lane: Lane, maxCount: number): Interval | undefined {
    if (lane === "backlog") return this.#work.takeBacklog(maxCount);
    return this.#work.takeFresh(this.#deps.log.lastSeq, maxCount);
  }

  /** What the quota evicted is gone; what is gone must not be looked for again. */
  #read({ lo, hi }: Interval): JournalMessage[] {
    const { log, destination } = this.#deps;
    const count = hi - lo + 1;
    const messages = log.read(lo, hi, count);
    if (messages.length === count || !destination.isDefault) return messages;
    const seqs = new Set(messages.map(({ seq }) => seq));
    for (let seq = lo; seq <= hi; seq += 1) if (!seqs.has(seq)) log.settle(seq, seq);
    return messages;
  }

  /** Finishes what needs no write and adds the rest to the batch; sends it when it is full. */
  async #collect(lane: Lane, open: Batch, chunk: PreparedChunk, abort: AbortSignal): Promise<Batch> {
    const { clock, log, schema } = this.#deps;
    // As it was when the chunk was prepared: it may grow while this waits for a slot.
    const schemaVersion = schema.version;
    if (chunk.quarantined.length > 0) this.#quarantine(chunk.quarantined);
    for (const seq of chunk.done) log.settle(seq, seq);
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
    const { quarantine, counters, clock, log } = this.#deps;
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
      log.settle(message.seq, message.seq);
    }
  }
}

/** The forwarder moves when both lanes do: one that is stuck must not hide behind the other. */
function beatOfBoth(beat: Beat): Readonly<Record<Lane, Beat>> {
  const moved = { fresh: false, backlog: false };
  const beatOf = (lane: Lane) => (): void => {
    moved[lane] = true;
    if (!moved.fresh || !moved.backlog) return;
    moved.fresh = false;
    moved.backlog = false;
    beat();
  };
  return { fresh: beatOf("fresh"), backlog: beatOf("backlog") };
}
