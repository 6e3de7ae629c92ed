/**
 * The journal against a model in memory: any sequence of appending, settling, reading, filling, crashing and
 * reopening. A crash is a copy of the files as they are, without closing: what SQLite has not written into
 * them is not in the copy. On failure fast-check prints seed and path.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as fc from "fast-check";
import type { JournalConfig } from "../../src/journal/config.ts";
import { Journal } from "../../src/journal/journal.ts";
import type { IncomingMessage } from "../../src/journal/message.ts";
import { Fault } from "../../src/lib/fault.ts";

/** In memory where that can be had: fsync has no part in this, and would be nearly all of the time. */
const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "flightline-model-"));
after(() => {
  rmSync(root, { recursive: true, force: true });
});

const hourMs = 3_600_000;
const keepMs = 72 * hourMs;
const smallQuota = 256 * 1024;
let folders = 0;
/** What the sequences together have come across. Every kind must have been seen. */
const seen = {
  evicted: 0,
  evictedAmongSettled: 0,
  refused: 0,
  trimmed: 0,
  crashes: 0,
  forgotten: 0,
  roomFromSettled: 0,
  keptFromTrim: 0,
  unprojected: 0,
};

interface Row {
  readonly text: string;
  readonly receivedMs: number;
}

type Settings = Pick<JournalConfig, "whenFull"> & { readonly isSmall: boolean };

