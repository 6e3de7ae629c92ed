/** Lines that are given up, what is too large, and what is owed again afterwards. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { total } from "../../../src/pipeline/counters.ts";
import { delivered, refusedEndpoint, stumbled, tooLarge } from "../../support/fakes/scripted-writer.ts";
import { numbersIn, uplink } from "../../support/uplinks.ts";
import { Bench } from "./forward-bench.ts";
import { naming, unnamed, rowsOf, assertDead } from "./refusing-servers.ts";

describe("what is too large", () => {
  test("is halved, later batches are smaller from the start, and grow again", async (t) => {
    const bench = new Bench(t);
    const limit = 20_000;
    let rejections = 0;
    bench.writer.answer = ({ lines }) => {
      if (Buffer.byteLength(lines) <= limit) return delivered;
      rejections += 1;
      return tooLarge;
    };
    bench.commit(1000);
    bench.start({ maxLines: 3000, maxBytes: 1_000_000, maxInFlight: 2 });
    await bench.settled(10_000);
    const first = rejections;
    assert.ok(first > 0 && first < 30, `${first} were too large`);
    for (let minute = 0; minute < 9; minute += 1) {
      bench.commit(200);
      await bench.time.advance(60_000);
    }
    assert.equal(rejections, first, "nothing was too large again");
    assert.equal(bench.log.backlog, 0);
    bench.writer.answer = () => delivered;
    await bench.time.advance(700_000);
    for (let round = 0; round < 8; round += 1) {
      bench.commit(10);
      await bench.time.advance(2000);
    }
    const writes = bench.writer.writes.length;
    bench.commit(900);
    await bench.settled();
    assert.ok(bench.writer.writes.length - writes <= 3, "as large as before");
    assert.equal(bench.dead.length, 0);
  });

  test("of one line is dead with its size, and batches stay as they are", async (t) => {
    const bench = new Bench(t);
    bench.start({ maxLines: 3000, maxAgeMs: 100 });
    bench.commit(200);
    bench.append(uplink(700, { object: { log: "x".repeat(3000) } }));
    bench.commit(200);
    bench.writer.answer = ({ lines }) =>
      lines.split("\n").some((line) => line.length > 2500) ? tooLarge : delivered;
    await bench.settled(20_000);
    const [dead, ...others] = bench.dead;
    assert.deepEqual(others, []);
    assert.equal(dead?.fault.code, "write_line_too_large");
    assert.match(dead.fault.message, /^the line alone, of 3\d\d\d bytes, is too large: write_too_large$/);
    bench.assertTakenOnce(401);
    const writes = bench.writer.writes.length;
    bench.commit(100);
    await bench.settled();
    assert.ok(bench.writer.writes.length - writes <= 2, "not in crumbs");
  });
});

describe("dead letters", () => {
  test("wait with their message while there is no room for them, and that is said; others go on", async (t) => {
    const bench = new Bench(t);
    bench.quarantineIsFull = true;
    bench.commit(5);
    bench.writer.answer = naming(rowsOf(2));
    bench.start({ maxAgeMs: 100 });
    await bench.time.advance(25_000);
    assert.deepEqual([bench.log.backlog, bench.counters.held, bench.dead.length], [1, 1, 0]);
    assert.equal(bench.taken().size, 4);
    assert.deepEqual(bench.logger.codes, ["quarantine_full"]);
    assert.equal(total(bench.counters.deadLines), 0, "counted when it is done");
    bench.quarantineIsFull = false;
    await bench.settled(60_000);
    assertDead(bench.dead, 2);
    bench.assertAddsUp();
  });

  test("are kept without their bytes when the quota has taken the message meanwhile", async (t) => {
    const bench = new Bench(t);
    bench.commit(3);
    const answer = naming(rowsOf(2));
    bench.writer.answer = (write) => {
      bench.log.lose(2, 2);
      return answer(write);
    };
    bench.writer.latencyMs = 10;
    bench.start({ maxAgeMs: 100 });
    await bench.settled(5000);
    const [dead] = bench.dead;
    assert.deepEqual([dead?.message.seq, dead?.message.payload.length], [2, 0]);
    assert.equal(dead?.message.topic, uplink(2).topic);
  });

  test("are not made twice when the rest of their message fails in passing", async (t) => {
    const bench = new Bench(t);
    bench.commit(5);
    const answer = naming(rowsOf(1, 2, 3));
    bench.writer.answer = (write) => (write.number % 2 === 0 ? stumbled : answer(write));
    bench.start({ maxAgeMs: 100 });
    await bench.settled(600_000);
    assertDead(bench.dead, 1, 2, 3);
    assert.equal(total(bench.counters.deadLines), 3);
    assert.equal(bench.buryings, 3);
    bench.assertAddsUp();
  });

  test("are not made while nobody may write at all", async (t) => {
    const bench = new Bench(t);
    bench.commit(5);
    bench.writer.answer = () => refusedEndpoint;
    bench.start();
    await bench.time.advance(3_600_000);
    assert.deepEqual([bench.dead.length, bench.log.backlog, bench.isOpen], [0, 5, false]);
  });

  test("take copies along: the event is accounted for", async (t) => {
    const bench = new Bench(t);
    bench.writer.latencyMs = 200;
    bench.writer.answer = naming(() => true);
    bench.start({ maxAgeMs: 10 });
    bench.append(uplink(1));
    await bench.time.advance(50);
    bench.append(uplink(1));
    await bench.settled(10_000);
    assert.equal(bench.dead.length, 3);
    assert.equal(bench.counters.duplicates, 1);
    bench.assertAddsUp();
  });
});

describe("messages that are owed again", () => {
  test("are sent once more, oldest first, and are no duplicates of themselves", async (t) => {
    const bench = new Bench(t).start({ maxLines: 30, maxInFlight: 1, maxAgeMs: 100 });
    bench.commit(100);
    await bench.settled();
    const before = bench.writer.writes.length;
    bench.tryAgain(11, 60);
    await bench.settled();
    const again = bench.writer.writes.slice(before).flatMap(({ lines }) => numbersIn(lines));
    assert.deepEqual(
      again,
      Array.from({ length: 50 }, (_, index) => index + 11),
    );
    bench.append(uplink(20));
    await bench.settled();
    assert.equal(bench.counters.duplicates, 1, "a real copy still is one");
  });

  test("leave alone what is on its way or waits", async (t) => {
    const bench = new Bench(t);
    bench.writer.latencyMs = 500;
    bench.writer.answer = unnamed(rowsOf(3), false);
    bench.start({ maxAgeMs: 100 });
    bench.commit(4);
    await bench.time.advance(300);
    bench.tryAgain(1, 4);
    await bench.time.advance(20_000);
    assert.equal(
      bench.writer.taken.values().every((times) => times === 1),
      true,
      "nothing is sent twice",
    );
    const writes = bench.writer.writes.length;
    bench.tryAgain(3, 3);
    await bench.time.advance(20_000);
    assert.equal(bench.writer.writes.length, writes, "it was refused a moment ago");
    bench.tryAgain(1, 1);
    await bench.time.advance(5000);
    assert.deepEqual([bench.taken().get(1), bench.log.backlog], [2, 1]);
  });
});
