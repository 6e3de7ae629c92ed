import type { Journal } from "../journal/journal.ts";
import type { JournalMessage } from "../journal/message.ts";
import { firstGap, type Interval } from "../lib/intervals.ts";
import type { State } from "../state/state.ts";
import type {
  BufferLook,
  BufferPage,
  BufferStats,
  ColumnsPage,
  PageQuery,
  RowWait,
} from "../status/buffer-wire.ts";
import { asidePage, journalPage, keptStats, receivedAtMs } from "./buffer-pages.ts";

export interface BufferViewDeps {
  readonly journal: Pick<
    Journal,
    "lastSeq" | "settled" | "backlog" | "evicted" | "evictedMinor" | "read" | "page"
  > & {
    readonly boots: {
      readonly currentKey: number | undefined;
      offsetMs(key: number): number | undefined;
    };
  };
  readonly state: Pick<State, "quarantined" | "letters" | "pendingPurged" | "salvages" | "schema">;
  /** What the journal's files take, and may take. */
  journalSize(): BufferStats["journal"];
  /** What a pending message waits for, as far as that is known. */
  waitOf(message: JournalMessage): RowWait | undefined;
}

const maxPageBytes = 1024 * 1024;
const columnsAtOnce = 5000;

/** The messages that are not in InfluxDB, page by page, for whoever asks. */
export class BufferView implements BufferLook {
  readonly #deps: BufferViewDeps;

  constructor(deps: BufferViewDeps) {
    this.#deps = deps;
  }

  stats(): BufferStats {
    const { journal, state } = this.#deps;
    const { settled, lastSeq } = journal;
    const gone = state.salvages.total;
    const oldest = (found: Interval | undefined): JournalMessage | undefined =>
      found === undefined ? undefined : journal.read(found.lo, found.hi, 1)[0];
    const receivedMs = (message: JournalMessage | undefined): number | undefined =>
      message === undefined ? undefined : receivedAtMs(message, (key) => journal.boots.offsetMs(key));
    const oldestPending = oldest(firstGap([settled], 1, lastSeq));
    const [first] = journal.read(1, lastSeq, 1);
    return {
      pending: {
        count: journal.backlog,
        oldestReceivedMs: receivedMs(oldestPending),
        oldestWait: oldestPending === undefined ? undefined : this.#deps.waitOf(oldestPending),
        evicted: journal.evicted + gone.evicted,
        evictedMinor: journal.evictedMinor + gone.evictedMinor,
        purged: state.pendingPurged,
        unreadable: gone.lost,
      },
      quarantined: keptStats(state.quarantined),
      dead: {
        ...keptStats(state.letters),
        byDatabase: Object.fromEntries(state.letters.countsBy("database")),
      },
      settled: {
        atMost: first === undefined ? 0 : settled.countWithin(first.seq, lastSeq),
        oldestReceivedMs: receivedMs(oldest(first === undefined ? undefined : settled.atOrAfter(first.seq))),
      },
      journal: this.#deps.journalSize(),
    };
  }

  page({ kind, after, count, code, device, sinceMs, untilMs, content }: PageQuery): BufferPage {
    const { journal, state } = this.#deps;
    const size = { maxCount: count, maxBytes: maxPageBytes };
    const filter = { code, device };
    if (kind === "quarantined") return asidePage(state.quarantined.page(filter, after, size), content);
    if (kind === "dead") return asidePage(state.letters.page(filter, after, size), content);
    const page = journal.page({ state: kind, fromMs: sinceMs, untilMs, withPayload: content }, after, count);
    return journalPage(page, {
      hasContent: content,
      currentBootKey: journal.boots.currentKey,
      waitOf: (message) => (kind === "pending" ? this.#deps.waitOf(message) : undefined),
    });
  }

  columns(database: string, after: number): ColumnsPage {
    const all = this.#deps.state.schema.load(database);
    const end = after + columnsAtOnce;
    return { columns: all.slice(after, end), next: end < all.length ? end : undefined };
  }
}
