/** A message that is owed again, or was put back into the log, is the event that it was: nothing is learned or told twice. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage, JournalMessage } from "../../../src/journal/message.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { ownSource } from "../../../src/pipeline/own-message.ts";
import { beginningOfTime, logTimeAt } from "../../../src/pipeline/project-time.ts";
import { journalConfig } from "../journal/fixture.ts";
import { conn, minuteMs, received, renamed, startMs, stats, timeMark, uplink } from "./project-events.ts";
import { dataFolder, distinctRows, journalled, live, storedRegistry } from "./project-fixture.ts";

const hourMs = 60 * minuteMs;

/** Two hours of a small farm. */
function farm(): IncomingMessage[] {
  const messages = [received(conn(true), startMs)];
  for (let minute = 0; minute < 120; minute += 10) {
    const atMs = startMs + minute * minuteMs;
    for (const n of [1, 2]) {
      const up = uplink(n, atMs + n * 1000, minute);
      messages.push(received(minute >= 60 && n === 2 ? renamed(up, "the other end") : up, atMs + n * 1000));
    }
    messages.push(received(stats(atMs + 5000), atMs + 5000));
  }
  messages.push(received(conn(false), startMs + hourMs + 7000));
  messages.push(received(conn(true), startMs + hourMs + 9000));
  return messages.toSorted((one, other) => one.receivedMs - other.receivedMs);
}

/** As a person, or the salvage, does to the journal of a daemon that does not run. */
function edit(dir: string, change: (journal: Journal, stored: readonly JournalMessage[]) => void): void {
  const journal = Journal.open(journalConfig(dir), systemClock, "boot-b");
  try {
    change(
      journal,
      journal.read(1, journal.lastSeq, 1_000_000).filter(({ source }) => source !== ownSource),
    );
    journal.commit([timeMark(startMs + 3 * hourMs)]);
  } finally {
    journal.close();
  }
}

interface Known {
  readonly registry: object;
  readonly rows: readonly string[];
}

/** What is known after two lives, with `change` between them. */
async function knownAfter(t: TestContext, change: Parameters<typeof edit>[1]): Promise<Known> {
  const dir = dataFolder(t);
  journalled(dir, farm());
  await live(t, dir);
  edit(dir, change);
  await live(t, dir);
  const { position: _position, ...registry } = storedRegistry(dir);
  assert.ok(distinctRows(dir).length >= 15);
  return { registry, rows: distinctRows(dir) };
}

describe("the log's time", () => {
  const last = { ms: startMs + 30 * 24 * hourMs, uptimeMs: 5000, bootKey: 1 };

  test("is not moved by what is put back, however old it is, and no era begins with it", () => {
    const message = { uptimeMs: 9000, bootKey: 1, again: true } as const;
    assert.deepEqual(logTimeAt(last, message, startMs), { time: last, isNewEra: false });
    assert.deepEqual(logTimeAt(last, message, last.ms + hourMs), { time: last, isNewEra: false });
    const { again: _again, ...first } = message;
    assert.equal(logTimeAt(last, first, startMs).isNewEra, true, "another one does both");
  });

  test("begins with it where a new log begins with it", () => {
    const { time } = logTimeAt(beginningOfTime, { uptimeMs: 9000, bootKey: 1, again: true }, startMs);
    assert.deepEqual(time, { ms: startMs, uptimeMs: 9000, bootKey: 1 });
  });
});

describe("the registry, its rows and the sums of statistics", () => {
  test("do not change with messages that are owed again", async (t) => {
    const undisturbed = await knownAfter(t, () => {});
    const again = await knownAfter(t, (journal) => {
      journal.settle(1, journal.lastSeq);
      assert.ok(journal.unsettle(1, journal.lastSeq) > 38);
    });
    assert.deepEqual(again, undisturbed);
  });

  for (const kind of ["up", "gateway/stats", "gateway/conn"]) {
    test(`do not change with a ${kind} that is put back hours later`, async (t) => {
      const undisturbed = await knownAfter(t, () => {});
      const again = await knownAfter(t, (journal, stored) => {
        const some = stored.filter(({ topic }) => topic === kind);
        assert.ok(journal.requeue(some).length > 2);
      });
      assert.deepEqual(again, undisturbed);
    });
  }
});
