import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { delivered, hang, refusedBatch, retry } from "../../support/fakes/scripted-writer.ts";
import { junk, numbersIn, uplink } from "../../support/uplinks.ts";
import { Bench, command } from "./forward-bench.ts";

describe("forward", () => {
  test("what is delivered is settled, once; and all of it adds up", async (t) => {
    const bench = new Bench(t);
    bench.commit(40);
    bench.start();
    bench.commit(900);
    bench.append(command(1));
    bench.append(junk(1));
    bench.commit(60);
    await bench.settled();
    bench.assertTakenOnce(1000);
    bench.assertAddsUp();
    assert.equal(bench.counters.written, 1000);
    assert.equal(bench.counters.points, bench.writer.taken.size);
    assert.equal(bench.counters.batches, bench.writer.writes.length);
    assert.deepEqual(
      bench.quarantined.map(({ message }) => message.seq),
      [942],
    );
  });

  test("a batch goes when it is full, by itself when it is old enough, and not before", async (t) => {
    const bench = new Bench(t).start({ maxAgeMs: 1000, maxLines: 30 });
    bench.commit(3);
    await bench.time.advance(990);
    assert.equal(bench.writer.writes.length, 0);
    await bench.time.advance(20);
    assert.equal(bench.writer.writes.length, 1);
    assert.equal(bench.log.backlog, 0);
    bench.commit(10);
    await bench.time.settle();
    assert.equal(bench.writer.writes.length, 2, "ten uplinks of three lines fill it");
    assert.ok((bench.latency.percentileMs(1) ?? 0) >= 1000);
  });

  test("an uplink that alone fills a batch does not wait for the next one", async (t) => {
    const bench = new Bench(t).start({ maxLines: 1, maxAgeMs: 600_000 });
    bench.commit(1);
    await bench.time.settle();
    assert.equal(bench.log.backlog, 0);
  });

  test("at most maxInFlight writes, the backlog never in the last one, fresh ones at once", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => hang;
    bench.commit(3000);
    bench.start({ maxInFlight: 4, maxLines: 30, maxAgeMs: 10 });
    await bench.time.advance(1000);
    assert.equal(bench.writer.inFlight, 3);
    bench.commit(1);
    await bench.time.advance(1000);
    assert.equal(bench.writer.inFlight, 4);
    assert.deepEqual(numbersIn(bench.writer.writes[3]?.lines ?? ""), [3001]);
    bench.commit(100);
    await bench.time.advance(1000);
    assert.equal(bench.writer.mostInFlight, 4);
  });

  test("of a batch that is refused only the bad messages are left alone, for minutes", async (t) => {
    const bench = new Bench(t);
    bench.commit(10);
    bench.writer.answer = ({ lines }) => (numbersIn(lines).includes(5) ? refusedBatch : delivered);
    bench.start({ maxLines: 30 });
    await bench.time.advance(2000);
    assert.equal(bench.counters.held, 1);
    assert.deepEqual(
      [...bench.taken().keys()].sort((a, b) => a - b),
      [1, 2, 3, 4, 6, 7, 8, 9, 10],
    );
    bench.commit(10);
    await bench.time.advance(2000);
    assert.equal(bench.taken().size, 19, "others go on");
    assert.ok(bench.isOpen);
    const writes = bench.writer.writes.length;
    await bench.time.advance(290_000);
    assert.equal(bench.writer.writes.length, writes);
    await bench.time.advance(10_000);
    assert.equal(bench.writer.writes.length, writes + 1, "tried again after five minutes");
    assert.deepEqual([bench.log.backlog, bench.counters.held], [0, 0], "and then it is dead");
    assert.deepEqual(
      bench.dead.map(({ line }) => numbersIn(line)),
      [[5]],
    );
    bench.assertTakenOnce(19);
    bench.assertAddsUp();
    assert.deepEqual(bench.logger.codes, ["write_refused", "write_refused"]);
  });

  test("a server that refuses everything is asked a bounded number of times", async (t) => {
    const bench = new Bench(t);
    bench.commit(1000);
    bench.writer.answer = () => refusedBatch;
    bench.start({ maxLines: 3000 });
    await bench.time.until(() => bench.counters.held === 1000, 10_000, "everything is held");
    assert.ok(bench.writer.writes.length > 64, "it was halved");
    assert.ok(bench.writer.writes.length <= 130, `${bench.writer.writes.length} requests`);
    bench.writer.answer = () => delivered;
    await bench.settled(400_000);
    bench.assertTakenOnce(1000);
  });

  test("nor is it asked for each batch anew", async (t) => {
    const bench = new Bench(t);
    bench.commit(5000);
    bench.writer.answer = () => refusedBatch;
    bench.start({ maxLines: 300 });
    await bench.time.advance(3_600_000);
    // 50 batches every five minutes, and 64 refusals that are looked into, with 720 more in an hour.
    assert.ok(
      bench.writer.writes.length < 50 * 13 + 2 * (64 + 720),
      `${bench.writer.writes.length} requests`,
    );
    assert.equal(bench.log.backlog, 5000);
  });

  test("when the server goes away while a batch is halved, the rest is sent later", async (t) => {
    const bench = new Bench(t);
    bench.commit(8);
    let writes = 0;
    bench.writer.answer = () => {
      writes += 1;
      if (writes === 1) return refusedBatch;
      return writes === 2 ? retry() : delivered;
    };
    bench.start({ maxLines: 24 });
    await bench.settled(120_000);
    bench.assertTakenOnce(8);
  });

  test("undecodable messages wait in the log while there is no room to quarantine them", async (t) => {
    const bench = new Bench(t);
    bench.quarantineIsFull = true;
    bench.append({ ...uplink(1), payload: Buffer.from("garbage") });
    bench.append(uplink(2));
    bench.start();
    await bench.time.advance(5000);
    assert.equal(bench.taken().size, 1, "others go on");
    assert.equal(bench.log.backlog, 1);
    assert.equal(bench.counters.quarantined.size, 0, "counted when it is done");
    assert.deepEqual(bench.logger.codes, ["quarantine_full"]);
    bench.quarantineIsFull = false;
    await bench.settled(60_000);
    assert.equal(bench.quarantined.length, 1);
    bench.assertAddsUp();
  });

  test("copies are settled together with the one that is sent, and counted once", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => hang;
    bench.start();
    bench.append(uplink(1));
    await bench.time.advance(1100);
    bench.append(uplink(1));
    bench.append(uplink(1));
    await bench.time.advance(5000);
    assert.equal(bench.writer.writes.length, 1);
    assert.equal(bench.log.backlog, 3);
    bench.abort();
    await bench.ended;
    assert.equal(bench.log.backlog, 3, "what was given up is settled by nobody");
  });

  test("copies follow through failures and refusals, and nothing is counted twice", async (t) => {
    const bench = new Bench(t);
    let failures = 3;
    bench.writer.answer = () => {
      failures -= 1;
      return failures >= 0 ? refusedBatch : delivered;
    };
    bench.writer.latencyMs = 200;
    bench.start({ maxAgeMs: 10 });
    for (let i = 0; i < 6; i += 1) {
      bench.append(uplink(1, { dr: "fast" }));
      await bench.time.advance(50);
    }
    await bench.settled(2_000_000);
    bench.assertTakenOnce(1);
    bench.assertAddsUp();
    assert.equal(bench.counters.duplicates, 5);
    assert.equal(bench.counters.droppedParts, 1, "counted for what is written, not for each try");
  });

  test("a copy is sent when the quota has taken the one that it followed", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => refusedBatch;
    bench.start({ maxAgeMs: 10 });
    bench.append(uplink(1));
    bench.append(uplink(1));
    await bench.time.advance(100);
    bench.log.evict(1, 1);
    bench.writer.answer = () => delivered;
    await bench.settled(400_000);
    bench.assertTakenOnce(1);
  });

  test("messages that the quota evicted are not looked for again, and stop nobody", async (t) => {
    const bench = new Bench(t);
    bench.commit(2000);
    bench.log.lose(100, 1500);
    bench.log.evict(1600, 1700);
    bench.start();
    await bench.settled();
    bench.assertTakenOnce(99 + 500 - 101);
  });

  test("uplinks wait for the clock in the log, and go when it is released", async (t) => {
    const bench = new Bench(t);
    bench.clockTrust.mayRelease = false;
    bench.start();
    for (let n = 1; n <= 20; n += 1) bench.append({ ...uplink(n), clockTrusted: n % 2 === 0 });
    await bench.time.advance(5000);
    assert.equal(bench.counters.waitingForClock, 10);
    bench.assertTakenOnce(10);
    bench.clockTrust.mayRelease = true;
    bench.activity.notify();
    await bench.settled();
    bench.assertTakenOnce(20);
    assert.equal(bench.counters.waitingForClock, 0);
  });
});

