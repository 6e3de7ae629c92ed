/** InfluxDB away, for a while or for ever. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { delivered, hang, refusedEndpoint, retry, stumbled } from "../../support/fakes/scripted-writer.ts";
import { numbersIn } from "../../support/uplinks.ts";
import { Bench, command } from "./forward-bench.ts";

const hourMs = 3_600_000;

describe("forward in an outage", () => {
  test("a write that fails in passing is sent again, and arrives once", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = ({ number }) => (number % 3 === 0 ? delivered : retry());
    bench.start();
    bench.commit(2000);
    await bench.settled();
    bench.assertTakenOnce(2000);
    bench.assertAddsUp();
    assert.ok(bench.counters.retries >= 2);
  });

  test("InfluxDB away for long: an attempt each second or two, few wake-ups, nothing lost", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => retry();
    bench.commit(30);
    bench.start();
    await bench.time.advance(600_000);
    const attempts = bench.writer.writes.length;
    // With this random every wait is half of its ceiling, which is 2 s in the end.
    assert.ok(attempts > 250 && attempts < 620, `${attempts} attempts`);
    assert.ok(bench.time.timersFired < 4 * attempts, `${bench.time.timersFired} wake-ups`);
    assert.equal(bench.writer.taken.size, 0);
    assert.equal(bench.log.backlog, 30);
    assert.ok(bench.logger.codes.length <= 10 + 1, "said once a minute at most");
    bench.writer.answer = () => delivered;
    await bench.settled();
    bench.assertTakenOnce(30);
  });

  test("a probe reads one batch from the log, not the backlog; nothing of it stays in memory", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => retry();
    bench.commit(3000);
    bench.start({ maxLines: 300 });
    await bench.time.advance(600_000);
    const attempts = bench.writer.writes.length;
    assert.ok(bench.log.readCount <= attempts * 256 + 2 * 256, `${bench.log.readCount} for ${attempts}`);
    bench.writer.answer = () => delivered;
    await bench.settled();
    bench.assertTakenOnce(3000);
    assert.ok(bench.log.readCount >= 3000 + attempts * 5, "what was sent in the end was read anew");
  });

  test("a link on which large writes fail gets smaller ones, and the backlog drains", async (t) => {
    const bench = new Bench(t);
    bench.commit(3000);
    bench.writer.answer = ({ lines }) => (lines.length > 20_000 ? stumbled : delivered);
    bench.start({ maxLines: 3000 });
    await bench.settled(600_000);
    bench.assertTakenOnce(3000);
    assert.ok(bench.counters.retries < 60, `${bench.counters.retries} writes in vain`);
  });

  test("one uplink on which the server stumbles does not hold up the others", async (t) => {
    const bench = new Bench(t);
    bench.commit(3000);
    bench.writer.answer = ({ lines }) => (numbersIn(lines).includes(7) ? stumbled : delivered);
    bench.start({ maxLines: 3000 });
    await bench.time.until(() => bench.taken().size === 2999, 600_000, "all others");
    for (let i = 0; i < 20; i += 1) {
      bench.commit(10);
      await bench.time.advance(60_000);
    }
    assert.equal(bench.taken().size, 3199, "also those that come later");
    const retries = bench.counters.retries;
    await bench.time.advance(3_600_000);
    assert.ok(bench.counters.retries - retries <= 13, "it is tried every five minutes");
    assert.ok(bench.isOpen);
    bench.writer.answer = () => delivered;
    await bench.settled(600_000);
    bench.assertTakenOnce(3200);
  });

  test("a token that is refused is tried slowly, and nothing is lost", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => refusedEndpoint;
    bench.start();
    bench.commit(50);
    await bench.time.advance(24 * hourMs);
    assert.ok(bench.writer.writes.length < 24 * 24 + 10, `${bench.writer.writes.length} attempts`);
    assert.equal(bench.isOpen, false);
    bench.writer.answer = () => delivered;
    await bench.settled();
    bench.assertTakenOnce(50);
    assert.ok(bench.isOpen);
  });

  test("Retry-After is honoured by both lanes", async (t) => {
    const bench = new Bench(t);
    bench.commit(1000);
    bench.writer.answer = () => retry(120_000);
    bench.start();
    bench.commit(1000);
    await bench.time.advance(2000);
    const first = bench.writer.writes.length;
    assert.ok(first >= 1 && first <= 4, "what was in flight already");
    await bench.time.advance(115_000);
    assert.equal(bench.writer.writes.length, first);
    await bench.time.advance(10_000);
    assert.equal(bench.writer.writes.length, first + 1, "one write probes");
  });

  test("afterwards the newest go first, whichever lane found out, and the backlog drains", async (t) => {
    for (const before of [0, 2000]) {
      await t.test(`${before} waited when it began`, async (t) => {
        const bench = new Bench(t);
        bench.writer.answer = () => retry();
        bench.commit(before);
        bench.start({ maxLines: 60, maxInFlight: 2 });
        bench.commit(10);
        await bench.time.advance(100_000);
        bench.commit(3000);
        await bench.time.advance(100_000);
        const known = bench.writer.writes.length;
        bench.writer.answer = () => delivered;
        bench.writer.latencyMs = 20;
        const last = before + 3010;
        await bench.settled();
        bench.assertTakenOnce(last);
        const order = bench.writer.writes.slice(known).map(({ lines }) => numbersIn(lines)[0] ?? 0);
        const newest = order.findIndex((n) => n > last - 300);
        // Beside them one slot in two is the backlog's.
        assert.ok(
          newest >= 0 && newest <= 5,
          `the newest came as write ${newest}: ${order.slice(0, 8).join(" ")}`,
        );
      });
    }
  });

  test("nobody writes beside a probe", async (t) => {
    const bench = new Bench(t);
    bench.commit(4000);
    bench.writer.answer = () => retry();
    bench.start({ maxLines: 60, maxInFlight: 2 });
    await bench.time.advance(60_000);
    bench.writer.answer = () => hang;
    const known = bench.writer.writes.length;
    await bench.time.until(() => bench.writer.writes.length > known, 60_000, "a probe");
    bench.commit(5000);
    await bench.time.settle();
    bench.abort();
    await bench.ended;
    assert.equal(bench.writer.writes.length, known + 1);
  });

  test("the newest go first also when the backlog's probe has opened the gate", async (t) => {
    const bench = new Bench(t);
    bench.commit(4000);
    bench.writer.answer = () => retry();
    bench.start({ maxLines: 60, maxInFlight: 2 });
    await bench.time.advance(60_000);
    bench.writer.answer = () => delivered;
    bench.writer.latencyMs = 300;
    const known = bench.writer.writes.length;
    await bench.time.until(() => bench.writer.inFlight === 1, 60_000, "the probe");
    assert.ok(numbersIn(bench.writer.writes[known]?.lines ?? "").every((n) => n <= 4000));
    bench.commit(5000);
    await bench.time.until(() => bench.isOpen, 1000, "open");
    await bench.settled();
    const fresh = bench.writer.writes
      .slice(known)
      .flatMap(({ lines }) => numbersIn(lines))
      .filter((n) => n > 4000);
    assert.ok((fresh[0] ?? 0) > 8700, `the first fresh one is ${fresh[0]}`);
    bench.assertTakenOnce(9000);
  });

  test("what was there at the start has no latency, whichever lane sends it", async (t) => {
    const bench = new Bench(t);
    bench.commit(600);
    bench.writer.answer = ({ number }) => (number <= 2 ? retry() : delivered);
    bench.start({ maxLines: 30, maxInFlight: 1 });
    await bench.settled();
    bench.assertTakenOnce(600);
    assert.equal(bench.latency.percentileMs(1), undefined);
  });

  test("a lane with nothing to write leaves the probe to the other one", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => retry();
    bench.start({ maxAgeMs: 10 });
    bench.commit(20);
    // Only events without a table are fresh from now on: whoever takes them has nothing to probe with.
    for (let second = 0; second < 120; second += 1) {
      bench.append(command(second));
      await bench.time.advance(1000);
    }
    bench.writer.answer = () => delivered;
    await bench.settled(60_000);
    bench.assertTakenOnce(20);
  });

  test("a write under way since before the outage does not end it", async (t) => {
    const bench = new Bench(t);
    bench.commit(200);
    bench.writer.answer = ({ number }) => (number === 1 ? retry() : delivered);
    bench.start({ maxLines: 60 });
    await bench.settled();
    bench.assertTakenOnce(200);
    assert.deepEqual(bench.logger.codes, ["write_overloaded"]);
    const again = bench.logger.lines.filter(({ message }) => message === "InfluxDB takes writes again");
    assert.equal(again.length, 1);
  });
});

describe("forward at rest", () => {
  test("without messages it does not wake up", async (t) => {
    const bench = new Bench(t).start();
    await bench.time.advance(hourMs);
    assert.equal(bench.time.timersFired, 0);
    bench.commit(1);
    await bench.settled();
    const fired = bench.time.timersFired;
    await bench.time.advance(hourMs);
    assert.equal(bench.time.timersFired, fired);
    assert.equal(bench.time.timersSet, 0);
  });

  test("with the gate closed and nothing left to send it does not wake up either", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => retry();
    bench.start();
    bench.commit(1);
    await bench.time.advance(2000);
    bench.log.evict(1, 1);
    await bench.time.advance(60_000);
    const fired = bench.time.timersFired;
    await bench.time.advance(hourMs);
    assert.equal(bench.isOpen, false);
    assert.ok(bench.time.timersFired - fired <= 1, `${bench.time.timersFired - fired} wake-ups`);
  });

  test("a commit each second while InfluxDB is away costs no more wake-ups than commits and probes, and one attempt per probe", async (t) => {
    const bench = new Bench(t);
    bench.writer.answer = () => retry();
    bench.start();
    const versions = bench.activity.version;
    for (let second = 0; second < 120; second += 1) {
      bench.commit(1);
      await bench.time.advance(1000);
    }
    assert.ok(bench.writer.writes.length < 125, `${bench.writer.writes.length} attempts`);
    assert.ok(bench.activity.version - versions < 260, `${bench.activity.version - versions} notifications`);
    bench.writer.answer = () => delivered;
    await bench.settled();
    bench.assertTakenOnce(120);
  });
});
