import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { IntervalSet } from "../lib/intervals.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import { Wakeup } from "../lib/wakeup.ts";
import { type Beat, idleWaitMs } from "../lib/pulse.ts";
import { commitDueInMs, stallCount } from "./commit-policy.ts";
import { evictedFault, unprojectedFault } from "./faults.ts";
import type { Journal } from "./journal.ts";
import { contentBytes, type IncomingMessage, type JournalMessage } from "./message.ts";
import { Tail } from "./tail.ts";

/** A source stops reading its socket above this and goes on below half of it. */
const maxWaitingBytes = 16 * 1024 * 1024;
/** Settlement that no append carries is saved after this time. */
const settlementDelayMs = 5000;
/** …of what may wait for the next commit. */
const lazySettlementDelayMs = 300_000;
const fullRetry = { baseMs: 500, capMs: 10_000 };
/** A full disk must not be filled with lines about it. */
const repeatFaultMs = 60_000;

interface Waiting {
  readonly message: IncomingMessage;
  /** Of topic and payload. */
  readonly bytes: number;
  readonly committed: () => void;
}

export interface CommitterDeps {
  readonly journal: Journal;
  readonly commitIntervalMs: number;
  /** How many waiting messages are committed at once; it can change with the sources that are connected. */
  groupCount(): number;
  /** Above this many waiting messages sources must pause, whatever the broker thinks of receive maximum. */
  readonly maxWaitingCount: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Notified after each commit: there is something to read. */
  readonly committed: Wakeup;
}

/**
 * Group commit: messages wait here until one transaction makes them durable together; then each one's
 * `committed` is called, in the order of submission, which is where PUBACKs come from.
 */
export class Committer {
  readonly #deps: CommitterDeps;
  readonly #tail = new Tail();
  readonly #work = new Wakeup();
  /** Notified when the pressure on sources has ended. */
  readonly relieved = new Wakeup();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #oldestMs = 0;
  #newestMs = 0;
  #lastEndMs = 0;
  #lastTookMs = 0;
  /** The last four. */
  #recentTookMs: readonly number[] = [];
  #settlementDueMs: number | undefined;
  #draining = false;
  readonly #groupBytes: number;
  readonly #throttle = new FaultThrottle(repeatFaultMs);
  /** How many have been said. */
  #evictedSaid: number;
  #unprojectedSaid: number;

  #trouble: Fault | undefined;

  constructor(deps: CommitterDeps) {
    this.#deps = deps;
    this.#groupBytes = deps.journal.groupBytes;
    this.#evictedSaid = deps.journal.evicted;
    this.#unprojectedSaid = deps.journal.unprojected;
  }

  submit(message: IncomingMessage, committed: () => void): void {
    const bytes = contentBytes(message);
    const count = this.#waiting.push({ message, bytes, committed });
    this.#waitingBytes += bytes;
    this.#newestMs = this.#deps.clock.uptimeMs();
    if (count === 1) this.#oldestMs = this.#newestMs;
    // Not for every message: who waits for a stalled flow looks at `#newestMs` when its time is over.
    const mayBeDue =
      count === 1 ||
      count === stallCount ||
      count === this.#deps.groupCount() ||
      this.#waitingBytes >= this.#groupBytes;
    if (mayBeDue) this.#work.notify();
  }

