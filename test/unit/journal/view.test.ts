/** The log as somebody sees it who only looks, while no daemon has it. */
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { PageFilter } from "../../../src/journal/page.ts";
import { JournalView } from "../../../src/journal/view.ts";
import { folder, messages, openJournal } from "./fixture.ts";

test("shows what the journal shows, also of a power cut, and changes no file", (t) => {
  const home = folder(t);
  const journal = openJournal(t, home);
  journal.commit(messages(300));
  journal.settle(1, 120);
  journal.settle(140, 140);
  assert.ok(journal.boots.learnOffset(77));
  journal.commit([]);
  const dir = join(folder(t), "copy");
  cpSync(home, dir, { recursive: true });
  // What it was without power: no index of the WAL.
  rmSync(join(dir, "journal.db-shm"));
  const before = contents(dir);
  const view = JournalView.open(dir, "no such boot");
  t.after(() => {
    view.close();
  });
  const { lastSeq, backlog, evicted, evictedMinor, settled } = view;
  assert.deepEqual(
    [lastSeq, backlog, evicted, evictedMinor, settled.intervals],
    [300, 179, 0, 0, journal.settled.intervals],
  );
  assert.deepEqual(view.read(118, 130, 5), journal.read(118, 130, 5));
  for (const state of ["pending", "settled"] as const) {
    const filter: PageFilter = { state, withPayload: true };
    assert.deepEqual(view.page(filter, 100, 50), journal.page(filter, 100, 50));
  }
  const key = journal.boots.currentKey;
  assert.deepEqual([view.boots.currentKey, view.boots.offsetMs(key)], [undefined, 77]);
  assert.deepEqual(contents(dir), before);
});

function contents(dir: string): Record<string, string> {
  const names = readdirSync(dir).filter((name) => !name.endsWith("-shm"));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name), "base64")]));
}
