/** Rows of our own on their way out, beside what brokers send. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownSource, ownTopic, packOwn } from "../../../src/pipeline/own-message.ts";
import { noFacts } from "../../../src/pipeline/route.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import { Bench } from "./forward-bench.ts";

const row: Point = {
  table: "flightline_node",
  tags: [{ name: "node", value: "gw-1" }],
  fields: [{ name: "backlog", type: "integer", value: 1 }],
  timeNs: 1_767_225_600_000_000_000n,
};

const own = { source: ownSource, topic: ownTopic };

test("a row of ours that cannot be read is quarantined, and holds nothing up", async (t) => {
  const bench = new Bench(t).start();
  bench.commit(2);
  bench.append({ ...own, payload: Buffer.from([0, 1, 2]) });
  bench.append({ ...own, payload: packOwn({ points: [row], facts: noFacts }) });
  bench.commit(2);
  await bench.settled();
  bench.assertTakenOnce(4);
  bench.assertAddsUp();
  assert.deepEqual(
    bench.quarantined.map(({ message, fault }) => [message.seq, fault.code]),
    [[3, "own_row_unreadable"]],
  );
  assert.equal(bench.counters.ownWritten, 1);
});

test("that rows of ours are written need not be saved at once, unless something of a broker goes with them", async (t) => {
  const bench = new Bench(t);
  const waited: (boolean | undefined)[] = [];
  const settle = bench.log.settle.bind(bench.log);
  bench.log.settle = (lo: number, hi: number, mayWait?: boolean) => {
    waited.push(mayWait);
    settle(lo, hi);
  };
  bench.start();
  const message = { ...own, payload: packOwn({ points: [row], facts: noFacts }) };
  bench.append(message);
  await bench.settled();
  bench.append(message);
  bench.commit(1);
  await bench.settled();
  assert.deepEqual(waited, [true, false]);
});

test("latency is that of what brokers send", async (t) => {
  const bench = new Bench(t).start();
  bench.append({ ...own, payload: packOwn({ points: [row], facts: noFacts }), uptimeMs: 0 });
  await bench.settled();
  assert.equal(bench.counters.ownWritten, 1);
  assert.equal(bench.latency.percentileMs(1), undefined);
  bench.commit(1);
  await bench.settled();
  assert.ok(bench.latency.percentileMs(1) !== undefined);
});
