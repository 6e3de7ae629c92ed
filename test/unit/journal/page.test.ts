/** The log as a list that is leafed through. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Journal } from "../../../src/journal/journal.ts";
import type { JournalPage, PageFilter } from "../../../src/journal/page.ts";
import { countWork, folder, message, messages, openJournal, range, startMs } from "./fixture.ts";

const pending: PageFilter = { state: "pending", withPayload: false };
const settled: PageFilter = { state: "settled", withPayload: false };

function pages(journal: Journal, filter: PageFilter, maxCount = 100): JournalPage[] {
  const all: JournalPage[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = journal.page(filter, after, maxCount);
    all.push(page);
    after = page.afterSeq;
  }
  return all;
}

function listed(journal: Journal, filter: PageFilter, maxCount = 100): number[] {
  return pages(journal, filter, maxCount).flatMap(({ entries }) => entries.map((entry) => entry.message.seq));
}

test("all pages together are the messages of that state, each once and in order", (t) => {
  const journal = openJournal(t, folder(t));
  assert.deepEqual(listed(journal, pending), []);
  journal.commit(messages(300));
  for (let seq = 10; seq <= 290; seq += 7) journal.settle(seq, seq + (seq % 5));
  const isSettled = (seq: number): boolean => journal.settled.has(seq);
  for (const maxCount of [1, 13, 1000]) {
    assert.deepEqual(
      listed(journal, pending, maxCount),
      range(1, 300).filter((seq) => !isSettled(seq)),
    );
    assert.deepEqual(listed(journal, settled, maxCount), range(1, 300).filter(isSettled));
  }
  const sizes = pages(journal, pending, 13).map(({ entries }) => entries.length);
  assert.ok(Math.max(...sizes) === 13);
});

test("by source and by time of receipt", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(
    range(1, 20).map((n) => message("", { source: n % 2 === 0 ? "even" : "odd", receivedMs: startMs + n })),
  );
  const filter = { ...pending, source: "even", fromMs: startMs + 4, untilMs: startMs + 10 };
  assert.deepEqual(listed(journal, filter, 2), [4, 6, 8]);
  assert.deepEqual(listed(journal, { ...pending, source: "other" }), []);
});

test("payloads come only when they are wanted, and no page has more than a mebibyte of them and one", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(messages(30, 100_000));
  const [bare] = journal.page(pending, 0, 1).entries;
  assert.deepEqual([bare?.message.payload.length, bare?.payloadBytes], [0, 100_000]);
  const whole = pages(journal, { ...pending, withPayload: true });
  assert.deepEqual(
    whole.map(({ entries }) => entries.length),
    [11, 11, 8],
  );
  const [first] = whole[0]?.entries ?? [];
  assert.deepEqual(first?.message, journal.read(1, 1, 1)[0]);
  assert.equal(first?.payloadBytes, 100_000);
});

test("a call looks at a bounded part of the log, be there few that match or many short stretches", (t) => {
  const work = countWork(t);
  const journal = openJournal(t, folder(t));
  for (let n = 0; n < 10; n += 1) journal.commit(messages(1000, 10));
  const most = (filter: PageFilter): number => {
    let rows = 0;
    for (let after: number | undefined = 0; after !== undefined;) {
      work.rows = 0;
      work.statements = 0;
      after = journal.page(filter, after, 1000).afterSeq;
      rows = Math.max(rows, work.rows + work.statements);
    }
    return rows;
  };
  const rare = { ...pending, source: "nobody" };
  assert.ok(most(rare) <= 2001, `${most(rare)}`);
  for (let seq = 1; seq <= 10_000; seq += 2) journal.settle(seq, seq);
  assert.ok(most(rare) <= 4001, `${most(rare)}`);
  assert.ok(most({ ...settled, source: "nobody" }) > 1000);
});

test("stretches whose rows have left are passed over", (t) => {
  const journal = openJournal(t, folder(t), { maxSizeBytes: 1024 * 1024 });
  journal.commit(messages(60, 10_000));
  journal.settle(11, 50);
  while (journal.read(11, 50, 100).length > 5) journal.commit(messages(1, 10_000));
  assert.deepEqual(
    listed(journal, settled, 3),
    journal.read(11, 50, 100).map(({ seq }) => seq),
  );
});
