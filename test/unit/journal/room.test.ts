import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Journal } from "../../../src/journal/journal.ts";
import { countWork, folder, message, messages, openJournal, range, runCommitter, seqs } from "./fixture.ts";

const small = { maxSizeBytes: 1024 * 1024 };

test("drop_oldest: settled messages of any age go first, and do not count as evicted", (t) => {
  const journal = openJournal(t, folder(t), small);
  journal.commit(messages(40, 10_000));
  journal.settle(1, 10);
  journal.settle(21, 30);
  while (seqs(journal).includes(10)) journal.commit(messages(1, 10_000));
  assert.equal(journal.evicted, 0);
  const present = new Set(seqs(journal));
  for (const seq of range(11, 20)) assert.ok(present.has(seq), `${seq} is owed`);
  while (seqs(journal).includes(30)) journal.commit(messages(1, 10_000));
  assert.equal(journal.evicted, 0);
  for (const seq of [...range(11, 20), ...range(31, 40)]) assert.ok(seqs(journal).includes(seq));
});

test("drop_oldest: then the oldest unsettled ones, counted, settled, and gone for good", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir, small);
  for (let n = 0; n < 300; n += 1) journal.commit(messages(1, 10_000));
  const left = seqs(journal);
  const gone = 300 - left.length;
  assert.ok(gone > 150);
  assert.deepEqual(left, range(gone + 1, 300), "the newest are kept");
  assert.equal(journal.evicted, gone);
  assert.equal(journal.backlog, left.length);
  assert.deepEqual(journal.settled.intervals, [{ lo: 1, hi: gone }]);
  assert.equal(openJournal(t, dir, small).evicted, gone);
});

test("drop_oldest: one step of eviction leaves most of a small journal", (t) => {
  const journal = openJournal(t, folder(t), small);
  let stored = 0;
  while (journal.evicted === 0) {
    journal.commit(messages(1, 5000));
    stored += 1;
  }
  assert.ok(journal.evicted < stored / 4, `${journal.evicted} of ${stored}`);
});

test("drop_oldest: evicted ones that were settled already are not counted", (t) => {
  const journal = openJournal(t, folder(t), small);
  journal.commit(messages(70, 10_000));
  // Every second one: each group that is dropped holds settled and unsettled ones.
  for (let seq = 1; seq <= 70; seq += 2) journal.settle(seq, seq);
  for (let n = 0; n < 90; n += 1) journal.commit(messages(1, 10_000));
  const present = new Set(seqs(journal));
  const lost = range(1, 160).filter((seq) => !present.has(seq) && (seq > 70 || seq % 2 === 0));
  assert.ok(lost.length > 0);
  assert.equal(journal.evicted, lost.length);
});

test("long topics fill the quota, not the disk", (t) => {
  const journal = openJournal(t, folder(t), small);
  const topic = "ü".repeat(30_000);
  const group = Array.from({ length: 5 }, () => message("x", { topic }));
  for (let n = 0; n < 12; n += 1) journal.commit(group);
  assert.ok(journal.evicted > 30, `${journal.evicted}`);
  assert.deepEqual(seqs(journal).slice(-5), range(56, 60));
});

test("what can never fit drops nothing", (t) => {
  const journal = openJournal(t, folder(t), small);
  journal.commit(messages(40, 10_000));
  assert.throws(() => journal.commit(messages(1, 2_000_000)), {
    code: "journal_full",
    disposition: "retry",
    hint: "raise [journal] max_size",
  });
  assert.deepEqual(seqs(journal), range(1, 40));
  assert.equal(journal.evicted, 0);
});

test("stop_acking: nothing is dropped, and it goes on once some have been settled", (t) => {
  const journal = openJournal(t, folder(t), { ...small, whenFull: "stop_acking" });
  const full = { code: "journal_full", disposition: "retry", layer: "journal" };
  let stored = 0;
  assert.throws(() => {
    for (; stored < 1000; stored += 1) journal.commit(messages(1, 10_000));
  }, full);
  assert.ok(stored > 50 && stored < 110);
  assert.throws(() => journal.commit(messages(1, 10_000)), full);
  assert.deepEqual(seqs(journal), range(1, stored));
  assert.equal(journal.lastSeq, stored);
  journal.settle(5, 9);
  assert.equal(journal.commit(messages(1, 10_000))[0]?.seq, stored + 1);
  assert.equal(journal.evicted, 0);
  const present = new Set(seqs(journal));
  for (const seq of [...range(1, 4), ...range(10, stored + 1)]) assert.ok(present.has(seq), `${seq}`);
});

