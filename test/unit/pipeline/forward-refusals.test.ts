/** How refused lines are found, and what becomes of all others in their batch. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { total } from "../../../src/pipeline/counters.ts";
import {
  type Answer,
  type Write,
  delivered,
  refused,
  refusedBatch,
} from "../../support/fakes/scripted-writer.ts";
import { numbersIn, uplink } from "../../support/uplinks.ts";
import { Bench } from "./forward-bench.ts";
import { badLines, naming, unnamed, rowsOf, assertDead } from "./refusing-servers.ts";

describe("a line that is named", () => {
  test("is cut out and dead at once; everything else goes in the next request", async (t) => {
    const bench = new Bench(t);
    bench.commit(10);
    bench.writer.answer = naming(rowsOf(5));
    // The columns are known: nothing has to be fitted anew.
    bench.start({ maxLines: 30 });
    await bench.settled(5000);
    assert.ok(bench.writer.writes.length <= 3, `${bench.writer.writes.length} requests`);
    assertDead(bench.dead, 5);
    const [dead] = bench.dead;
    assert.equal(dead?.fault.code, "write_refused");
    assert.equal(dead.fault.message, "bad tag");
    assert.deepEqual([dead.database, dead.device], ["main", "00000000a0000005"]);
    assert.deepEqual(dead.message, bench.log.read(5, 5, 1)[0], "with the bytes of its message");
    assert.deepEqual([total(bench.counters.deadLines), total(bench.counters.deadMessages)], [1, 0]);
    assert.equal(bench.taken().size, 9);
    assert.equal(bench.writer.taken.size, 29, "its message's other rows too");
    bench.assertAddsUp();
    assert.match(
      bench.logger.lines.find(({ details }) => details?.["code"] === "write_refused")?.message ??
        bench.logger.lines.map(({ message }) => message).join(),
      /device 00000000a0000005, table "uplink", is dead-lettered: bad tag/,
    );
  });

  test("costs one request, and an eighth; an answer that names all costs one", async (t) => {
    for (const [answer, most] of [
      [naming(rowsOf(...Array.from({ length: 40 }, (_, index) => index * 5 + 1))), 1 + 40 + 5 + 2],
      [
        (write: Write): Answer => {
          const lines = badLines(write, (line) => numbersIn(line).some((n) => n % 5 === 1));
          return lines.length === 0 ? delivered : refused({ lines });
        },
        4,
      ],
    ] as const) {
      await t.test(`at most ${most}`, async (each) => {
        const bench = new Bench(each);
        // Its columns are known before, as they are but for the first minute of a database.
        bench.start({ maxLines: 600, maxAgeMs: 100 });
        bench.append(uplink(1000));
        await bench.settled();
        bench.commit(200);
        bench.writer.answer = answer;
        await bench.settled(20_000);
        assert.equal(bench.dead.length, 40);
        assert.ok(bench.writer.writes.length - 1 <= most, `${bench.writer.writes.length} requests`);
        const lines = bench.writer.writes.reduce((sum, write) => sum + write.lines.split("\n").length, 0);
        assert.ok(lines < 18_000, `${lines} lines sent, not 600 with each request`);
        bench.assertAddsUp();
      });
    }
  });

  test("of which nothing remains: its message is settled and counted as dead, after it is durable", async (t) => {
    const bench = new Bench(t);
    bench.append(uplink(1));
    bench.writer.answer = naming(() => true);
    const settle = bench.log.settle.bind(bench.log);
    t.mock.method(bench.log, "settle", (lo: number, hi: number) => {
      assert.equal(bench.dead.length, 3, "nothing is settled before");
      settle(lo, hi);
    });
    bench.start({ maxAgeMs: 100 });
    await bench.settled(10_000);
    assert.deepEqual([...bench.counters.deadMessages], [["write_refused", 1]]);
    assert.deepEqual([...bench.counters.deadLines], [["write_refused", 3]]);
    assert.equal(bench.counters.written, 0);
    bench.assertAddsUp();
  });

  test("by a number that no line has is looked for like one without", async (t) => {
    const bench = new Bench(t);
    bench.commit(8);
    bench.writer.answer = (write) =>
      badLines(write, rowsOf(3)).length === 0
        ? delivered
        : refused({ lines: [{ number: 1000, reason: "what?" }] });
    bench.start({ maxLines: 24 });
    await bench.settled(20_000);
    assertDead(bench.dead, 3);
  });

  test("of everything: the server is spared, and all is accounted for in time", async (t) => {
    const bench = new Bench(t);
    bench.start({ maxLines: 3000, maxAgeMs: 100 });
    bench.append(uplink(5000));
    await bench.settled();
    bench.writer.answer = naming(() => true);
    bench.writer.latencyMs = 1;
    bench.commit(300);
    await bench.time.advance(1000);
    const { length } = bench.writer.writes;
    assert.ok(length > 500 && length < 620, `${length} requests in a second`);
    await bench.settled(60_000);
    assert.equal(bench.dead.length, 900);
    assert.ok(bench.writer.writes.length < 1100, `${bench.writer.writes.length} requests`);
  });

  test("of every uplink: nobody is held up, and the server is asked a bounded number of times", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = naming((line) => line.startsWith("telemetry_"));
    bench.start({ maxAgeMs: 1000, maxLines: 3000 });
    const seconds = 600;
    for (let second = 0; second < seconds; second += 1) {
      bench.commit(3);
      await bench.time.advance(1000);
    }
    await bench.settled(60_000);
    bench.assertTakenOnce(3 * seconds);
    assert.equal(bench.dead.length, 3 * seconds);
    assert.ok(bench.writer.writes.length < 3 * 3 * seconds, `${bench.writer.writes.length} requests`);
  });
});

describe("a line that is not named", () => {
  test("is found by halving, between messages and within one; certain: dead at once", async (t) => {
    const bench = new Bench(t);
    bench.start({ maxLines: 300, maxAgeMs: 100 });
    bench.append(uplink(1000));
    await bench.settled();
    bench.commit(100);
    bench.writer.answer = unnamed(rowsOf(7), true);
    await bench.settled(5000);
    assertDead(bench.dead, 7);
    assert.equal(bench.writer.taken.size, 302);
    // 300 lines: 7 halvings between messages, 2 within one.
    assert.ok(bench.writer.writes.length - 1 <= 1 + 2 * 9, `${bench.writer.writes.length} requests`);
    assert.equal(
      bench.writer.taken.values().every((times) => times === 1),
      true,
      "nothing is sent twice",
    );
    bench.assertAddsUp();
  });

  test("and may be the server's trouble: dead when it was refused alone again later, others having passed", async (t) => {
    const bench = new Bench(t);
    bench.commit(3);
    bench.writer.answer = unnamed(rowsOf(2), false);
    bench.start({ maxLines: 9, maxAgeMs: 100 });
    await bench.time.advance(10_000);
    assert.deepEqual([bench.dead.length, bench.log.backlog, bench.counters.held], [0, 1, 1]);
    assert.equal(bench.writer.taken.size, 8, "the rest of its message is there");
    bench.commit(1);
    await bench.time.advance(250_000);
    const writes = bench.writer.writes.length;
    await bench.settled(50_000);
    assert.equal(bench.writer.writes.length, writes + 1, "that line alone was tried again");
    assertDead(bench.dead, 2);
    bench.assertAddsUp();
  });

  test("is not dead while nothing else passes, however often it is refused", async (t) => {
    const bench = new Bench(t);
    bench.commit(1);
    bench.writer.answer = () => refusedBatch;
    bench.start({ maxAgeMs: 100 });
    await bench.time.advance(24 * 3_600_000);
    assert.deepEqual([bench.dead.length, bench.log.backlog], [0, 1]);
    bench.writer.answer = () => delivered;
    await bench.settled();
    bench.assertTakenOnce(1);
  });
});
