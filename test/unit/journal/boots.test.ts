/** The machine's running time goes on over reboots, so that what is old leaves in time. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Journal } from "../../../src/journal/journal.ts";
import type { JournalMessage } from "../../../src/journal/message.ts";
import { folder, hourMs, ManualClock, message, openJournal, seqs } from "./fixture.ts";

const keptMs = 72 * hourMs;
const minuteMs = 60_000;

/** The same journal in another boot of the machine, which has been up for so long. */
function boot(t: TestContext, dir: string, bootId: string, upMs: number): Journal {
  const clock = new ManualClock();
  clock.sinceBootMs = upMs;
  return openJournal(t, dir, { keepSettledMs: keptMs }, { clock, bootId });
}

function putBack(count: number, bootKey: number, uptimeMs: number): JournalMessage[] {
  return Array.from({ length: count }, (_, index) => {
    return { ...message("x", { uptimeMs }), seq: index + 1, bootKey };
  });
}

/** Five settled messages, received when the machine was up for 100 hours. */
function old(t: TestContext, dir: string): Journal {
  const journal = boot(t, dir, "boot-a", 100 * hourMs);
  journal.commit(Array.from({ length: 5 }, () => message("x", { uptimeMs: 100 * hourMs })));
  journal.settle(1, 5);
  journal.commit([]);
  return journal;
}

test("messages that were put back at the log's end do not make the time before them short", (t) => {
  const dir = folder(t);
  const journal = old(t, dir);
  journal.requeue(putBack(1, journal.boots.currentKey, 1000));
  journal.close();
  boot(t, dir, "boot-b", keptMs - minuteMs).commit([]);
  assert.deepEqual(seqs(boot(t, dir, "boot-b", keptMs - minuteMs)), [1, 2, 3, 4, 5, 6], "not too early");
  const later = boot(t, dir, "boot-b", keptMs + minuteMs);
  later.commit([]);
  assert.deepEqual(seqs(later), [6]);
});

test("nor does a boot of which there are no others", (t) => {
  const dir = folder(t);
  old(t, dir).close();
  const second = boot(t, dir, "boot-b", hourMs);
  second.requeue(putBack(1000, second.boots.currentKey, 1000));
  second.close();
  const third = boot(t, dir, "boot-c", keptMs + minuteMs);
  third.commit([]);
  assert.equal(seqs(third)[0], 6);
});