/** As if one database were away that gets every `every`th message, and another had taken the rest. */
function settleAround(journal: Pick<Journal, "settle">, lo: number, hi: number, every: number): void {
  for (let seq = lo; seq <= hi; seq += 1) if (seq % every !== 0) journal.settle(seq, seq);
}

/** Commits small messages, each group settled like that, up to a seq. */
function fillAround(journal: Journal, lastSeq: number, every: number, committed = (): void => {}): void {
  while (journal.lastSeq < lastSeq) {
    const first = journal.lastSeq + 1;
    journal.commit(messages(500, 200));
    committed();
    settleAround(journal, first, journal.lastSeq, every);
  }
}

describe("settled and unsettled messages that alternate", () => {
  const medium = { maxSizeBytes: 8 * 1024 * 1024 };
  /** Rows of 200 bytes that fit, about. */
  const capacity = 30_000;

  test("drop_oldest: settled ones go first, and no commit does more than a bounded amount of work", (t) => {
    const work = countWork(t);
    const journal = openJournal(t, folder(t), medium);
    let largest = { statements: 0, rows: 0 };
    fillAround(journal, 2 * capacity, 2, () => {
      largest = {
        statements: Math.max(largest.statements, work.statements),
        rows: Math.max(largest.rows, work.rows),
      };
      work.statements = 0;
      work.rows = 0;
    });
    // 500 inserted, 500 settled; 8192 looked at, 2,048 rewritten and 1 MiB evicted, when room is made.
    assert.ok(largest.statements < 6000, `${largest.statements} statements`);
    assert.ok(largest.rows < 30_000, `${largest.rows} rows`);
    const left = seqs(journal);
    const owed = left.filter((seq) => seq % 2 === 0);
    assert.deepEqual(
      owed,
      range(1, owed.length).map((n) => journal.lastSeq - 2 * (owed.length - n)),
      "the newest of them",
    );
    assert.equal(journal.evicted, capacity - owed.length);
    // When settled ones went with the oldest only, 17,500 were evicted, and half of the file was settled.
    assert.ok(journal.evicted < 7000, `${journal.evicted} evicted`);
    assert.ok(left.length - owed.length < 1000, "of the last groups, and less than a stretch");
    assert.ok(left.length > capacity / 2, "no more than a step goes at once");
    assert.ok(journal.settled.intervals.length < 1.1 * left.length, "the set keeps no history");
  });

  test("where three of four are settled they leave, because SQLite joins the pages, and nothing is evicted", (t) => {
    const journal = openJournal(t, folder(t), medium);
    fillAround(journal, 2 * capacity, 4);
    assert.equal(journal.evicted, 0);
    assert.ok(journal.backlog >= capacity / 2);
    const present = new Set(seqs(journal));
    for (let seq = 4; seq <= journal.lastSeq; seq += 4) assert.ok(present.has(seq), `${seq} is owed`);
  });

  test("stop_acking: settled ones go, and what was looked at is not looked at again", (t) => {
    const work = countWork(t);
    const journal = openJournal(t, folder(t), { ...medium, whenFull: "stop_acking" });
    const full = { code: "journal_full", disposition: "retry" };
    assert.throws(() => {
      fillAround(journal, 2 * capacity, 2);
    }, full);
    const before = seqs(journal);
    assert.equal(before.filter((seq) => seq % 2 === 0).length, journal.backlog, "nothing that is owed");
    assert.ok(before.length - journal.backlog < 1000, "of the last groups, and less than a stretch");
    const { lastSeq } = journal;
    const refuse = (): number => {
      work.rows = 0;
      assert.throws(() => journal.commit(messages(500, 200)), full);
      return work.rows;
    };
    for (let n = 0; n < 5; n += 1) refuse();
    assert.ok(refuse() < 2000, "500 inserted, 500 settled, none looked at");
    assert.deepEqual(seqs(journal), before);
    // The database is back: what it takes makes the settled runs whole.
    journal.settle(1, 4000);
    assert.equal(journal.commit(messages(500, 200))[0]?.seq, lastSeq + 1);
    assert.equal(journal.evicted, 0);
    const present = new Set(seqs(journal));
    const owed = range(4001, journal.lastSeq).filter((seq) => !journal.settled.has(seq));
    for (const seq of owed) assert.ok(present.has(seq), `${seq} is owed`);
  });

  test("a restart looks at the log a part at a time, and finds the settled run at its end", (t) => {
    const dir = folder(t);
    const mostly = 0.7 * capacity;
    const first = openJournal(t, dir, medium);
    fillAround(first, mostly, 2);
    while (first.lastSeq < capacity) first.commit(messages(500, 200));
    first.settle(mostly + 1, first.lastSeq);
    first.commit([]);
    first.close();
    const work = countWork(t);
    const journal = openJournal(t, dir, medium);
    for (let n = 0; n < 60; n += 1) {
      work.rows = 0;
      journal.commit(messages(100, 200));
      assert.ok(work.rows < 30_000, `${work.rows} rows`);
    }
    // Meanwhile some of the oldest went, no more than the commits needed.
    assert.ok(journal.evicted < capacity / 10, `${journal.evicted} evicted`);
    const present = new Set(seqs(journal));
    assert.ok(!present.has(mostly + 1000), "the run is still there");
    assert.ok(present.has(mostly), "and what comes before it, too");
  });
});

