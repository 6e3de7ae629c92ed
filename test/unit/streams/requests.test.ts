import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { BugError } from "../../../src/lib/fault.ts";
import { Answer } from "../../../src/streams/answer.ts";
import { defaultStreamsSettings } from "../../../src/streams/settings.ts";
import { death, end, plainFault, requestsBench } from "../../support/requests-bench.ts";

test("the daemon counts what has come itself: beyond the window in rows, or after it in bytes, the query ends", async (t) => {
  const { requests, ask, attach, sent, idOf } = requestsBench(t);
  attach();
  const { rows: maxRows, bytes: maxBytes } = defaultStreamsSettings.window;
  const many = ask("many");
  const rows = Array.from({ length: maxRows + 1 }, () => ({}));
  requests.received({ kind: "rows", id: idOf("many"), rows }, 100);
  const id = sent[0]?.id ?? -1;
  assert.deepEqual(sent.slice(1), [{ kind: "cancel", id }]);
  assert.equal(await many, "streams_request_failed");
  const large = new Answer(requests, { text: "large" }, undefined)[Symbol.asyncIterator]();
  const first = large.next();
  const largeId = idOf("large");
  // The last one may exceed it; what was read is given back, and allows one more.
  requests.received({ kind: "rows", id: largeId, rows: [{ a: 1 }] }, maxBytes - 1);
  requests.received({ kind: "rows", id: largeId, rows: [{ a: 2 }] }, 5000);
  assert.deepEqual((await first).value, [{ a: 1 }]);
  assert.deepEqual((await large.next()).value, [{ a: 2 }]);
  assert.deepEqual(sent.at(-1), { kind: "credit", id: largeId, credit: { rows: 1, bytes: maxBytes - 1 } });
  requests.received({ kind: "rows", id: largeId, rows: [{ a: 3 }] }, maxBytes);
  requests.received({ kind: "rows", id: largeId, rows: [] }, 1);
  await assert.rejects(large.next(), { code: "streams_request_failed" });
});

test("an answer whose window is full at the end of its time was not read", async (t) => {
  const { requests, time, attach, idOf } = requestsBench(t);
  attach();
  const answer = new Answer(requests, { text: "slow", timeoutMs: 1000 }, undefined);
  const reader = answer[Symbol.asyncIterator]();
  const first = reader.next();
  requests.received(
    { kind: "rows", id: idOf("slow"), rows: [{ a: 1 }] },
    defaultStreamsSettings.window.bytes,
  );
  assert.deepEqual((await first).value, [{ a: 1 }]);
  await time.advance(1000 + defaultStreamsSettings.graceMs);
  await assert.rejects(reader.next(), {
    code: "streams_not_read",
    message: "the answer was not read within the 1000 ms of its query",
  });
});

test("what waits for a connection that is another one now ends, and what is under way goes on", async (t) => {
  const { requests, ask, attach, idOf } = requestsBench(t, {
    settings: { ...defaultStreamsSettings, maxUnderWay: 1 },
  });
  attach();
  const running = ask("running");
  const waiting = ask("waiting");
  requests.reconfigured((name) => name !== "main");
  assert.equal(requests.status.waiting, 1);
  requests.reconfigured((name) => name === "main");
  assert.equal(await waiting, "streams_unavailable");
  requests.received({ kind: "end", id: idOf("running"), end }, 100);
  assert.deepEqual(await running, []);
});

test("a number that cannot cross is a mistake of whoever asks", (t) => {
  const { requests } = requestsBench(t);
  for (const query of [{ maxBytes: Infinity }, { silenceMs: Number.NaN }, { timeoutMs: -1 }]) {
    assert.throws(() => new Answer(requests, { text: "q", ...query }, undefined), BugError);
  }
  assert.equal(requests.count, 0);
});