describe("forward stops", () => {
  test("drain sends the open batch and waits for it", async (t) => {
    const bench = new Bench(t).start({ maxAgeMs: 60_000 });
    bench.writer.latencyMs = 500;
    bench.commit(5);
    await bench.time.advance(100);
    let ended = false;
    bench.drain();
    void bench.ended.then(() => (ended = true));
    await bench.time.advance(400);
    assert.deepEqual([bench.writer.inFlight, ended], [1, false]);
    await bench.time.advance(200);
    await bench.ended;
    assert.equal(bench.log.backlog, 0);
    assert.equal(bench.time.timersSet, 0);
  });

  test("drain while InfluxDB is away sends nothing into the wind", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => retry(60_000);
    bench.start({ maxAgeMs: 10 });
    bench.commit(5);
    await bench.time.advance(100);
    bench.commit(5);
    await bench.time.advance(100);
    bench.drain();
    await bench.ended;
    assert.equal(bench.writer.writes.length, 1);
    assert.equal(bench.log.backlog, 10);
  });

  test("abort gives up what is in flight, which stays in the journal", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => hang;
    bench.start({ maxAgeMs: 10 });
    bench.commit(50);
    await bench.time.advance(100);
    bench.drain();
    await bench.time.advance(10_000);
    assert.equal(bench.writer.inFlight, 1);
    bench.abort();
    await bench.ended;
    assert.equal(bench.writer.inFlight, 0);
    assert.equal(bench.log.backlog, 50);
    assert.equal(bench.time.timersSet, 0);
  });

  test("abort before drain ends it too, and does not spin", async (t) => {
    const bench = new Bench(t);
    bench.commit(5000);
    bench.writer.latencyMs = 50;
    bench.start();
    await bench.time.advance(60);
    bench.abort();
    await bench.ended;
    assert.ok(bench.writer.writes.length < 20);
  });

  test("a bug in a write makes run reject, and everything else is given up first", async (t) => {
    const bench = new Bench(t);
    bench.commit(1000);
    bench.writer.answer = ({ number }) => (number === 2 ? { kind: "bug", error: new Error("a bug") } : hang);
    bench.start({ maxLines: 30 });
    await assert.rejects(bench.ended, /a bug/);
    assert.equal(bench.writer.inFlight, 0);
    const reads = bench.log.readCount;
    bench.commit(100);
    await bench.time.advance(10_000);
    assert.deepEqual([bench.log.readCount, bench.time.timersSet], [reads, 0], "nothing goes on");
  });

  test("a bug in the very last write is not swallowed", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => ({ kind: "bug", error: new Error("a late bug") });
    bench.writer.latencyMs = 100;
    bench.start({ maxAgeMs: 60_000 });
    bench.commit(1);
    await bench.time.settle();
    bench.drain();
    await bench.time.advance(200);
    await assert.rejects(bench.ended, /a late bug/);
  });

  test("a log that cannot be read makes run reject", async (t) => {
    const bench = new Bench(t);
    bench.start();
    t.mock.method(bench.log, "read", () => {
      throw new Error("disk I/O error");
    });
    bench.commit(1);
    await assert.rejects(bench.ended, /disk I\/O error/);
  });
});
