/** Several connections, as a daemon with several databases has them: each query goes to its own. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../src/lib/clock.ts";
import type { StreamQuery, StreamsPort } from "../../src/streams/port.ts";
import { type Connections, openStreams } from "../../src/streams/streams.ts";
import { RecordingLog } from "../support/fakes/recording-log.ts";
import { faultOf, flightConfig, processes } from "../support/streams.ts";
import { waitFor } from "../support/wait.ts";

interface Running {
  /** What the supervisor has heard. */
  readonly heard: { beats: number; readies: number };
  readonly port: StreamsPort;
  readonly reconfigure: (connections: Connections) => void;
}

function runStreams(t: TestContext, connections: Connections): Running {
  const streams = openStreams({
    connections,
    log: new RecordingLog(),
    clock: systemClock,
    random: Math.random,
    isParked: () => false,
    settings: { memoryEveryMs: 20 },
    entry: new URL("../support/faulty-streams-process.ts", import.meta.url),
  });
  const stop = new AbortController();
  const heard = { beats: 0, readies: 0 };
  const ended = streams.run({
    drain: stop.signal,
    abort: stop.signal,
    beat: () => {
      heard.beats += 1;
    },
    ready: () => {
      heard.readies += 1;
    },
  });
  t.after(async () => {
    stop.abort();
    await ended;
    assert.deepEqual(processes(), []);
  });
  return {
    heard,
    port: streams.port,
    reconfigure: (next) => {
      streams.reconfigure(next);
    },
  };
}

const main = { ...flightConfig, database: "first" };
const other1 = { ...flightConfig, database: "second" };
const { token: _none, ...other2 } = { ...flightConfig, database: "third" };

async function databaseOf(port: StreamsPort, more: Partial<StreamQuery>): Promise<unknown> {
  const [row] = await port.query({ text: "config", ...more }).collect();
  return row?.["database"];
}

test("each query goes to its connection, by default to the main one", async (t) => {
  const { port } = runStreams(t, { main, other1, other2 });
  const asked = [{}, { connection: "main" }, { connection: "other1" }, { connection: "other2" }];
  assert.deepEqual(await Promise.all(asked.map(async (more) => await databaseOf(port, more))), [
    "first",
    "first",
    "second",
    "third",
  ]);
  assert.deepEqual([port.status().starts, port.status().failures], [1, 0]);
});

test("the part is at work when its process is ready, and beats while a query runs", async (t) => {
  const { port, heard } = runStreams(t, { main });
  assert.equal(heard.readies, 0);
  await port.query({ text: "rows" }).collect();
  assert.equal(heard.readies, 1);
  const leave = new AbortController();
  const hanging = port.query({ text: "hang" }, leave.signal).collect();
  await waitFor(() => port.status().underWay === 1, { what: "the query to be under way" });
  const { beats } = heard;
  await waitFor(() => heard.beats > beats + 3, { what: "beats" });
  leave.abort();
  await assert.rejects(hanging);
  assert.equal(heard.readies, 1);
});

test("each connection has its own token, and one without has none", async (t) => {
  const { port } = runStreams(t, { main, other2 });
  const [first] = await port.query({ text: "config" }).collect();
  const [third] = await port.query({ text: "config", connection: "other2" }).collect();
  assert.deepEqual([first?.["hasToken"], third?.["hasToken"]], [true, false]);
});

test("a connection that a reload took away is unavailable, a new one is asked, and no process is started for the former", async (t) => {
  const { port, reconfigure } = runStreams(t, { main, other1 });
  reconfigure({ main, other2 });
  const unknown = await faultOf(port.query({ text: "config", connection: "other1" }));
  assert.deepEqual([unknown.code, unknown.disposition], ["streams_unavailable", "retry"]);
  assert.match(unknown.message, /no connection "other1" any more/);
  const withTime = await faultOf(port.query({ text: "config", connection: "other1", timeoutMs: 20_000 }));
  assert.equal(withTime.code, "streams_unavailable");
  assert.deepEqual([port.status().starts, port.status().underWay, port.status().waiting], [0, 0, 0]);
  assert.equal(await databaseOf(port, { connection: "other2" }), "third");
});

test("a query under way on a connection that a reload takes away goes on with what it has", async (t) => {
  const { port, reconfigure } = runStreams(t, { main, other1 });
  const rows = port.query({ text: "slow 300", connection: "other1" }).collect();
  await waitFor(() => port.status().underWay === 1, { what: "the query to be under way", timeoutMs: 20_000 });
  reconfigure({ main });
  assert.equal(
    (await faultOf(port.query({ text: "rows", connection: "other1" }))).code,
    "streams_unavailable",
  );
  assert.equal((await rows).length, 1);
  assert.equal(await databaseOf(port, {}), "first");
});

test("a query that waited while its connection was taken away is unavailable", async (t) => {
  const { port, reconfigure } = runStreams(t, { main, other1 });
  // The process starts: what is asked meanwhile waits.
  const waiting = faultOf(port.query({ text: "rows", connection: "other1" }));
  await waitFor(() => port.status().state === "starting", { what: "the process to start", everyMs: 1 });
  reconfigure({ main });
  const fault = await waiting;
  assert.deepEqual([fault.code, port.status().starts], ["streams_unavailable", 1]);
  assert.match(fault.message, /no connection "other1" any more/);
});

test("a query that waited while its connection became another one is not asked of that", async (t) => {
  const { port, reconfigure } = runStreams(t, { main, other1 });
  const moved = faultOf(port.query({ text: "config", connection: "other1" }));
  const same = databaseOf(port, {});
  await waitFor(() => port.status().state === "starting", { what: "the process to start", everyMs: 1 });
  reconfigure({ main: { ...main }, other1: { ...other2 } });
  const fault = await moved;
  assert.deepEqual([fault.code, fault.disposition], ["streams_unavailable", "retry"]);
  assert.match(fault.message, /"other1" was configured anew/);
  assert.equal(await same, "first");
  assert.equal(await databaseOf(port, { connection: "other1" }), "third");
});
