/** Queries through a real streams process, whose Flight client is a fake. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Row } from "../../src/influx/arrow/rows.ts";
import type { WholeAnswer, StreamsPort } from "../../src/streams/port.ts";
import type { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import { faultOf, flightConfig, processes, runStreams, token } from "../support/streams.ts";
import { waitFor } from "../support/wait.ts";

test("an answer comes as it was sent: columns, rows with bigint, the end with its trailers", async (t) => {
  const { port } = runStreams(t);
  assert.deepEqual(processes(), []);
  const answer = port.query({ text: "rows 2 3", requestId: "request-7", params: { big: 2n ** 63n } });
  assert.equal(port.status().state, "idle");
  const columns = await answer.columns();
  assert.deepEqual(
    columns.map(({ name, influx }) => [name, influx?.kind]),
    [
      ["time", "timestamp"],
      ["value", "field"],
      ["text", undefined],
    ],
  );
  const rows = await answer.collect();
  assert.deepEqual(rows[5], { time: 1_780_000_000_123_456_794n, value: 5.5, text: "x" });
  const end = await answer.ended;
  assert.deepEqual([rows.length, end.rows, end.trailers], [6, 6, { "x-request-id": "request-7" }]);
  const { underWay, answered, faulted, starts } = port.status();
  assert.deepEqual([underWay, answered, faulted, starts], [0, 1, 0, 1]);
  assert.deepEqual(await answer.ended, end);
});

test("the token is in no argument, no environment and no status, and the process goes first when memory is short", async (t) => {
  const { port, log } = runStreams(t);
  const surroundings = await port.query({ text: "surroundings" }).collect();
  assert.deepEqual((await port.query({ text: "config" }).collect())[0], {
    database: "lorawan",
    hasToken: true,
  });
  assert.ok(!JSON.stringify([surroundings, port.status(), log.lines]).includes(token));
  const { pid } = port.status();
  const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
  assert.ok(!environment.includes("PATH=") && !environment.includes(token), environment);
  assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8").trim(), "500");
});

test("the real process asks by the real client: where nobody listens, that is what the fault says", async (t) => {
  const { port } = runStreams(t, { entry: "real" });
  const fault = await faultOf(port.query({ text: "SELECT 1", retry: "never" }));
  assert.equal(fault.code, "connection_refused");
  assert.equal(port.status().failures, 0);
});

test("leaving the loop and an abort end the query in the process", async (t) => {
  const { port } = runStreams(t);
  for await (const rows of port.query({ text: "rows 1000000 100" })) {
    assert.ok(rows.length > 0);
    break;
  }
  await cancelled(port, 1);
  const controller = new AbortController();
  const reason = new Error("enough");
  const hanging = port.query({ text: "hang" }, controller.signal).collect();
  await waitFor(() => port.status().underWay === 1, { what: "the query to be under way" });
  setTimeout(() => {
    controller.abort(reason);
  }, 20);
  await assert.rejects(hanging, (error) => error === reason);
  await cancelled(port, 2);
  await assert.rejects(
    port.query({ text: "rows" }, controller.signal).collect(),
    (error) => error === reason,
  );
  await assert.rejects(
    port.query({ text: "rows" }, controller.signal).columns(),
    (error) => error === reason,
  );
  assert.equal(port.status().underWay, 0);
  assert.equal((await counters(port))["streams"], 2);
});

test("who reads slowly holds the stream back, and the memory of both sides is flat", async (t) => {
  const window = { rows: 500, bytes: 200_000 };
  const { port } = runStreams(t, { settings: { window, pingEveryMs: 20, memoryEveryMs: 10 } });
  const reader = port.query({ text: "rows 100000 100 200" })[Symbol.asyncIterator]();
  await reader.next();
  // Rows of about 460 bytes: the window is 435 of them, or 5 batches; a few more were pulled and wait there.
  const pulled = await settled(async () => (await counters(port))["batches"]);
  assert.ok(pulled > 2 && pulled < 12, `${pulled} batches were pulled`);
  await waitFor(() => port.status().vitals?.underWay === 1, { what: "a pong" });
  const before = port.status().vitals?.rssBytes ?? 0;
  let rows = 0;
  while (rows < 60_000) rows += (await reader.next()).value?.length ?? Number.NaN;
  const after = await settled(async () => (await counters(port))["batches"]);
  assert.ok(after > 590 && after < 620, `${after} batches were pulled for ${rows} rows`);
  const { rssBytes } = await waitFor(() => port.status().vitals, { what: "a pong" });
  assert.ok(rssBytes - before < 60e6, `it grew by ${rssBytes - before} bytes`);
  await reader.return?.();
  await cancelled(port, 1);
});

test("an answer beyond its bounds is a fault, and its query is cancelled", async (t) => {
  const { port } = runStreams(t);
  await assert.rejects(port.query({ text: "rows 1000000 100" }).collect({ maxRows: 250 }), {
    code: "streams_answer_too_big",
    message: "the answer has more than 250 rows",
  });
  await assert.rejects(port.query({ text: "rows 1000000 100" }).collect({ maxBytes: 10_240 }), {
    code: "streams_answer_too_big",
    message: "the answer has more than 10.0 KiB",
  });
  await cancelled(port, 2);
  const tooWide = await faultOf(port.query({ text: "rows 1 1 1100000" }));
  assert.equal(tooWide.code, "streams_message_too_big");
  const tooLong = await faultOf(port.query({ text: `rows ${" ".repeat(2e6)}` }));
  assert.equal(tooLong.code, "streams_message_too_big");
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
});

test("so many queries run, so many wait, and one more is refused", async (t) => {
  const { port } = runStreams(t, { settings: { maxUnderWay: 2, maxWaiting: 2 } });
  const leave = new AbortController();
  const hanging = [1, 2].map(
    async () => await rejection(port.query({ text: "hang" }, leave.signal).collect()),
  );
  await waitFor(() => port.status().underWay === 2, { what: "two queries" });
  const waiting = port.query({ text: "rows" }).collect();
  const late = faultOf(port.query({ text: "rows", timeoutMs: 30 }));
  const refused = await faultOf(port.query({ text: "rows" }));
  assert.deepEqual([refused.code, refused.disposition], ["streams_busy", "retry"]);
  assert.equal((await late).code, "streams_busy");
  assert.deepEqual([port.status().underWay, port.status().waiting], [2, 1]);
  leave.abort();
  await Promise.all(hanging);
  assert.equal((await waiting).length, 3);
});

test("a query whose end never comes ends after its time and the grace", async (t) => {
  const { port } = runStreams(t, { settings: { graceMs: 50 } });
  await port.query({ text: "rows" }).collect();
  const fault = await faultOf(port.query({ text: "hang", timeoutMs: 50 }));
  assert.deepEqual([fault.code, fault.disposition], ["streams_no_answer", "retry"]);
  await cancelled(port, 1);
});

test("the process is ended when nothing is asked, and started again when something is", async (t) => {
  const { port, supervisor } = runStreams(t, { settings: { idleMs: 100, memoryEveryMs: 20 } });
  await port.query({ text: "rows" }).collect();
  await waitFor(() => port.status().state === "idle", { what: "the process to be ended" });
  assert.deepEqual(processes(), []);
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
  assert.deepEqual([port.status().starts, port.status().failures], [2, 0]);
  assert.deepEqual(supervisor.status()[0]?.restarts, 0);
});

test("a new configuration is that of the queries that come after it", async (t) => {
  const { port, reconfigure } = runStreams(t);
  const leave = new AbortController();
  const hanging = rejection(port.query({ text: "hang" }, leave.signal).collect());
  await waitFor(() => port.status().underWay === 1, { what: "a query" });
  const { pid } = port.status();
  reconfigure({ ...flightConfig, database: "other" });
  assert.deepEqual((await port.query({ text: "config" }).collect())[0], {
    database: "other",
    hasToken: true,
  });
  assert.equal((await counters(port))["closedClients"], 0);
  leave.abort();
  await hanging;
  await waitFor(async () => (await counters(port))["closedClients"] === 1, {
    what: "the old client to be closed",
  });
  reconfigure({ ...flightConfig, database: "unreadable", token: new Secret("another") });
  const fault = await faultOf(port.query({ text: "rows" }));
  assert.deepEqual([fault.code, fault.hint], ["tls_file_unreadable", "correct the test"]);
  reconfigure(flightConfig);
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
  assert.equal(port.status().pid, pid);
});

test("a stop lets queries under way finish, refuses new ones, and leaves no process", async (t) => {
  const { port, stop, supervisor } = runStreams(t);
  await port.query({ text: "rows" }).collect();
  const slow = port.query({ text: "slow 200" }).collect();
  await waitFor(() => port.status().underWay === 1, { what: "a query" });
  const stopped = stop();
  await waitFor(() => supervisor.status()[0]?.state === "stopping", { everyMs: 1, what: "the stop" });
  const refused = await faultOf(port.query({ text: "rows" }));
  assert.equal(refused.code, "streams_unavailable");
  assert.equal((await slow).length, 1);
  await stopped;
});

test("a stop cuts off what does not finish in time", async (t) => {
  const { port, stop } = runStreams(t, { stopDeadlineMs: 400 });
  const fault = faultOf(port.query({ text: "hang" }));
  await waitFor(() => port.status().underWay === 1, { what: "a query" });
  await stop();
  assert.equal((await fault).code, "streams_unavailable");
});

test("a standing query is asked again and again, survives a death, and ends when it is closed", async (t) => {
  const { port } = runStreams(t);
  const answers: WholeAnswer[] = [];
  const faults: Fault[] = [];
  const onAnswer = (answer: WholeAnswer): void => void answers.push(answer);
  const onFault = (fault: Fault): void => void faults.push(fault);
  const options = { name: "rule 1", everyMs: 30, onAnswer, onFault };
  const subscription = port.subscribe({ text: "slow 20" }, options);
  await waitFor(() => answers.length >= 3, { what: "three answers" });
  assert.deepEqual([answers[0]?.rows.length, answers[0]?.end.rows, answers[0]?.columns.length], [1, 1, 3]);
  process.kill(port.status().pid ?? 0, "SIGKILL");
  const before = answers.length;
  await waitFor(() => answers.length > before + 2, { what: "answers of the next process" });
  assert.ok(faults.length <= 1 && faults.every(({ code }) => code === "streams_died"));
  subscription.close();
  const { length } = answers;
  assert.deepEqual(port.status().subscriptions, []);
  await port.query({ text: "slow 100" }).collect();
  assert.equal(answers.length, length);
});

/** What one process has done so far. */
async function counters(port: StreamsPort): Promise<Record<string, number>> {
  const [row] = await port.query({ text: "counters" }).collect();
  const { streams, ...others } = row as Row & Record<string, number>;
  // Without the streams of those who ask.
  asked.set(port, (asked.get(port) ?? 0) + 1);
  return { ...others, streams: Number(streams) - (asked.get(port) ?? 0) };
}

const asked = new WeakMap<StreamsPort, number>();

async function cancelled(port: StreamsPort, count: number): Promise<void> {
  await waitFor(async () => (await counters(port))["cancelled"] === count, { what: `${count} cancelled` });
}

/** A number that has stopped to change. */
async function settled(number: () => Promise<number | undefined>): Promise<number> {
  let last = -1;
  return await waitFor(
    async () => {
      const now = (await number()) ?? Number.NaN;
      const isSettled = now === last + 1 || now === last;
      last = now;
      return isSettled ? now : undefined;
    },
    { everyMs: 50, what: "the stream to stand still" },
  );
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
}