  /** Sources must not submit more until `relieved`. */
  get isUnderPressure(): boolean {
    return this.#waiting.length >= this.#deps.maxWaitingCount || this.#waitingBytes >= maxWaitingBytes;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** How long the last commit blocked, ms. */
  get lastCommitMs(): number {
    return this.#lastTookMs;
  }

  /** Why nothing is committed, and so acknowledged, just now. */
  get trouble(): Fault | undefined {
    return this.#trouble;
  }

  get lastSeq(): number {
    return this.#deps.journal.lastSeq;
  }

  get settled(): IntervalSet {
    return this.#deps.journal.settled;
  }

  get backlog(): number {
    return this.#deps.journal.backlog;
  }

  /** Committed messages with lo ≤ seq ≤ hi, from memory when they are recent, else from the file. */
  read(lo: number, hi: number, maxCount: number): JournalMessage[] {
    return this.#tail.read(lo, hi, maxCount) ?? this.#deps.journal.read(lo, hi, maxCount);
  }

  /**
   * Marks [lo, hi] as done. Saved with the next commit, or a little later when none comes; with `mayWait` not
   * for its own sake for some minutes: a commit costs the flash more than sending a row once more after a crash.
   */
  settle(lo: number, hi: number, mayWait = false): void {
    this.#deps.journal.settle(lo, hi);
    const delayMs = mayWait ? lazySettlementDelayMs : settlementDelayMs;
    const dueMs = this.#deps.clock.uptimeMs() + delayMs;
    if (this.#settlementDueMs !== undefined && this.#settlementDueMs <= dueMs) return;
    this.#settlementDueMs = dueMs;
    this.#work.notify();
  }

  /** Messages from `seq` on do not leave the journal with age, settled or not. */
  keepFrom(seq: number): void {
    this.#deps.journal.keepFrom(seq);
  }

  /** Commits until aborted; then once more, so that what was submitted is durable and acknowledged. */
  async run(signal: AbortSignal, beat?: Beat): Promise<void> {
    let failures = 0;
    for (;;) {
      beat?.();
      const version = this.#work.version;
      this.#draining = signal.aborted;
      const dueInMs = this.#dueInMs();
      if (dueInMs === undefined || dueInMs > 0) {
        if (signal.aborted) return;
        await this.#work.changedSince(version, signal, idleWaitMs(beat, dueInMs));
        continue;
      }
      try {
        this.#commit();
        failures = 0;
        this.#trouble = undefined;
        // Others get their turn between two commits even when the next one is due at once. PUBACKs leave in
        // it, before anybody looks at the messages: a message that kills its reader must not come again.
        await new Promise((resolve) => setImmediate(resolve));
        this.#deps.committed.notify();
      } catch (error) {
        if (!(error instanceof Fault) || error.disposition !== "retry") throw error;
        this.#trouble = error;
        this.#sayFault(error, "full");
        // What waits was not acknowledged: it is the broker's, and stopping need not fail over it.
        if (signal.aborted) return;
        const delayMs = backoffMs({ ...fullRetry, attempt: failures, random: Math.random });
        failures += 1;
        await sleep(delayMs, signal);
      }
    }
  }

  #dueInMs(): number | undefined {
    const nowMs = this.#deps.clock.uptimeMs();
    const settleDue = this.#settlementDueInMs(nowMs);
    if (this.#draining) return this.#waiting.length > 0 || settleDue !== undefined ? 0 : undefined;
    const messagesDue = commitDueInMs(
      {
        waitingCount: this.#waiting.length,
        waitingBytes: this.#waitingBytes,
        oldestMs: this.#oldestMs,
        newestMs: this.#newestMs,
        lastEndMs: this.#lastEndMs,
        usualTookMs: this.#recentTookMs.length === 0 ? 0 : Math.min(...this.#recentTookMs),
      },
      {
        intervalMs: this.#deps.commitIntervalMs,
        groupCount: this.#deps.groupCount(),
        groupBytes: this.#groupBytes,
      },
      nowMs,
    );
    if (messagesDue === undefined) return settleDue;
    return settleDue === undefined ? messagesDue : Math.min(messagesDue, settleDue);
  }

  #settlementDueInMs(nowMs: number): number | undefined {
    if (!this.#deps.journal.hasUnsavedSettlement) return undefined;
    // Others settle too: recovery at the start, and the quota when it evicts.
    this.#settlementDueMs ??= nowMs + settlementDelayMs;
    return Math.max(0, this.#settlementDueMs - nowMs);
  }

  #commit(): void {
    const { journal, clock } = this.#deps;
    const group = this.#group();
    const startMs = clock.uptimeMs();
    const stored = journal.commit(
      group.map(({ message }) => message),
      clock.nowMs(),
    );
    this.#lastEndMs = clock.uptimeMs();
    this.#lastTookMs = this.#lastEndMs - startMs;
    this.#recentTookMs = [...this.#recentTookMs.slice(-3), this.#lastTookMs];
    this.#waiting = this.#waiting.slice(group.length);
    for (const { bytes } of group) this.#waitingBytes -= bytes;
    this.#settlementDueMs = undefined;
    this.#tail.push(stored);
    for (const { committed } of group) committed();
    this.relieved.notify();
    this.#sayLosses();
    journal.checkpointWhenDue();
  }

  /** What waits, oldest first; of a flood only as much as one transaction should hold, but at least one. */
  #group(): readonly Waiting[] {
    let groupBytes = 0;
    const end = this.#waiting.findIndex(({ bytes }, index) => {
      groupBytes += bytes;
      return index > 0 && groupBytes > this.#groupBytes;
    });
    return end === -1 ? this.#waiting : this.#waiting.slice(0, end);
  }

  #sayLosses(): void {
    const { evicted, unprojected } = this.#deps.journal;
    const newlyEvicted = evicted - this.#evictedSaid;
    if (newlyEvicted > 0 && this.#sayFault(evictedFault(newlyEvicted), "evicted")) {
      this.#evictedSaid = evicted;
    }
    const newlyUnprojected = unprojected - this.#unprojectedSaid;
    if (newlyUnprojected > 0 && this.#sayFault(unprojectedFault(newlyUnprojected), "unprojected")) {
      this.#unprojectedSaid = unprojected;
    }
  }

  #sayFault(fault: Fault, key: string): boolean {
    const { clock, log } = this.#deps;
    if (this.#throttle.admit(key, clock.uptimeMs()) === undefined) return false;
    log.fault(fault, { waiting: this.#waiting.length });
    return true;
  }
}
