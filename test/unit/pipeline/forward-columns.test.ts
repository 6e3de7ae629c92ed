/** What becomes of lines that were made before a database's columns were known. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { schemaFault } from "../../support/fakes/schema.ts";
import { refusedBatch } from "../../support/fakes/scripted-writer.ts";
import { numbersIn, uplink } from "../../support/uplinks.ts";
import { withDatabase } from "./columns-bench.ts";

describe("forward and columns", () => {
  test("the columns are asked for before the first write, once for all lanes", async (t) => {
    const { bench, reader, types, refusals } = withDatabase(t);
    types.set("temperature", "string");
    reader.latencyMs = 50;
    bench.commit(500);
    bench.start({ maxLines: 30 });
    bench.commit(500);
    await bench.settled();
    bench.assertTakenOnce(1000);
    bench.assertAddsUp();
    assert.deepEqual([reader.askedMs.length, refusals()], [1, 0]);
    assert.ok([...bench.writer.taken.keys()].every((line) => !/[ ,]temperature=/.test(line)));
    assert.deepEqual([bench.counters.retries, bench.logger.codes], [0, []], "stale lines are no failure");
  });

  test("looks that fail hold up writing, with backoff; after the third it goes on", async (t) => {
    const { bench, reader, judge } = withDatabase(t);
    reader.answer = () => ({ kind: "retry", fault: schemaFault("schema_server_error") });
    /** At each write: how many looks there were before it. */
    const looks: number[] = [];
    bench.writer.answer = (write) => {
      looks.push(reader.askedMs.length);
      return judge(write);
    };
    bench.commit(50);
    bench.start({ maxLines: 30, maxInFlight: 1 });
    await bench.settled(60_000);
    assert.ok(looks.length >= 5, `${looks.length} writes`);
    assert.equal(looks[0], 3);
    assert.ok(
      looks.every((count) => count <= 4),
      "one more when something has got through, and no write waits for it",
    );
    const [first = 0, ...next] = reader.askedMs.slice(0, 3);
    assert.ok(
      next.every((ms, index) => ms > (next[index - 1] ?? first)),
      "with time between them",
    );
    assert.equal(bench.counters.retries, 2);
    assert.ok(bench.isOpen);
  });

  test("queries that hang delay no write, whatever is refused meanwhile", async (t) => {
    const { bench, reader, judge } = withDatabase(t);
    reader.answer = () => ({ kind: "retry", fault: schemaFault("schema_timeout") });
    reader.latencyMs = 5000;
    bench.writer.answer = (write) =>
      numbersIn(write.lines).some((n) => n % 10 === 7) ? refusedBatch : judge(write);
    bench.start({ maxLines: 30, maxInFlight: 1, maxAgeMs: 10 });
    bench.commit(1);
    await bench.time.advance(60_000);
    assert.equal(bench.log.backlog, 0, "the first three have been waited for");
    const asked = reader.askedMs.length;
    for (let second = 0; second < 600; second += 1) {
      bench.commit(1);
      await bench.time.advance(1000);
    }
    assert.equal(bench.counters.written + bench.counters.held, 601);
    assert.ok(bench.counters.held >= 30, `${bench.counters.held} wait to be refused once more`);
    assert.ok(reader.askedMs.length > asked + 2, "they went on");
    assert.ok((bench.latency.percentileMs(0.97) ?? Infinity) < 100);
    bench.drain();
    await bench.ended;
    assert.equal(bench.time.timersSet, 0, "and end with the work");
  });

  test("rows that contradict columns which nobody could ask for wait, and get through once somebody can", async (t) => {
    const { bench, reader, types } = withDatabase(t);
    const answer = reader.answer;
    reader.answer = () => ({ kind: "retry", fault: schemaFault("schema_server_error") });
    types.set("temperature", "string");
    bench.commit(50);
    bench.start({ maxLines: 30, maxAgeMs: 100 });
    await bench.time.until(() => bench.counters.held === 50, 20_000, "all are refused");
    assert.equal(bench.counters.written, 0);
    const others = bench.taken().size;
    bench.append(uplink(51, { object: { humidity: 40 } }));
    await bench.time.advance(2000);
    assert.equal(bench.taken().get(51), 1, "what fits is not held up");
    assert.equal(bench.taken().size, others + 1);
    reader.answer = answer;
    await bench.settled(70_000);
    bench.assertTakenOnce(51);
    assert.equal(bench.counters.held, 0);
  });

  test("a database that will not say is written to, and it is said once", async (t) => {
    const { bench, reader } = withDatabase(t);
    reader.answer = () => ({ kind: "unavailable", fault: schemaFault("schema_unavailable") });
    bench.commit(300);
    bench.start({ maxLines: 30 });
    await bench.settled();
    bench.assertTakenOnce(300);
    assert.deepEqual(bench.logger.codes, ["schema_unavailable"]);
  });

  test("a type that somebody else fixed meanwhile costs one refusal, and everything gets through", async (t) => {
    const { bench, reader, types, refusals } = withDatabase(t);
    bench.start({ maxLines: 300, maxInFlight: 1 });
    bench.append(uplink(1, { object: { humidity: 40 } }));
    await bench.settled();
    const asked = reader.askedMs.length;
    types.set("temperature", "string");
    for (let n = 2; n <= 101; n += 1) bench.append(uplink(n));
    await bench.settled();
    bench.assertTakenOnce(101);
    assert.deepEqual([refusals(), reader.askedMs.length - asked], [1, 1]);
    assert.deepEqual([bench.counters.held, bench.counters.retries, bench.logger.codes], [0, 0, []]);
  });

  test("batches that were under way beside it are made anew too, and nothing is asked twice for one cause", async (t) => {
    const { bench, reader, types, refusals } = withDatabase(t);
    bench.writer.latencyMs = 100;
    bench.start({ maxLines: 30, maxInFlight: 4 });
    bench.append(uplink(1, { object: { humidity: 40 } }));
    await bench.settled();
    types.set("temperature", "string");
    for (let n = 2; n <= 401; n += 1) bench.append(uplink(n));
    await bench.settled();
    bench.assertTakenOnce(401);
    assert.ok(refusals() <= 4, `${refusals()} refusals`);
    assert.equal(reader.askedMs.length, 2);
    assert.equal(bench.counters.held, 0);
  });

  test("fresh messages whose lines were stale do not queue behind the backlog", async (t) => {
    const { bench, types, judge } = withDatabase(t);
    const atStart = 3000;
    for (let n = 1; n <= atStart; n += 1) bench.log.append(uplink(n, { object: { humidity: 40 } }));
    bench.writer.latencyMs = 200;
    bench.start({ maxLines: 60, maxInFlight: 2, maxAgeMs: 50 });
    await bench.time.advance(1000);
    types.set("temperature", "string");
    bench.append(uplink(atStart + 1));
    await bench.time.advance(3000);
    assert.equal(bench.taken().get(atStart + 1), 1);
    assert.ok(bench.log.backlog > 1000, "the backlog is not done yet");
    bench.writer.answer = judge;
    await bench.settled();
    bench.assertTakenOnce(atStart + 1);
  });

  test("a refusal for the content is asked about once, then halved; its neighbours get through", async (t) => {
    const { bench, reader, judge } = withDatabase(t);
    bench.commit(100);
    bench.writer.answer = (write) => (numbersIn(write.lines).includes(7) ? refusedBatch : judge(write));
    bench.start({ maxLines: 300 });
    await bench.time.until(() => bench.taken().size === 99, 10_000, "the others");
    assert.deepEqual([reader.askedMs.length, bench.counters.held], [2, 1]);
    assert.ok(bench.writer.writes.length < 20);
  });

  test("a server that refuses everything is asked for its columns once a second at most", async (t) => {
    const { bench, reader } = withDatabase(t);
    bench.writer.answer = () => refusedBatch;
    bench.commit(5000);
    bench.start({ maxLines: 30, maxInFlight: 4 });
    await bench.time.advance(60_000);
    assert.ok(reader.askedMs.length > 10, "it was asked");
    for (const [index, ms] of reader.askedMs.entries()) {
      const before = reader.askedMs[index - 1];
      assert.ok(before === undefined || ms - before >= 999, `${ms - (before ?? 0)} ms`);
    }
    bench.drain();
    await bench.time.advance(5000);
    await bench.ended;
    assert.equal(bench.time.timersSet, 0);
  });

  test("columns that cannot be asked for after a refusal hold up nothing", async (t) => {
    const { bench, reader, judge } = withDatabase(t);
    reader.answer = (number) =>
      number === 1
        ? { kind: "read", columns: [] }
        : { kind: "retry", fault: schemaFault("schema_server_error") };
    bench.commit(100);
    bench.writer.answer = (write) => (numbersIn(write.lines).includes(7) ? refusedBatch : judge(write));
    bench.start({ maxLines: 300 });
    await bench.time.until(() => bench.taken().size === 99, 10_000, "the others");
    assert.ok(bench.isOpen);
  });

  test("a probe whose lines are stale gives its place to another, and the gate opens", async (t) => {
    const { bench, reader, types, refusals } = withDatabase(t);
    const answer = reader.answer;
    reader.answer = (number) =>
      number <= 2 ? { kind: "retry", fault: schemaFault("schema_server_error") } : answer(number);
    types.set("temperature", "string");
    bench.commit(200);
    bench.start({ maxLines: 30 });
    bench.commit(200);
    await bench.settled(120_000);
    bench.assertTakenOnce(400);
    assert.deepEqual([reader.askedMs.length, refusals()], [3, 0]);
    assert.ok(bench.isOpen);
    assert.ok(bench.logger.lines.some(({ message }) => message === "writing to InfluxDB goes on"));
  });

  test("abort while a refused batch waits for the columns gives it up", async (t) => {
    const { bench } = withDatabase(t);
    bench.writer.answer = () => refusedBatch;
    bench.commit(10);
    bench.start({ maxLines: 30, maxAgeMs: 10 });
    await bench.time.advance(100);
    bench.abort();
    await bench.ended;
    assert.deepEqual([bench.log.backlog, bench.time.timersSet], [10, 0]);
  });
});
