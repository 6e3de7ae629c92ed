import { sleep } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Interval, IntervalSet } from "../lib/intervals.ts";
import { FaultThrottle, type Log } from "../lib/log.ts";
import { Wakeup } from "../lib/wakeup.ts";
import { type Beat, idleWaitMs } from "../lib/pulse.ts";
import { commitDueInMs, stallCount } from "./commit-policy.ts";
import { Chores, type Stored } from "./chores.ts";
import type { Journal } from "./journal.ts";
import { Losses } from "./losses.ts";
import { contentBytes, countWithin, type IncomingMessage, type JournalMessage } from "./message.ts";
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
  readonly #chores: Chores;
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
  readonly #throttle = new FaultThrottle(repeatFaultMs);
  readonly #losses: Losses;
  #trouble: Fault | undefined;

  constructor(deps: CommitterDeps) {
    this.#deps = deps;
    this.#chores = new Chores(deps.journal, deps.clock, () => {
      this.#work.notify();
    });
    this.#losses = new Losses(deps.journal);
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

  /** Of the quota, which a full disk makes smaller. */
  get #groupBytes(): number {
    return this.#deps.journal.groupBytes;
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
    const dueMs = this.#deps.clock.uptimeMs() + (mayWait ? lazySettlementDelayMs : settlementDelayMs);
    if (this.#settlementDueMs !== undefined && this.#settlementDueMs <= dueMs) return;
    this.#settlementDueMs = dueMs;
    this.#work.notify();
  }

  /** Messages from `seq` on do not leave the journal with age, settled or not. */
  keepFrom(seq: number): void {
    this.#deps.journal.keepFrom(seq);
  }

  /**
   * Puts messages back into the log, in transactions of their own that no group waits for; after each one `each`
   * is told. Resolves when all are durable. Rejects with a fault (journal_full, journal_busy) when the rest could
   * not be stored, and with the signal's reason when stopping: what `each` was not told of, the caller keeps.
   */
  async requeue(messages: readonly JournalMessage[], each?: Stored): Promise<JournalMessage[]> {
    return messages.length === 0 ? [] : await this.#chores.requeue(messages, each);
  }

  /**
   * Messages of these runs that are settled and still in the log are owed again. Resolves with their number when that
   * is durable; rejects like `requeue`, and then some of them may be owed again all the same.
   */
  async unsettleAll(runs: readonly Interval[]): Promise<number> {
    return await this.#chores.unsettleAll(runs);
  }

  /** Commits until aborted; then once more, so that what was submitted is durable and acknowledged. */
  async run(signal: AbortSignal, beat?: Beat): Promise<void> {
    try {
      await this.#run(signal, beat);
      this.#chores.end(signal.reason);
    } catch (error) {
      this.#chores.end(error);
      throw error;
    }
  }

  async #run(signal: AbortSignal, beat?: Beat): Promise<void> {
    let failures = 0;
    for (;;) {
      beat?.();
      const version = this.#work.version;
      this.#draining = signal.aborted;
      const dueInMs = this.#dueInMs();
      const choreDueInMs = signal.aborted ? undefined : this.#chores.dueInMs(dueInMs);
      if (choreDueInMs === 0) {
        await this.#doChore();
        continue;
      }
      if (dueInMs === undefined || dueInMs > 0) {
        if (signal.aborted) return;
        const waitMs = idleWaitMs(beat, earlier(dueInMs, choreDueInMs));
        await this.#work.changedSince(version, signal, waitMs);
        continue;
      }
      try {
        this.#commit();
        failures = 0;
        this.#trouble = undefined;
        await this.#announce();
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

  async #doChore(): Promise<void> {
    this.#tail.push(this.#chores.step());
    // It saves what was settled, too.
    if (!this.#deps.journal.hasUnsavedSettlement) this.#settlementDueMs = undefined;
    this.#afterWriting();
    await this.#announce();
  }

  #afterWriting(): void {
    this.#losses.tell((fault, key) => this.#sayFault(fault, key));
    this.#deps.journal.checkpointWhenDue();
  }

  /**
   * Others get their turn between two commits, however soon the next is due. PUBACKs leave in it, before anybody
   * looks at the messages: a message that kills its reader must not come again.
   */
  async #announce(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#deps.committed.notify();
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
    return earlier(messagesDue, settleDue);
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
    const stored = journal.commit(group.map(({ message }) => message));
    this.#lastEndMs = clock.uptimeMs();
    this.#lastTookMs = this.#lastEndMs - startMs;
    this.#recentTookMs = [...this.#recentTookMs.slice(-3), this.#lastTookMs];
    this.#waiting = this.#waiting.slice(group.length);
    for (const { bytes } of group) this.#waitingBytes -= bytes;
    this.#settlementDueMs = undefined;
    this.#tail.push(stored);
    for (const { committed } of group) committed();
    this.relieved.notify();
    this.#afterWriting();
  }

  /** What waits, oldest first; of a flood only as much as one transaction should hold, but at least one. */
  #group(): readonly Waiting[] {
    const sizes = this.#waiting.values().map(({ bytes }) => bytes);
    return this.#waiting.slice(0, countWithin(sizes, this.#groupBytes));
  }

  #sayFault(fault: Fault, key: string): boolean {
    const { clock, log } = this.#deps;
    if (this.#throttle.admit(key, clock.uptimeMs()) === undefined) return false;
    log.fault(fault, { waiting: this.#waiting.length });
    return true;
  }
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
