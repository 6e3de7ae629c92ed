/** What a journal must hold, and what may leave it: the promises, in sets of numbers. */
import assert from "node:assert/strict";
import type { Journal } from "../../src/journal/journal.ts";
import type { JournalMessage } from "../../src/journal/message.ts";
import type { Settings } from "./actions.ts";
import { keepMs, type Machine } from "./machine.ts";
import { seen } from "./seen.ts";

/** What a full journal gives up before uplinks. */
export const minorTopics: readonly string[] = [
  "a/device/0102030405060708/event/log",
  "a/device/0102030405060708/event/txack",
  "a/gateway/0102030405060708/event/stats",
];
/** The log is looked through for them by stretches of so many bytes, and the end of the last row. */
const maxStretchBytes = 8 * 4096 + 9100;
/** What of the log is looked through in one commit, at least. */
const rowsLookedThrough = 2048;

interface Row {
  readonly message: JournalMessage;
  /** Real time at which it was received here. */
  readonly sinceMs: number;
}

export class Model {
  readonly #settings: Settings;
  lastSeq = 0;
  evicted = 0;
  evictedMinor = 0;
  /** Since the journal was opened. */
  unprojected = 0;
  keepFrom = Number.MAX_SAFE_INTEGER;
  /** What the file must hold, by seq. */
  readonly rows = new Map<number, Row>();
  settled = new Set<number>();
  /** As a commit has saved it. */
  #saved = new Set<number>();
  readonly #everUnsettled = new Set<number>();
  /** Of each message that was ever in the log, by seq. */
  readonly #sizes: number[] = [0];
  /** As it was when the journal last made room, or could have. */
  #lastSeqThen = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  append(message: JournalMessage, sinceMs: number): void {
    this.lastSeq += 1;
    assert.equal(message.seq, this.lastSeq, "seqs grow by one");
    this.rows.set(message.seq, { message, sinceMs });
    this.#sizes.push(message.payload.length + message.topic.length + 32);
  }

  /** How many of [lo, hi] are owed again. */
  unsettle(lo: number, hi: number): number {
    let count = 0;
    for (let seq = lo; seq <= Math.min(this.lastSeq, hi); seq += 1) {
      if (!this.rows.has(seq)) seen.always.gonePastUnsettling += 1;
      else if (this.settled.delete(seq)) {
        count += 1;
        this.#everUnsettled.add(seq);
      }
    }
    seen.always.unsettled += count;
    return count;
  }

  saved(): void {
    this.#saved = new Set(this.settled);
  }

  /**
   * Takes note of what has left the file: it was settled, or is counted as evicted, and then it was minor, or the
   * oldest.
   */
  left(
    { realMs, wallMs, presentSeqs }: Pick<Machine, "realMs" | "wallMs"> & Present,
    mayEvict: boolean,
  ): void {
    const { isSmall, whenFull } = this.#settings;
    const present = new Set(presentSeqs);
    const missing = [...this.rows.keys()].filter((seq) => !present.has(seq));
    const old = this.#oldSettled(realMs, wallMs);
    if (!isSmall) for (const seq of missing) assert.ok(old.has(seq), `${seq} left early`);
    const lost = missing.filter((seq) => !this.settled.has(seq));
    if (whenFull === "stop_acking" || !isSmall || !mayEvict) assert.deepEqual(lost, []);
    if (lost.length > 0) {
      this.#checkOrder(lost, presentSeqs);
      this.#checkNothingElseWouldDo(present);
      if (missing.length > lost.length) seen.whenFull.evictedAmongSettled += 1;
    }
    this.#lastSeqThen = this.lastSeq;
    const unprojected = missing.filter((seq) => this.settled.has(seq) && seq >= this.keepFrom);
    for (const seq of lost) if (this.#everUnsettled.has(seq)) seen.whenFull.evictedAfterUnsettling += 1;
    this.#forget(missing, lost, unprojected);
  }

  /** Minor ones, from wherever they are; and when these do not do, everything from the beginning. */
  #checkOrder(lost: readonly number[], presentSeqs: readonly number[]): void {
    const uplinks = [...this.rows.keys()].filter((seq) => !this.settled.has(seq) && !this.#isMinor(seq));
    const lostUplinks = lost.filter((seq) => !this.#isMinor(seq));
    assert.deepEqual(lostUplinks, uplinks.slice(0, lostUplinks.length), "the oldest are evicted first");
    const end = lostUplinks.at(-1);
    if (end === undefined) {
      if (presentSeqs.some((seq) => seq < (lost.at(-1) ?? 0))) seen.whenFull.minorFromAmongOthers += 1;
      return;
    }
    const kept = presentSeqs.filter((seq) => seq < end);
    assert.deepEqual(kept, [], "what is settled or minor goes with what is owed beside it");
    if (this.rows.size <= rowsLookedThrough) this.#checkMinorsWentFirst(new Set(presentSeqs));
  }

  /**
   * When uplinks were evicted: nowhere in the log are minor ones left that are owed and more than an eighth of what
   * is, or was, around them; but for a stretch that has lost its beginning, and the last one, which is not full yet.
   * What was owed again after it was settled does not count, nor what has come since room was made.
   */
  #checkMinorsWentFirst(present: ReadonlySet<number>): void {
    let surplus = 0;
    for (let seq = 1; seq <= this.#lastSeqThen; seq += 1) {
      const bytes = this.#sizes[seq] ?? 0;
      const isLeft =
        present.has(seq) && this.#isMinor(seq) && !this.settled.has(seq) && !this.#everUnsettled.has(seq);
      surplus = Math.max(0, surplus + (isLeft ? bytes : 0) - bytes / 8);
      assert.ok(surplus <= 2 * maxStretchBytes, `uplinks were evicted before minor ones at ${seq}`);
    }
    seen.whenFull.minorRuleChecked += 1;
  }

  #isMinor(seq: number): boolean {
    return minorTopics.includes(this.rows.get(seq)?.message.topic ?? "");
  }

  #forget(missing: readonly number[], lost: readonly number[], unprojected: readonly number[]): void {
    this.unprojected += unprojected.length;
    const minorCount = lost.filter((seq) => this.#isMinor(seq)).length;
    this.evicted += lost.length;
    this.evictedMinor += minorCount;
    seen.whenFull.evictedMinor += minorCount;
    for (const seq of lost) this.settled.add(seq);
    for (const seq of missing) this.rows.delete(seq);
    seen.whenFull.unprojected += unprojected.length;
    seen.whenFull.evicted += lost.length;
    if (this.#settings.isSmall) seen.whenFull.roomFromSettled += missing.length - lost.length;
    else seen.withRoom.trimmed += missing.length;
  }

  /** What may leave with age: it is settled, not kept, and has really been there for so long. */
  #oldSettled(realMs: number, wallMs: number): ReadonlySet<number> {
    const old = new Set<number>();
    for (const [seq, { sinceMs, message }] of this.rows) {
      if (!this.settled.has(seq)) continue;
      const isOld = realMs - sinceMs >= keepMs;
      if (!isOld && wallMs - message.receivedMs >= keepMs) seen.withRoom.keptThoughOldByTheWallClock += 1;
      if (isOld && seq < this.keepFrom) old.add(seq);
      else if (isOld) seen.withRoom.keptFromTrim += 1;
    }
    return old;
  }

  /** When messages were evicted that were owed: none that is settled and holds a page of its own is left. */
  #checkNothingElseWouldDo(present: ReadonlySet<number>): void {
    let runBytes = 0;
    for (const [seq, { message }] of this.rows) {
      if (!present.has(seq)) continue;
      const { length } = message.payload;
      runBytes = this.settled.has(seq) ? runBytes + length : 0;
      assert.ok(runBytes === 0 || length < 4096, `${seq} is settled, has pages of its own, and stayed`);
      assert.ok(runBytes < 16 * 4096, `the settled run up to ${seq} stayed`);
    }
  }

  /** What was settled, or owed again, and not saved, is as it was before. Returns seqs whose rows have gone. */
  reopened(): number[] {
    for (const seq of this.#saved) if (!this.settled.has(seq)) seen.always.unsettledAgainAfterCrash += 1;
    for (const seq of this.settled) if (!this.#saved.has(seq)) seen.always.forgotten += 1;
    this.settled = new Set(this.#saved);
    const gone: number[] = [];
    for (let seq = 1; seq <= this.lastSeq; seq += 1) if (!this.rows.has(seq)) gone.push(seq);
    for (const seq of gone) this.settled.add(seq);
    return gone;
  }

  check(journal: Journal, { presentSeqs }: Present): void {
    assert.equal(journal.lastSeq, this.lastSeq);
    assert.equal(journal.evicted, this.evicted);
    assert.equal(journal.evictedMinor, this.evictedMinor);
    assert.equal(journal.unprojected, this.unprojected);
    assert.deepEqual(presentSeqs, [...this.rows.keys()]);
    for (const seq of presentSeqs) assert.equal(journal.settled.has(seq), this.settled.has(seq), `${seq}`);
    // An eviction names the whole run that went, also numbers whose rows had gone before.
    for (const seq of this.settled) assert.ok(journal.settled.has(seq), `${seq} is not settled any more`);
    assert.equal(journal.backlog, presentSeqs.filter((seq) => !this.settled.has(seq)).length);
  }

  /** Each message is what it was, to the last byte. */
  checkContents(journal: Journal): void {
    for (const message of journal.read(0, this.lastSeq, this.lastSeq)) {
      assert.deepEqual(message, this.rows.get(message.seq)?.message);
    }
  }
}

interface Present {
  readonly presentSeqs: readonly number[];
}