test("the newest failure of a query is in the status, and an answer does not hide it", async (t) => {
  const { requests, time, ask, attach, idOf } = requestsBench(t);
  const lastCode = (): string | undefined => requests.status.lastQueryFault?.code;
  assert.equal(lastCode(), undefined);
  const late = ask("late", 1000);
  await time.advance(2000);
  assert.equal(await late, "streams_unavailable");
  attach();
  const good = ask("good");
  requests.received({ kind: "end", id: idOf("good"), end }, 100);
  assert.deepEqual(await good, []);
  assert.equal(lastCode(), "streams_unavailable");
});

test("nobody listens to a signal after the end, and an abort then still keeps the rows from who aborted", async (t) => {
  const { requests, attach, idOf } = requestsBench(t);
  attach();
  const controller = new AbortController();
  const { signal } = controller;
  const answer = new Answer(requests, { text: "q" }, signal);
  const columns = answer.columns();
  assert.equal(getEventListeners(signal, "abort").length, 1);
  requests.received({ kind: "columns", id: idOf("q"), columns: [] }, 100);
  requests.received({ kind: "rows", id: idOf("q"), rows: [{ a: 1 }] }, 100);
  requests.received({ kind: "end", id: idOf("q"), end }, 100);
  assert.deepEqual(await columns, []);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(answer.collect(), (error) => error === reason);
});

test("a query waits for a process with its time running, and takes what is left of it along", async (t) => {
  const { requests, time, ask, attach, sent, idOf } = requestsBench(t);
  const short = ask("short", 1000);
  const long = ask("long", 5000);
  await time.advance(2000);
  assert.equal(await short, "streams_unavailable");
  attach();
  assert.deepEqual(
    sent.map((message) => message.kind === "query" && message.query.timeoutMs),
    [3000],
  );
  requests.received({ kind: "rows", id: idOf("long"), rows: [{ a: 1 }] }, 100);
  requests.received({ kind: "end", id: idOf("long"), end }, 100);
  assert.deepEqual(await long, [{ a: 1 }]);
  const { lastQueryFault, ...counts } = requests.status;
  assert.equal(lastQueryFault?.code, "streams_unavailable");
  assert.deepEqual(counts, {
    underWay: 0,
    waiting: 0,
    answered: 1,
    faulted: 1,
    unknownMessages: 0,
    parkedRequests: [],
  });
});

test("what arrives for a request that is over is dropped and counted", async (t) => {
  const { requests, ask, attach, idOf } = requestsBench(t);
  attach();
  const asked = ask("q");
  const id = idOf("q");
  requests.received({ kind: "end", id, end }, 100);
  requests.received({ kind: "rows", id, rows: [] }, 100);
  requests.received({ kind: "end", id: id + 1, end }, 100);
  assert.deepEqual([await asked, requests.status.unknownMessages], [[], 2]);
});

test("the place of a query that ended with a fault is the next one's", async (t) => {
  const { requests, ask, attach, asked, idOf } = requestsBench(t);
  attach();
  const running = Array.from({ length: defaultStreamsSettings.maxUnderWay }, (_, n) => `running ${n}`);
  const ended = running.map(async (text) => await ask(text));
  const waiting = ["first", "second"].map(async (text) => await ask(text));
  assert.deepEqual(asked(), running);
  requests.received({ kind: "fault", id: idOf("running 3"), fault: plainFault, isFatal: false }, 100);
  assert.deepEqual(asked(), [...running, "first"]);
  const rows = Array.from({ length: defaultStreamsSettings.window.rows + 1 }, () => ({}));
  requests.received({ kind: "rows", id: idOf("running 4"), rows }, 100);
  assert.deepEqual(asked(), [...running, "first", "second"]);
  requests.detach(death);
  assert.equal((await Promise.all([...ended, ...waiting])).length, running.length + 2);
});

test("a query for a connection that is not there is refused at once", async (t) => {
  const { requests, ask, attach, asked } = requestsBench(t, { timeoutMs: () => undefined });
  assert.equal(await ask("q"), "streams_unavailable");
  attach();
  assert.equal(await ask("q", 1000), "streams_unavailable");
  assert.deepEqual([asked(), requests.count], [[], 0]);
});
