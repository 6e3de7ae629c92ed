import { setImmediate as turn } from "node:timers/promises";
import type { Committer } from "../journal/committer.ts";
import type { Journal } from "../journal/journal.ts";
import type { JournalMessage } from "../journal/message.ts";
import type { Clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import type { Log } from "../lib/log.ts";
import type { KeptRow } from "../state/pages.ts";
import type { State } from "../state/state.ts";
import type {
  ActionResult,
  BufferActions,
  BufferPage,
  BufferStats,
  ColumnsPage,
  PageQuery,
} from "../status/buffer-wire.ts";
import { BufferView, type BufferViewDeps } from "./buffer-view.ts";
import { Turns } from "./turns.ts";

export interface BufferDeps extends BufferViewDeps {
  readonly journal: BufferViewDeps["journal"] & Pick<Journal, "id">;
  /** Writes to the journal, beside what arrives. */
  readonly committer: Pick<Committer, "settle" | "unsettleAll" | "requeue">;
  readonly state: BufferViewDeps["state"] & Pick<State, "countPendingPurged">;
  /** These are owed again: forwarders look at them once more. */
  tryAgain(intervals: readonly Interval[]): void;
  /** Codes whose messages this process would not decode: to put them back would be in vain. */
  readonly spared: ReadonlySet<string>;
  /** The process is about to end, and what was asked of the committer is given up for that. */
  isEnding(): boolean;
  readonly clock: Clock;
  readonly logger: Log;
}

/** What is held in memory while it goes into the journal. */
const maxGroupCount = 128;
const maxGroupBytes = 512 * 1024;
/** An answer is given before whoever asked has lost his patience; the rest is asked for again. */
const maxActionMs = 3000;
/** In one turn of the event loop, whose rows may have 256 KiB each. */
const purgedAtOnce = 64;

const nothing = { handled: 0, messages: 0, rows: 0, withoutBytes: 0, spared: 0, fault: undefined };

/**
 * The messages that are not in InfluxDB, for whoever asks: what there is, page by page, and what is to become of
 * them, by their keys. One action at a time, in bounded parts, each written when it makes no group commit wait.
 *
 * Each message is at any moment in at least one place: it is durable in the journal before it leaves state.db,
 * and counted before it is purged. After a crash in between it is in both, where the copy lands on the same
 * points; or it is counted and still there.
 */
export class MessageBuffer implements BufferActions {
  readonly #deps: BufferDeps;
  readonly #view: BufferView;
  readonly #turns = new Turns();

  constructor(deps: BufferDeps) {
    this.#deps = deps;
    this.#view = new BufferView(deps);
  }

  stats(): BufferStats {
    return this.#view.stats();
  }

  page(query: PageQuery): BufferPage {
    return this.#view.page(query);
  }

  columns(database: string, after: number): ColumnsPage {
    return this.#view.columns(database, after);
  }

  async requeue(kind: "quarantined" | "dead", keys: readonly number[]): Promise<ActionResult> {
    return await this.#act("back into the journal", kind, async (total, isTime) => {
      while (total.handled < keys.length && isTime()) {
        const group = this.#group(kind, keys.slice(total.handled));
        await this.#putBack(kind, group.returned, total);
        total.withoutBytes += group.withoutBytes;
        total.spared += group.spared;
        total.handled += group.handled;
      }
    });
  }

  async resend(keys: readonly number[]): Promise<ActionResult> {
    const { committer } = this.#deps;
    return await this.#act("sent again", "settled", async (total) => {
      const runs = runsOf(keys);
      total.messages = await committer.unsettleAll(runs);
      this.#deps.tryAgain(runs);
      total.handled = keys.length;
      total.rows = total.messages;
    });
  }

  async purge(kind: "pending" | "quarantined" | "dead", keys: readonly number[]): Promise<ActionResult> {
    const { letters, quarantined } = this.#deps.state;
    return await this.#act("purged", kind, async (total, isTime) => {
      while (total.handled < keys.length && isTime()) {
        const part = keys.slice(total.handled, total.handled + purgedAtOnce);
        if (kind === "pending") total.rows += this.#purgePending(part);
        else total.rows += (kind === "dead" ? letters : quarantined).remove(part, true);
        total.messages = total.rows;
        total.handled += part.length;
        await turn();
      }
    });
  }

  /** `what` is for the log, which is told of everything that was done. A fault ends it; what was done is done. */
  async #act(
    what: string,
    kind: string,
    act: (total: Total, isTime: () => boolean) => Promise<void>,
  ): Promise<ActionResult> {
    const { clock, logger } = this.#deps;
    const result = await this.#turns.take(async (): Promise<ActionResult> => {
      const total: Total = { ...nothing };
      const startMs = clock.uptimeMs();
      let fault: Fault | undefined;
      try {
        await act(total, () => clock.uptimeMs() - startMs < maxActionMs);
      } catch (error) {
        if (this.#deps.isEnding()) fault = endingFault();
        else if (error instanceof Fault) fault = error;
        else throw error;
      }
      const { messages, rows, spared, withoutBytes } = total;
      logger.info(`buffer: ${what}`, {
        kind,
        messages,
        rows,
        left: spared + withoutBytes,
        fault: fault?.code,
      });
      if (fault === undefined) return { ...total, fault: undefined };
      const { code, message, hint } = fault;
      return { ...total, fault: { code, message, hint } };
    });
    return result ?? nothing;
  }

  /** From the first key on, as many messages as go in at once. */
  #group(kind: "quarantined" | "dead", keys: readonly number[]): Group {
    const { state, spared } = this.#deps;
    const group = { returned: new Map<string, Returned>(), handled: 0, withoutBytes: 0, spared: 0 };
    let bytes = 0;
    for (const key of keys) {
      if (group.returned.size >= maxGroupCount || bytes >= maxGroupBytes) break;
      group.handled += 1;
      const rows: readonly KeptRow[] =
        kind === "dead" ? state.letters.ofMessage(key) : state.quarantined.ofKey(key);
      const [first] = rows;
      if (first === undefined) continue;
      const id = `${first.journalId} ${first.seq}`;
      if (group.returned.has(id)) continue;
      // The quota may have taken the message before its lines were refused; what came empty is quarantined.
      const whole = rows.find(({ payload }) => kind === "quarantined" || payload.length > 0);
      if (whole === undefined) group.withoutBytes += 1;
      else if (spared.has(whole.code)) group.spared += 1;
      else {
        group.returned.set(id, { message: this.#asReceived(whole), keys: rows.map((row) => row.key) });
        bytes += whole.payload.length;
      }
    }
    return { ...group, returned: [...group.returned.values()] };
  }

  /** As it goes, what is durable in the journal leaves state.db. */
  async #putBack(kind: "quarantined" | "dead", returned: readonly Returned[], total: Total): Promise<void> {
    const { committer, state } = this.#deps;
    const table = kind === "dead" ? state.letters : state.quarantined;
    let done = 0;
    await committer.requeue(
      returned.map(({ message }) => message),
      (stored) => {
        const keys = returned.slice(done, done + stored.length).flatMap((one) => one.keys);
        done += stored.length;
        total.messages += stored.length;
        total.rows += table.remove(keys, false);
      },
    );
  }

  /** Its boot is one of the journal that it was in; in another one it has none. */
  #asReceived(row: KeptRow): JournalMessage {
    const { seq, source, topic, payload, receivedMs, uptimeMs = 0, clockTrusted, retained, firstPlace } = row;
    const bootKey = row.journalId === this.#deps.journal.id ? (row.bootKey ?? 0) : 0;
    const wire = { source, topic, payload, receivedMs, uptimeMs, clockTrusted, retained };
    const message = { ...wire, seq, bootKey, duplicate: false, qos: 1 } as const;
    return firstPlace === undefined ? message : { ...message, firstPlace };
  }

  /** What is on its way to InfluxDB at this moment may arrive all the same. */
  #purgePending(keys: readonly number[]): number {
    const { journal, committer, state } = this.#deps;
    const owed = keys.filter((seq) => seq >= 1 && seq <= journal.lastSeq && !journal.settled.has(seq));
    const runs = runsOf(owed);
    const count = runs.reduce((sum, { lo, hi }) => sum + hi - lo + 1, 0);
    // First: what is gone must have been counted.
    state.countPendingPurged(count);
    for (const { lo, hi } of runs) committer.settle(lo, hi);
    return count;
  }
}

type Total = { -readonly [Name in keyof Omit<ActionResult, "fault">]: number };

interface Returned {
  readonly message: JournalMessage;
  /** Of all rows that it had. */
  readonly keys: readonly number[];
}

interface Group {
  readonly returned: readonly Returned[];
  readonly handled: number;
  readonly withoutBytes: number;
  readonly spared: number;
}

function runsOf(keys: readonly number[]): readonly Interval[] {
  return IntervalSet.of(keys.map((key) => ({ lo: key, hi: key }))).intervals;
}

function endingFault(): Fault {
  return new Fault({
    code: "daemon_ending",
    layer: "host",
    disposition: "retry",
    message: "the daemon is ending: what is left was not done",
    hint: "run the command again: it works with a daemon and without one",
  });
}
