import type { Event } from "../chirpstack/event.ts";
import type { JournalMessage } from "../journal/message.ts";
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import type { Result } from "../lib/result.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import { type Beat, idleWaitMs } from "../lib/pulse.ts";
import type { RegistryChanges, StoredRegistry } from "../state/registry-store.ts";
import type { TagSettings } from "../telemetry/settings.ts";
import type { ClockTrust, MessageLog } from "./ports.ts";
import {
  beforeFirstMessage,
  beforeOtherLog,
  projectMessage,
  type ProjectionState,
} from "./project-message.ts";
import { LiveRegistry, type RegistryLimits } from "./project-registry.ts";
import { messagesOf, type OwnRows, type RoutedPoint } from "./project-rows.ts";
import type { OffsetOf } from "./received-time.ts";

/** The log, and how it is told which part of it is still needed. */
interface ProjectedLog extends Pick<MessageLog, "lastSeq" | "read"> {
  /** From this message on, what is settled may still have to be read. */
  keepFrom(seq: number): void;
}

export interface ProjectorDeps {
  readonly log: ProjectedLog;
  readonly journalId: string;
  readonly store: { load(): StoredRegistry; save(changes: RegistryChanges): void };
  readonly events: {
    /** Calls `look` for each message; what kills the process meanwhile is known to the next one. */
    marked(messages: readonly JournalMessage[], look: (message: JournalMessage) => void): void;
    of(message: JournalMessage): Result<Event>;
  };
  readonly rows: OwnRows;
  readonly clockTrust: ClockTrust;
  readonly offsetMs: OffsetOf;
  readonly settings: TagSettings;
  readonly clock: Clock;
  readonly logger: Log;
  /** Notified by commits and by the clock: "look again". */
  readonly activity: Wakeup;
  readonly limits?: RegistryLimits;
}

/** Messages projected between two turns of the event loop. */
const chunkCount = 64;
/**
 * A row costs the flash a page of 4 KiB, whatever has changed in it. A hundred devices that send each ten
 * minutes: 3.6 KB for each uplink when saved every minute, 1.4 KB every five (the journal: 1.6 KB). What a
 * crash forgets is read again in a moment.
 */
const saveEveryMs = 300_000;
/** Rows in one save: one transaction blocks everybody. Without a save nothing more is read then. */
const maxUnsaved = 2000;
/** Messages that are read once more after a crash, at most. */
const maxReplay = 20_000;
const saveRetryMs = 30_000;
/** When stopping, for the rows that must be durable before the save. Without it a few messages are read again. */
const lastSaveWaitMs = 2000;
const repeatFaultMs = 60_000;
const defaultLimits: RegistryLimits = { maxDevices: 20_000, maxGateways: 2000, maxOpenSums: 10_000 };

/**
 * Reads the log in order and keeps what is known of devices and gateways (state.db) up to it; makes the rows
 * that follow from it: `device`, `gateway_stats`, `gateway_event`. They go into the journal as messages.
 *
 * The registry, the sums, the log time and the rows follow from the messages alone, never from when they are
 * read. So the crash rule is short: *a save comes after the commit of every row that was made before it*.
 * Whatever a crash forgets lies behind the position of the last save; read again it gives the same records
 * and the same rows, and a row that was made before lands on itself.
 *
 * That holds for as long as the messages behind the position are there. The log is told after each save from
 * which one on they are needed (`keepFrom`), and heeds it where it can; when it is full, it cannot. Messages
 * that are gone before they were read are a gap: they are counted (`missed`), and the sums that they may
 * belong to are not made, because a row of what is left would take the place of the whole one that was
 * perhaps made before the crash. What devices said in them is not known. A log whose beginning is gone
 * begins with a gap.
 *
 * Time is the log's, too: a sum closes when a message is read that was received after its end, if need be
 * the row that Flightline writes of itself (`[telemetry] node_interval`; less often while the database is
 * away). Were it closed by the wall clock, a message that is on its way into the journal could find it
 * closed, or open when it is read again.
 *
 * Another journal, or one that ends before the position: it is read from its beginning, which is taken for a
 * gap, and the records that are there are kept.
 */
export class Projector {
  readonly #deps: ProjectorDeps;
  readonly #registry: LiveRegistry;
  readonly #throttle = new FaultThrottle(repeatFaultMs);
  #state: ProjectionState = beforeFirstMessage;
  /** Everything up to here has been read; between the last message and this there was none left. */
  #seq = 0;
  #savedSeq = 0;
  #missed = 0;
  #unsavedSinceMs: number | undefined;
  #retrySaveMs: number | undefined;
  /** Rows were made that will not be submitted, because we are stopping: nothing may be saved any more. */
  #hasLostRows = false;

  constructor(deps: ProjectorDeps) {
    this.#deps = deps;
    const stored = deps.store.load();
    const tagKeys = deps.settings.deviceTags.map(({ key }) => key);
    this.#registry = new LiveRegistry(stored, deps.limits ?? defaultLimits, tagKeys);
    const { position } = stored;
    if (position === undefined) return;
    if (position.journalId !== deps.journalId || position.seq > deps.log.lastSeq) {
      this.#state = beforeOtherLog;
      return;
    }
    const { seq, logTimeMs, uptimeMs, bootKey, sumsFromMs } = position;
    this.#seq = seq;
    this.#savedSeq = seq;
    this.#state = { seq, time: { ms: logTimeMs, uptimeMs, bootKey }, sumsFromMs };
  }

  get deviceCount(): number {
    return this.#registry.deviceCount;
  }

  get gatewayCount(): number {
    return this.#registry.gatewayCount;
  }

  /** Messages of the log that have not been read. */
  get lag(): number {
    return this.#deps.log.lastSeq - this.#seq;
  }

