import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "../../../src/chirpstack/decode.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { copyCounters, countUnder, newCounters, total } from "../../../src/pipeline/counters.ts";
import { ingest } from "../../../src/pipeline/ingest.ts";
import { folder, openJournal, runCommitter } from "../journal/fixture.ts";

class Committer {
  readonly submitted: { message: IncomingMessage; committed: () => void }[] = [];
  readonly relieved = new Wakeup();
  isUnderPressure = false;

  submit(message: IncomingMessage, committed: () => void): void {
    this.submitted.push({ message, committed });
  }
}

function setUp() {
  const committer = new Committer();
  const counters = newCounters();
  const clock = { nowMs: () => 777, uptimeMs: () => 55.5 };
  const intake = ingest({ source: "mqtt", committer, clock, clockWatch: { isTrusted: true }, counters });
  return { committer, counters, intake };
}

const delivery = { topic: "t", payload: Buffer.from("x"), qos: 1, duplicate: true, retained: false } as const;

describe("ingest", () => {
  test("a message is acknowledged only after its commit", () => {
    const { committer, counters, intake } = setUp();
    let acknowledged = 0;
    intake.deliver({ ...delivery, acknowledge: () => (acknowledged += 1) });
    assert.deepEqual(
      [acknowledged, counters.received, counters.committed, counters.acknowledged],
      [0, 1, 0, 0],
    );
    committer.submitted[0]?.committed();
    assert.deepEqual([acknowledged, counters.committed, counters.acknowledged], [1, 1, 1]);
  });

  test("the message is stamped with what is known at its receipt", () => {
    const { committer, intake } = setUp();
    intake.deliver({ ...delivery, acknowledge: undefined });
    assert.deepEqual(committer.submitted[0]?.message, {
      source: "mqtt",
      topic: "t",
      payload: Buffer.from("x"),
      receivedMs: 777,
      uptimeMs: 55.5,
      clockTrusted: true,
      duplicate: true,
      retained: false,
      qos: 1,
    });
  });

  test("QoS 0 is journalled too, counted, and has nothing to acknowledge", () => {
    const { committer, counters, intake } = setUp();
    intake.deliver({ ...delivery, qos: 0, acknowledge: undefined });
    committer.submitted[0]?.committed();
    assert.deepEqual([counters.receivedQos0, counters.committed, counters.acknowledged], [1, 1, 0]);
  });

  test("of a payload that no event has, what shows that it is too large is kept, and not the rest", () => {
    const { committer, intake } = setUp();
    const kept = 257 * 1024;
    for (const bytes of [kept, kept + 1, 5_000_000]) {
      intake.deliver({ ...delivery, payload: Buffer.alloc(bytes, "x"), acknowledge: undefined });
    }
    const payloads = committer.submitted.map(({ message }) => message.payload);
    assert.deepEqual(
      payloads.map(({ length }) => length),
      [kept, kept, kept],
    );
    assert.deepEqual(
      payloads.slice(1).map(({ buffer }) => buffer.byteLength),
      [kept, kept],
      "the large buffer is not retained",
    );
    for (const payload of payloads) {
      const decoded = decode("application/1/device/0102030405060708/event/up", payload);
      assert.equal(decoded.ok ? "" : decoded.fault.code, "decode_too_large");
    }
  });

  test("in the smallest journal a flood of too large messages holds nothing up", async (t) => {
    const journal = openJournal(t, folder(t), { maxSizeBytes: 1024 * 1024 });
    const run = runCommitter(t, journal);
    const { committer, clock, log } = run;
    const counters = newCounters();
    const intake = ingest({ source: "mqtt", committer, clock, clockWatch: { isTrusted: true }, counters });
    const topic = "t".repeat(65_535);
    for (let n = 0; n < 12; n += 1) {
      const payload = n % 2 === 0 ? Buffer.alloc(3_000_000) : Buffer.from("small");
      intake.deliver({ ...delivery, topic, payload, acknowledge: () => {} });
      await run.advance(500);
    }
    for (let n = 0; n < 10; n += 1) await run.advance(500);
    assert.equal(counters.acknowledged, 12);
    assert.ok(journal.evicted > 0, "that took dropping the oldest");
    assert.ok(log.faults.every(({ disposition }) => disposition === "drop"));
    await run.stop();
  });

  test("pressure lasts until it is really over", async () => {
    const { committer, intake } = setUp();
    assert.equal(intake.pressure(), undefined);
    committer.isUnderPressure = true;
    let over = false;
    void intake.pressure()?.then(() => (over = true));
    committer.relieved.notify();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(over, false, "relieved for a moment, and under pressure again");
    committer.isUnderPressure = false;
    committer.relieved.notify();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(over, true);
  });
});

test("a copy of the counters does not change any more", () => {
  const counters = newCounters();
  countUnder(counters.unmapped, "join");
  const copy = copyCounters(counters);
  counters.received += 1;
  countUnder(counters.unmapped, "join");
  countUnder(counters.quarantined, "x");
  assert.deepEqual([copy.received, total(copy.unmapped), total(copy.quarantined)], [0, 1, 0]);
  assert.deepEqual([counters.received, total(counters.unmapped), total(counters.quarantined)], [1, 2, 1]);
});
