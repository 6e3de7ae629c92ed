/** One sequence, on a machine and in the model. */
import assert from "node:assert/strict";
import { type IncomingMessage, type JournalMessage, placeOf } from "../../src/journal/message.ts";
import { Fault } from "../../src/lib/fault.ts";
import type { Action, Settings } from "./actions.ts";
import { hourMs, Machine } from "./machine.ts";
import { minorTopics, Model } from "./model.ts";
import { seen } from "./seen.ts";

export class Run {
  readonly #settings: Settings;
  readonly #machine: Machine;
  readonly #model: Model;
  #sent = 0;
  /** Messages that wait for a commit which succeeds, and when they came. */
  #waiting: { readonly message: IncomingMessage; readonly sinceMs: number }[] = [];
  /** Keys of boots of other files, by their number, which is their offset. */
  readonly #foreign = new Map<number, number>();

  constructor(settings: Settings, root: string) {
    this.#settings = settings;
    this.#machine = new Machine(settings, root);
    this.#model = new Model(settings);
  }

  act(action: Action): void {
    const [kind] = action;
    if (kind === "append") this.#append(action[1], action[2], action[3] ?? 0);
    else if (kind === "commit") this.#commit();
    else if (kind === "settle") this.#settle(action[1], action[2]);
    else if (kind === "settleEvery") this.#settleEvery(action[1], action[2]);
    else if (kind === "unsettle") this.#unsettle(action[1], action[2]);
    else if (kind === "requeue") this.#requeue(action[1], action[2], action[3]);
    else if (kind === "keepFrom") this.#keep(action[1]);
    else if (kind === "read") this.#read(action[1], action[2], action[3]);
    else if (kind === "page") this.#page(action[1], action[2]);
    else if (kind === "wait") this.#machine.wait(action[1]);
    else if (kind === "stepClock") this.#machine.wallMs += action[1] * hourMs;
    else if (kind === "checkpoint") this.#machine.journal.checkpointWhenDue();
    else if (kind === "cutInCommit") this.#cutInCommit(action[1], action[2]);
    else this.#end(action);
  }

  /** The process ends, one way or the other, and another one begins. */
  #end(action: Action): void {
    const [kind] = action;
    if (kind === "reboot") {
      seen.always.reboots += 1;
      this.#machine.reboot(action[1], action[2]);
    } else if (kind === "cutInCheckpoint") {
      if (this.#machine.cutInCheckpoint(action[1]) > 0) seen.always.checkpointsCut += 1;
    } else if (kind === "restart") this.#machine.restart();
    else this.#machine.kill();
    if (kind !== "restart") seen.always.crashes += 1;
    this.#model.unprojected = 0;
    this.#reopened();
  }

  #append(count: number, bytes: number, minorEvery: number): void {
    const { wallMs, uptimeMs, realMs } = this.#machine;
    for (let n = 0; n < count; n += 1) {
      this.#sent += 1;
      const payload = Buffer.alloc(bytes, this.#sent);
      payload.writeUInt32LE(this.#sent);
      const stamps = { receivedMs: wallMs, uptimeMs, clockTrusted: n % 2 === 0 };
      const isMinor = minorEvery > 0 && n % minorEvery === 0;
      const topic = isMinor ? (minorTopics[n % 3] ?? "") : plain.topic;
      this.#waiting.push({ message: { ...plain, ...stamps, topic, payload }, sinceMs: realMs });
    }
  }

  #commit(): void {
    const stored = this.#tryCommit();
    assert.ok(stored !== undefined || this.#settings.isSmall, "there was room");
    if (stored !== undefined) this.#stored(stored);
    this.#model.left(this.#sight(), true);
    if (stored !== undefined) this.#model.saved();
    this.#check();
  }

  #tryCommit(): JournalMessage[] | undefined {
    const { journal } = this.#machine;
    return this.#unlessFull(() => journal.commit(this.#waiting.map(({ message }) => message)));
  }

  #unlessFull(write: () => JournalMessage[]): JournalMessage[] | undefined {
    try {
      return write();
    } catch (error) {
      assert.ok(error instanceof Fault && error.code === "journal_full", String(error));
      assert.equal(this.#machine.journal.lastSeq, this.#model.lastSeq, "a refused commit gives no seq away");
      seen.whenFull.refused += 1;
      return undefined;
    }
  }

  /** What waited is in the log, in the order given. */
  #stored(stored: readonly JournalMessage[]): void {
    assert.equal(stored.length, this.#waiting.length);
    for (const [index, { message, sinceMs }] of this.#waiting.entries()) {
      const one = stored[index];
      assert.ok(one?.payload === message.payload);
      this.#model.append(one, sinceMs);
    }
    this.#waiting = [];
  }