  /** Messages that were gone before they were read; not those before the first one of all. */
  get missed(): number {
    return this.#missed;
  }

  /** Statistics of gateways that are in no row, because others of their sum are gone. */
  get statsLeftOut(): number {
    return this.#registry.statsLeftOut;
  }

  /** `drain`: save and end. `abort`: end without. The journal must go on committing until this has ended. */
  async run(drain: AbortSignal, abort: AbortSignal, beat?: Beat): Promise<void> {
    const stop = AbortSignal.any([drain, abort]);
    this.#deps.log.keepFrom(this.#savedSeq + 1);
    while (!stop.aborted) {
      beat?.();
      const { version } = this.#deps.activity;
      const hasRead = this.#mayRead() && (await this.#readOn(stop, beat));
      const hasSaved = this.#saveDueInMs() === 0 && (await this.#save(stop, beat));
      if (hasRead || hasSaved) await new Promise((resolve) => setImmediate(resolve));
      else await this.#deps.activity.changedSince(version, stop, idleWaitMs(beat, this.#waitMs()));
    }
    if (this.#state.seq > this.#savedSeq) await this.#lastSave(abort);
  }

  /** Without a save memory would grow without end. */
  #mayRead(): boolean {
    return this.#registry.unsavedCount < maxUnsaved;
  }

  /** Projects the next messages and submits their rows. False: there is nothing to read. */
  async #readOn(stop: AbortSignal, beat: Beat | undefined): Promise<boolean> {
    const { log, rows } = this.#deps;
    const { lastSeq } = log;
    if (this.#seq >= lastSeq) return false;
    const found = log.read(this.#seq + 1, lastSeq, chunkCount);
    const messages = this.#timed(found);
    const due = this.#project(messages);
    if (found.length === 0) this.#seq = lastSeq;
    for (const own of messagesOf(due)) {
      if (!(await rows.admitted(stop, beat))) {
        this.#hasLostRows = true;
        return true;
      }
      rows.submit(own);
    }
    return found.length === 0 || messages.length > 0;
  }

  /** Up to the first one whose time cannot be told before the clock is right: they are read in order. */
  #timed(messages: readonly JournalMessage[]): readonly JournalMessage[] {
    if (this.#deps.clockTrust.mayRelease) return messages;
    const untimed = messages.findIndex(({ clockTrusted }) => !clockTrusted);
    return untimed === -1 ? messages : messages.slice(0, untimed);
  }

  #project(messages: readonly JournalMessage[]): RoutedPoint[] {
    const { events, offsetMs, settings, clock } = this.#deps;
    const eventOf = (message: JournalMessage): Result<Event> => events.of(message);
    const deps = { registry: this.#registry, offsetMs, settings, eventOf };
    const due: RoutedPoint[] = [];
    events.marked(messages, (message) => {
      const { seq: lastSeq } = this.#state;
      if (lastSeq > 0) this.#missed += message.seq - lastSeq - 1;
      const { state, rows } = projectMessage(message, this.#state, deps);
      this.#state = state;
      this.#seq = message.seq;
      due.push(...rows);
    });
    if (this.#registry.unsavedCount > 0) this.#unsavedSinceMs ??= clock.uptimeMs();
    return due;
  }

  /** Undefined: there is nothing to save. */
  #saveDueInMs(): number | undefined {
    const nowMs = this.#deps.clock.uptimeMs();
    const isMuch = !this.#mayRead() || this.#state.seq - this.#savedSeq >= maxReplay;
    if (this.#state.seq <= 0 || (this.#unsavedSinceMs === undefined && !isMuch)) return undefined;
    const dueMs = isMuch ? nowMs : (this.#unsavedSinceMs ?? nowMs) + saveEveryMs;
    return Math.max(0, Math.max(dueMs, this.#retrySaveMs ?? dueMs) - nowMs);
  }

  #waitMs(): number | undefined {
    const dueInMs = this.#saveDueInMs();
    return dueInMs === undefined ? undefined : Math.max(1, dueInMs);
  }

  async #lastSave(abort: AbortSignal): Promise<void> {
    const over = new AbortController();
    const timer = setTimeout(() => {
      over.abort();
    }, lastSaveWaitMs);
    try {
      await this.#save(AbortSignal.any([abort, over.signal]), undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Not before all rows are durable that were made of what it covers. False: it is for later. */
  async #save(stop: AbortSignal, beat: Beat | undefined): Promise<boolean> {
    const { rows, store, journalId, clock, log } = this.#deps;
    if (this.#hasLostRows || !(await rows.allCommitted(stop, beat))) return false;
    const { seq, time, sumsFromMs } = this.#state;
    const unsaved = this.#registry.unsaved();
    const position = {
      journalId,
      seq,
      logTimeMs: time.ms,
      uptimeMs: time.uptimeMs,
      bootKey: time.bootKey,
      sumsFromMs,
    };
    try {
      store.save({ ...unsaved, position });
    } catch (error) {
      if (!(error instanceof Fault) || error.disposition !== "retry") throw error;
      this.#retrySaveMs = clock.uptimeMs() + saveRetryMs;
      this.#say(error);
      return false;
    }
    this.#registry.saved(unsaved);
    this.#savedSeq = seq;
    log.keepFrom(seq + 1);
    this.#unsavedSinceMs = undefined;
    this.#retrySaveMs = undefined;
    return true;
  }

  #say(fault: Fault): void {
    const { clock, logger } = this.#deps;
    if (this.#throttle.admit(fault.code, clock.uptimeMs()) === undefined) return;
    logger.fault(fault, { unsaved: this.#registry.unsavedCount });
  }
}
