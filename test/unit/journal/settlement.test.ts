/** The set of settled messages and its table. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import Database from "better-sqlite3";
import { Settlement } from "../../../src/journal/settlement.ts";
import { countWork } from "./fixture.ts";

function table(t: TestContext): Database.Database {
  const database = new Database(":memory:");
  t.after(() => {
    database.close();
  });
  database.exec("CREATE TABLE settled (lo INTEGER PRIMARY KEY, hi INTEGER NOT NULL) STRICT");
  return database;
}

const change = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 12 }), fc.boolean())
  .map(([lo, more, isAdded]) => ({ lo, hi: lo + more, isAdded }));
/** Changes between two flushes, and whether the transaction fails that the second one is part of. */
const rounds = fc.array(fc.tuple(fc.array(change, { maxLength: 8 }), fc.boolean()), { maxLength: 8 });

test("after a flush the table holds the set, also when an earlier flush was rolled back", (t) => {
  const database = table(t);
  const fails = new Error("rolled back");
  const seen = { removed: 0, split: 0 };
  fc.assert(
    fc.property(rounds, (made) => {
      database.exec("DELETE FROM settled");
      const settlement = new Settlement(database);
      const model = new Set<number>();
      for (const [changed, isRolledBack] of made) {
        for (const { lo, hi, isAdded } of changed) {
          const before = settlement.set.intervals.length;
          if (isAdded) settlement.add(lo, hi);
          else settlement.remove(lo, hi);
          for (let seq = lo; seq <= hi; seq += 1) {
            if (isAdded) model.add(seq);
            else if (model.delete(seq)) seen.removed += 1;
          }
          if (!isAdded && settlement.set.intervals.length > before) seen.split += 1;
        }
        for (let seq = 1; seq <= 80; seq += 1) assert.equal(settlement.set.has(seq), model.has(seq));
        const flush = database.transaction(() => {
          settlement.flush();
          if (isRolledBack) throw fails;
        });
        if (isRolledBack) assert.throws(flush, fails);
        else {
          flush();
          settlement.flushed();
          assert.equal(settlement.changeCount, 0);
          assert.deepEqual(
            database.prepare("SELECT lo, hi FROM settled ORDER BY lo").all(),
            settlement.set.intervals,
          );
          assert.deepEqual(new Settlement(database).set.intervals, settlement.set.intervals);
        }
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(seen.removed > 0 && seen.split > 0, JSON.stringify(seen));
});

test("a flush writes what has changed, however many intervals there are and however many become one", (t) => {
  const work = countWork(t);
  const database = table(t);
  const settlement = new Settlement(database);
  const flush = (): number => {
    work.statements = 0;
    database.transaction(() => {
      settlement.flush();
    })();
    settlement.flushed();
    return work.statements;
  };
  for (let seq = 1; seq <= 10_000; seq += 2) settlement.add(seq, seq);
  assert.equal(settlement.changeCount, 5000);
  assert.equal(flush(), 5000);
  assert.equal(flush(), 0);
  settlement.add(5001, 5001);
  assert.equal(flush(), 0, "it was settled already");
  for (let seq = 10_001; seq <= 10_100; seq += 2) settlement.add(seq, seq);
  assert.equal(flush(), 50);
  settlement.add(1, 8000);
  assert.equal(flush(), 2);
  assert.equal(settlement.set.countWithin(1, 8000), 8000);
  settlement.remove(4000, 4000);
  assert.equal(flush(), 2, "one interval became two");
  settlement.remove(3000, 5000);
  assert.ok(flush() <= 4);
  settlement.remove(1, 20_000);
  assert.ok(flush() <= 2, "however many intervals that were");
  assert.deepEqual(settlement.set.intervals, []);
  assert.equal(database.prepare("SELECT count(*) FROM settled").pluck().get(), 0);
});