describe("messages that are still to be projected", () => {
  test("leave when nothing else would do, after all other settled ones, and are counted", (t) => {
    const journal = openJournal(t, folder(t), small);
    journal.commit(messages(60, 10_000));
    journal.settle(11, 60);
    journal.keepFrom(31);
    while (seqs(journal).includes(30)) journal.commit(messages(1, 10_000));
    assert.deepEqual([journal.unprojected, journal.evicted], [0, 0]);
    const present = new Set(seqs(journal));
    for (const seq of [...range(1, 10), ...range(31, 60)]) assert.ok(present.has(seq), `${seq} is kept`);
    while (seqs(journal).includes(60)) journal.commit(messages(1, 10_000));
    assert.deepEqual([journal.unprojected, journal.evicted], [30, 0]);
    assert.ok(seqs(journal).includes(1), "settled ones go before those that are owed");
  });

  test("leave from among those that are owed before any of these, and are counted", (t) => {
    const journal = openJournal(t, folder(t), small);
    journal.keepFrom(1);
    while (journal.evicted === 0) {
      const first = journal.lastSeq + 1;
      journal.commit(messages(50, 200));
      settleAround(journal, first, journal.lastSeq, 2);
    }
    const present = seqs(journal);
    assert.equal(journal.unprojected + journal.evicted + present.length, journal.lastSeq);
    const settledLeft = present.filter((seq) => journal.settled.has(seq));
    assert.ok(settledLeft.length < 200, `${settledLeft.length} settled ones are still there`);
  });

  test("leave with the oldest where they are few, and are counted beside them", (t) => {
    const journal = openJournal(t, folder(t), small);
    while (journal.evicted === 0) {
      journal.commit(messages(60, 200));
      for (let n = 0; n < 60; n += 12) journal.settle(journal.lastSeq - n, journal.lastSeq - n);
    }
    assert.equal(journal.unprojected, 0);
    journal.keepFrom(1);
    const [first = 0] = seqs(journal);
    const { evicted } = journal;
    while (seqs(journal)[0] === first) journal.commit(messages(60, 200));
    const gone = (seqs(journal)[0] ?? 0) - first;
    assert.ok(gone > 100, `${gone}`);
    assert.ok(Math.abs(journal.unprojected - gone / 12) <= 1, `${journal.unprojected} of ${gone}`);
    assert.equal(journal.evicted - evicted + journal.unprojected, gone);
  });

  test("stop_acking: leave as well, or what makes them projected could never be committed", (t) => {
    const journal = openJournal(t, folder(t), { ...small, whenFull: "stop_acking" });
    journal.keepFrom(1);
    for (let n = 0; n < 200; n += 1) {
      journal.commit(messages(1, 10_000));
      journal.settle(journal.lastSeq, journal.lastSeq);
    }
    assert.equal(journal.evicted, 0);
    assert.equal(journal.unprojected, 200 - seqs(journal).length);
  });

  test("that had to leave are said, apart from those that were lost", async (t) => {
    const journal = openJournal(t, folder(t), { maxSizeBytes: 1024 * 1024 });
    const run = runCommitter(t, journal);
    run.committer.keepFrom(1);
    for (let n = 0; n < 200; n += 1) {
      run.submit("y".repeat(10_000));
      await run.advance(250);
      run.committer.settle(1, journal.lastSeq);
    }
    assert.ok(journal.unprojected > 50);
    assert.equal(journal.evicted, 0);
    const [said, ...more] = run.log.faults;
    assert.equal(said?.code, "journal_full");
    assert.match(said.message, /\d+ messages that InfluxDB has were dropped before the registry/);
    assert.equal(more.length, 0, "once a minute at most");
    await run.stop();
  });
});