class Run {
  readonly #settings: Settings;
  #dir = "";
  #journal: Journal;
  #nowMs = Date.UTC(2026, 0, 1);
  #sent = 0;
  /** Messages that wait for a commit which succeeds. */
  #waiting: IncomingMessage[] = [];
  #lastSeq = 0;
  #evicted = 0;
  #keepFrom = Number.MAX_SAFE_INTEGER;
  /** Since the journal was opened. */
  #unprojected = 0;
  /** What the file must hold, by seq. */
  readonly #rows = new Map<number, Row>();
  #settled = new Set<number>();
  /** Settled, and saved by a commit. */
  #saved = new Set<number>();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#dir = this.#newFolder();
    this.#journal = this.#open();
  }

  #newFolder(): string {
    folders += 1;
    return join(root, `${folders}`);
  }

  #open(): Journal {
    const { whenFull, isSmall } = this.#settings;
    mkdirSync(this.#dir, { recursive: true });
    const clock = { nowMs: () => this.#nowMs, uptimeMs: () => 0 };
    const config = { dir: this.#dir, commitIntervalMs: 1, keepSettledMs: keepMs, whenFull };
    return Journal.open({ ...config, maxSizeBytes: isSmall ? smallQuota : 2 ** 30 }, clock, "boot");
  }

  append(count: number, bytes: number): void {
    for (let n = 0; n < count; n += 1) {
      this.#sent += 1;
      this.#waiting.push({
        source: "s",
        topic: "t",
        payload: Buffer.from(`${this.#sent} `.padEnd(bytes, ".")),
        receivedMs: this.#nowMs,
        uptimeMs: 0,
        clockTrusted: true,
        duplicate: false,
        retained: false,
        qos: 1,
      });
    }
  }

  /** What is settled and has become old; only that may leave when there is room. */
  #trimmable(): Set<number> {
    const old = new Set<number>();
    for (const [seq, row] of this.#rows) {
      if (!this.#settled.has(seq) || this.#nowMs - row.receivedMs < keepMs) continue;
      if (seq < this.#keepFrom) old.add(seq);
      else seen.keptFromTrim += 1;
    }
    return old;
  }

  commit(): void {
    const trimmable = this.#trimmable();
    let refused = false;
    try {
      const stored = this.#journal.commit(this.#waiting, this.#nowMs);
      stored.forEach(({ seq, payload, receivedMs }, index) => {
        assert.equal(seq, this.#lastSeq + index + 1, "seqs grow by one");
        assert.equal(payload, this.#waiting[index]?.payload, "in the order given");
        this.#rows.set(seq, { text: String(payload), receivedMs });
      });
      assert.equal(stored.length, this.#waiting.length);
      this.#lastSeq += stored.length;
      this.#waiting = [];
    } catch (error) {
      assert.ok(error instanceof Fault && error.code === "journal_full", String(error));
      assert.ok(this.#settings.isSmall, "there was room");
      refused = true;
      seen.refused += 1;
    }
    this.#accountForMissing(trimmable, refused);
    if (!refused) this.#saved = new Set(this.#settled);
    this.check();
  }

  /** What has left the file was settled, or is counted as evicted, and then it was the oldest. */
  #accountForMissing(trimmable: ReadonlySet<number>, refused: boolean): void {
    const present = new Set(this.#journal.read(1, this.#lastSeq, 1e6).map(({ seq }) => seq));
    const missing = [...this.#rows.keys()].filter((seq) => !present.has(seq));
    const lost = missing.filter((seq) => !this.#settled.has(seq));
    const owed = [...this.#rows.keys()].filter((seq) => !this.#settled.has(seq));
    assert.deepEqual(lost, owed.slice(0, lost.length), "the oldest are evicted first");
    if (!this.#settings.isSmall)
      for (const seq of missing) assert.ok(trimmable.has(seq), `${seq} left early`);
    if (this.#settings.whenFull === "stop_acking" || !this.#settings.isSmall) assert.deepEqual(lost, []);
    if (lost.length > 0) {
      const kept = [...present].filter((seq) => seq < (lost.at(-1) ?? 0));
      assert.deepEqual(kept, [], "what is settled goes with what is owed beside it");
      this.#checkNothingElseWouldDo(present);
      if (missing.length > lost.length) seen.evictedAmongSettled += 1;
    }
    const unprojected = missing.filter((seq) => this.#settled.has(seq) && seq >= this.#keepFrom);
    this.#unprojected += unprojected.length;
    seen.unprojected += unprojected.length;
    for (const seq of lost) this.#settled.add(seq);
    this.#evicted += lost.length;
    for (const seq of missing) this.#rows.delete(seq);
    seen.evicted += lost.length;
    if (!this.#settings.isSmall) seen.trimmed += missing.length;
    else seen.roomFromSettled += missing.length - lost.length;
    if (refused) assert.equal(this.#journal.lastSeq, this.#lastSeq, "a refused commit gives no seq away");
  }

  /** When messages were evicted that were owed: none that is settled and holds a page of its own is left. */
  #checkNothingElseWouldDo(present: ReadonlySet<number>): void {
    let runBytes = 0;
    for (const [seq, { text }] of this.#rows) {
      if (!present.has(seq)) continue;
      runBytes = this.#settled.has(seq) ? runBytes + text.length : 0;
      assert.ok(runBytes === 0 || text.length < 4096, `${seq} is settled, has pages of its own, and stayed`);
      assert.ok(runBytes < 16 * 4096, `the settled run up to ${seq} stayed`);
    }
  }

  settle(from: number, count: number): void {
    if (this.#lastSeq === 0) return;
    const lo = 1 + (from % this.#lastSeq);
    const hi = Math.min(this.#lastSeq, lo + count);
    this.#journal.settle(lo, hi);
    for (let seq = lo; seq <= hi; seq += 1) this.#settled.add(seq);
  }

  /** Every `step`th, as if the others were another database's. */
  settleEvery(from: number, step: number): void {
    for (let seq = 1 + (from % (this.#lastSeq + 1)); seq <= this.#lastSeq; seq += step) {
      this.#journal.settle(seq, seq);
      this.#settled.add(seq);
    }
  }

  keepFrom(seq: number): void {
    this.#keepFrom = 1 + (seq % (this.#lastSeq + 2));
    this.#journal.keepFrom(this.#keepFrom);
  }

  read(from: number, count: number, maxCount: number): void {
    const lo = from % (this.#lastSeq + 2);
    const expected = [...this.#rows].filter(([seq]) => seq >= lo && seq <= lo + count).slice(0, maxCount);
    assert.deepEqual(
      this.#journal.read(lo, lo + count, maxCount).map(({ seq, payload }) => [seq, String(payload)]),
      expected.map(([seq, { text }]) => [seq, text]),
    );
  }

  wait(hours: number): void {
    this.#nowMs += hours * hourMs;
  }

  checkpoint(): void {
    this.#journal.checkpointWhenDue();
  }

  /** What waited was never acknowledged: the broker sends it again, so it waits still. */
  crash(): void {
    seen.crashes += 1;
    const crashed = this.#newFolder();
    cpSync(this.#dir, crashed, { recursive: true });
    this.#journal.close();
    rmSync(this.#dir, { recursive: true });
    this.#dir = crashed;
    this.#reopen();
  }

  restart(): void {
    this.#journal.close();
    this.#reopen();
  }

  #reopen(): void {
    this.#journal = this.#open();
    this.#journal.keepFrom(this.#keepFrom);
    this.#unprojected = 0;
    assert.deepEqual(this.#journal.openingFaults, []);
    if (this.#saved.size < this.#settled.size) seen.forgotten += 1;
    // What was settled and not saved is owed again; where its row has gone, a reader finds nothing there.
    this.#settled = new Set(this.#saved);
    this.check();
    for (let seq = 1; seq <= this.#lastSeq; seq += 1) {
      if (this.#rows.has(seq) || this.#settled.has(seq)) continue;
      this.#journal.settle(seq, seq);
      this.#settled.add(seq);
    }
  }

  check(): void {
    assert.equal(this.#journal.lastSeq, this.#lastSeq);
    assert.equal(this.#journal.evicted, this.#evicted);
    assert.equal(this.#journal.unprojected, this.#unprojected);
    const rows = this.#journal.read(0, Number.MAX_SAFE_INTEGER, 1e6);
    assert.deepEqual(
      rows.map(({ seq }) => seq),
      [...this.#rows.keys()],
    );
    for (const { seq, payload } of rows) assert.ok(String(payload) === this.#rows.get(seq)?.text, `${seq}`);
    const settled = this.#journal.settled.intervals.flatMap(({ lo, hi }) =>
      Array.from({ length: hi - lo + 1 }, (_, index) => lo + index),
    );
    const ofModel = [...this.#settled].toSorted((a, b) => a - b);
    // An eviction names the whole run that went, also numbers whose rows had gone before.
    for (const seq of ofModel) assert.ok(this.#journal.settled.has(seq), `${seq} is not settled any more`);
    for (const seq of settled) assert.ok(!this.#rows.has(seq) || this.#settled.has(seq), `${seq} is owed`);
  }

  end(): void {
    this.#journal.close();
    rmSync(this.#dir, { recursive: true });
  }
}

const action: fc.Arbitrary<(run: Run) => void> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12_000 }))
      .map(([count, bytes]) => (run: Run) => {
        run.append(count, bytes);
      }),
  },
  {
    weight: 8,
    arbitrary: fc.constant((run: Run) => {
      run.commit();
    }),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.integer({ min: 50, max: 300 }), fc.integer({ min: 1, max: 400 }))
      .map(([count, bytes]) => (run: Run) => {
        run.append(count, bytes);
        run.commit();
      }),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.nat(5000), fc.integer({ min: 2, max: 9 })).map(([from, step]) => (run: Run) => {
      run.settleEvery(from, step);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.nat(5000).map((seq) => (run: Run) => {
      run.keepFrom(seq);
    }),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.nat(1000), fc.nat(12)).map(([from, count]) => (run: Run) => {
      run.settle(from, count);
    }),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(1000), fc.nat(20), fc.nat(20)).map(([from, count, maxCount]) => (run: Run) => {
      run.read(from, count, maxCount);
    }),
  },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 60 }).map((hours) => (run: Run) => {
      run.wait(hours);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      (run: Run) => {
        run.crash();
      },
      (run: Run) => {
        run.restart();
      },
      (run: Run) => {
        run.checkpoint();
      },
    ),
  },
);

test("no committed message is lost unless evicted and counted, whatever happens in whatever order", () => {
  const settings = fc.record<Settings>({
    isSmall: fc.boolean(),
    whenFull: fc.constantFrom("drop_oldest", "stop_acking"),
  });
  fc.assert(
    fc.property(
      settings,
      fc.array(action, { minLength: 10, maxLength: 40, size: "max" }),
      (chosen, actions) => {
        const run = new Run(chosen);
        try {
          for (const act of actions) act(run);
          run.crash();
        } finally {
          run.end();
        }
      },
    ),
    { numRuns: 300 },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, `no sequence had ${what}`);
});