  #settle(from: number, count: number): void {
    const { lastSeq } = this.#model;
    if (lastSeq === 0) return;
    const lo = 1 + (from % lastSeq);
    const hi = Math.min(lastSeq, lo + count);
    this.#machine.journal.settle(lo, hi);
    for (let seq = lo; seq <= hi; seq += 1) this.#model.settled.add(seq);
  }

  /** Every `step`th, as if the others were another database's. */
  #settleEvery(from: number, step: number): void {
    const { lastSeq } = this.#model;
    for (let seq = 1 + (from % (lastSeq + 1)); seq <= lastSeq; seq += step) {
      this.#machine.journal.settle(seq, seq);
      this.#model.settled.add(seq);
    }
  }

  #unsettle(from: number, count: number): void {
    const lo = 1 + (from % (this.#model.lastSeq + 1));
    const expected = this.#model.unsettle(lo, lo + count);
    assert.equal(this.#machine.journal.unsettle(lo, lo + count), expected);
    this.#check();
  }

  /** Messages of this log, or as they were in another one. */
  #requeue(from: number, count: number, boot: number): void {
    const former = this.#former(from, count, boot);
    const stored = this.#unlessFull(() => this.#machine.journal.requeue(former));
    // It has the age of what comes after it, and that may wait already.
    const sinceMs = this.#waiting[0]?.sinceMs ?? this.#machine.realMs;
    assert.ok(stored !== undefined || this.#settings.isSmall, "there was room");
    for (const [index, original] of former.entries()) {
      const message = stored?.[index];
      if (message === undefined) continue;
      const { seq } = message;
      assert.deepEqual(message, { ...original, seq, again: true, firstPlace: placeOf(original) });
      this.#model.append(message, sinceMs);
    }
    this.#model.left(this.#sight(), false);
    if (stored === undefined) seen.whenFull.requeueRefused += 1;
    else {
      this.#model.saved();
      seen.always.requeued += stored.length;
      const [first] = stored;
      if (boot > 0 && first !== undefined) this.#foreign.set(boot, first.bootKey);
    }
    this.#check();
  }

  /** `boot` 0: of the boots that they came in, or of none. */
  #former(from: number, count: number, boot: number): JournalMessage[] {
    const known = [...this.#model.rows.values()];
    const bootKey = boot === 0 ? undefined : this.#adopted(boot);
    return Array.from({ length: count }, (_, n): JournalMessage => {
      const one = known[(from + n) % Math.max(1, known.length)]?.message;
      const stamps = { receivedMs: from * hourMs, uptimeMs: from * 1000, clockTrusted: n % 2 === 0 };
      const made = { ...plain, ...stamps, payload: Buffer.alloc(8 + n, from), seq: from, bootKey: 0 };
      const message = one ?? made;
      return { ...message, bootKey: bootKey ?? message.bootKey };
    });
  }

  #adopted(boot: number): number {
    const foreign = { bootId: `far-${boot}`, offsetMs: boot, isDecided: true };
    const key = this.#machine.journal.boots.adopt(foreign);
    assert.equal(key, this.#foreign.get(boot) ?? key, "a boot keeps its key");
    seen.always.boots += 1;
    return key;
  }

  #keep(seq: number): void {
    this.#model.keepFrom = 1 + (seq % (this.#model.lastSeq + 2));
    this.#machine.journal.keepFrom(this.#model.keepFrom);
  }

  #read(from: number, count: number, maxCount: number): void {
    const lo = from % (this.#model.lastSeq + 2);
    const expected = [...this.#model.rows.keys()].filter((seq) => seq >= lo && seq <= lo + count);
    const found = this.#machine.journal.read(lo, lo + count, maxCount).map(({ seq }) => seq);
    assert.deepEqual(found, expected.slice(0, maxCount));
  }

  #page(from: number, maxCount: number): void {
    const { rows, settled, lastSeq } = this.#model;
    const after = from % (lastSeq + 1);
    for (const state of ["pending", "settled"] as const) {
      const page = this.#machine.journal.page({ state, withPayload: false }, after, maxCount);
      const hi = page.afterSeq ?? lastSeq;
      const isListed = (seq: number): boolean =>
        seq > after && seq <= hi && settled.has(seq) === (state === "settled");
      assert.deepEqual(
        page.entries.map(({ message }) => message.seq),
        [...rows.keys()].filter(isListed),
      );
    }
  }

  /** The power goes in the middle of a commit: it has happened, or it has not. */
  #cutInCommit(percent: number, luck: number): void {
    let stored: JournalMessage[] | undefined;
    const commit = (): void => {
      stored = this.#tryCommit();
    };
    const lost = this.#machine.cutDuring(commit, { percent, luck });
    const hasCommitted = stored !== undefined && this.#hasAll(stored);
    if (lost === 0) assert.equal(hasCommitted, stored !== undefined, "what was synced is there");
    if (stored !== undefined && hasCommitted) this.#stored(stored);
    this.#model.left(this.#sight(), true);
    if (hasCommitted) this.#model.saved();
    seen.always.crashes += 1;
    seen.always.blocksLost += lost;
    seen.always[hasCommitted ? "commitsThatSurvivedTheCut" : "commitsLost"] += 1;
    // These are not counted in the file.
    this.#model.unprojected = 0;
    this.#reopened();
  }

  /** A commit that adds nothing can be told by the settlement that it saved. */
  #hasAll(stored: readonly JournalMessage[]): boolean {
    const { journal } = this.#machine;
    if (stored.length > 0) return journal.lastSeq > this.#model.lastSeq;
    const { settled } = this.#model;
    return this.#machine.presentSeqs().every((seq) => journal.settled.has(seq) === settled.has(seq));
  }

  #reopened(): void {
    const { journal } = this.#machine;
    journal.keepFrom(this.#model.keepFrom);
    assert.deepEqual(journal.openingFaults, []);
    // Somebody who looks for what is owed finds nothing there.
    for (const seq of this.#model.reopened()) journal.settle(seq, seq);
    this.#check();
    this.#model.checkContents(journal);
    for (const [offset, key] of this.#foreign) assert.equal(journal.boots.offsetMs(key), offset);
  }

  #check(): void {
    this.#model.check(this.#machine.journal, this.#sight());
  }

  #sight(): Parameters<Model["left"]>[0] {
    const { realMs, wallMs } = this.#machine;
    return { realMs, wallMs, presentSeqs: this.#machine.presentSeqs() };
  }

  end(): void {
    this.#machine.end();
  }
}

const plain = { source: "s", topic: "t", duplicate: false, retained: false, qos: 1 } as const;
