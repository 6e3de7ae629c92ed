import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaAsker } from "../../../src/app/streams.ts";
import { Fault } from "../../../src/lib/fault.ts";
import type { StreamAnswer, StreamQuery, StreamsPort } from "../../../src/streams/port.ts";

/** A process that is stuck: it gives no answer, and no fault. */
function stuckPort(): { port: Pick<StreamsPort, "query">; asked: StreamQuery[] } {
  const asked: StreamQuery[] = [];
  const query = (request: StreamQuery, signal?: AbortSignal): StreamAnswer => {
    asked.push(request);
    const silent = new Promise<never>((_resolve, reject) => {
      signal?.addEventListener("abort", () => {
        reject(signal.reason as Error);
      });
    });
    return {
      requestId: "r",
      columns: () => silent,
      collect: () => silent,
      ended: silent,
      [Symbol.asyncIterator]: () => ({ next: () => silent }),
    };
  };
  return { port: { query }, asked };
}

test("a process that is stuck holds nobody up for longer than the query may take, and a little", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { port, asked } = stuckPort();
  const asking = schemaAsker(port, "other1")("SELECT 1", 5000, new AbortController().signal);
  const ended = assert.rejects(asking, (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.code, "streams_no_answer");
    assert.match(error.message, /within its 5000 ms$/);
    return true;
  });
  t.mock.timers.tick(5499);
  assert.equal(await Promise.race([asking.catch(() => "over"), Promise.resolve("asking")]), "asking");
  t.mock.timers.tick(1);
  await ended;
  assert.deepEqual(asked, [{ text: "SELECT 1", connection: "other1", timeoutMs: 5000, retry: "never" }]);
});

test("whoever stops waits for nothing", async () => {
  const stop = new AbortController();
  const asking = schemaAsker(stuckPort().port, "main")("SELECT 1", 5000, stop.signal);
  const reason = new Error("the end");
  stop.abort(reason);
  await assert.rejects(asking, (error) => error === reason);
});
