/** The return after an outage: how long until what is new has been written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { type Answer, retry, delivered } from "../../support/fakes/scripted-writer.ts";
import { Bench } from "./forward-bench.ts";

/** InfluxDB 3 answers after its flush. */
const answerMs = 1000;

test("whenever it comes, what arrives then is written within 5 s, while the backlog drains beside it", async (t) => {
  for (const afterMs of [60_000, 60_400, 60_900, 61_300]) {
    await t.test(`after ${afterMs} ms`, async (t) => {
      const bench = new Bench(t);
      bench.writer.answer = () => retry();
      bench.commit(2000);
      bench.start({ maxLines: 300, maxInFlight: 3 });
      await bench.time.advance(afterMs);
      bench.writer.answer = () => delivered;
      bench.writer.latencyMs = answerMs;
      bench.commit(1);
      const startMs = bench.time.uptimeMs();
      await bench.time.until(() => bench.taken().has(2001), 60_000, "the new one");
      const tookMs = bench.time.uptimeMs() - startMs;
      assert.ok(tookMs <= 5000, `${tookMs} ms`);
      assert.ok(bench.log.backlog > 500, "the backlog is still there");
      await bench.settled();
      bench.assertTakenOnce(2001);
    });
  }
});

/** An answer, and after what time it comes. */
const outages: readonly (readonly [what: string, code: string, afterMs: number])[] = [
  ["502 of a proxy", "write_server_error", 5],
  ["500 after a while", "write_server_error", 300],
  ["503", "write_overloaded", 5],
  ["closed connections", "connection_closed", 5],
  ["no answer", "write_timeout", 10_000],
];

for (const [what, code, afterMs] of outages) {
  test(`an outage with ${what} costs no size: afterwards fresh ones within 5 s, and full batches`, async (t) => {
    for (const outageMs of [20_000, 90_000]) {
      await t.test(`of ${outageMs / 1000} s`, async (each) => {
        const failed: Answer = {
          kind: "retry",
          afterMs: undefined,
          fault: new Fault({ code, layer: "write", disposition: "retry", message: code }),
        };
        const bench = new Bench(each);
        bench.start({ maxLines: 5000, maxBytes: 1_048_576 });
        const arrive = async (forMs: number): Promise<void> => {
          for (let ms = 0; ms < forMs; ms += 250) {
            bench.commit(5);
            await bench.time.advance(250);
          }
        };
        bench.writer.latencyMs = answerMs;
        await arrive(30_000);
        bench.writer.answer = () => failed;
        bench.writer.latencyMs = afterMs;
        await arrive(outageMs);
        // Of before: what was left behind by another outage.
        bench.writer.answer = () => delivered;
        bench.writer.latencyMs = answerMs;
        const writes = bench.writer.writes.length;
        const first = bench.log.lastSeq + 1;
        // A write that hangs is noticed when its time is over.
        await arrive(code === "write_timeout" ? 20_000 : 5000);
        assert.ok(bench.taken().has(first), "the first one after the return");
        await arrive(15_000);
        assert.ok(bench.log.backlog <= 60, `${bench.log.backlog} wait`);
        const last = bench.writer.writes.length - writes;
        assert.ok(last <= 60, `${last} writes for what fits into a few`);
      });
    }
  });
}
