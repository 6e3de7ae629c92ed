/** Whatever happens in the streams process is a fault of a request, and at worst the end of that process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/lib/fault.ts";
import type { StreamAnswer } from "../../src/streams/port.ts";
import { faultOf, processes, type RunningStreams, runStreams, token } from "../support/streams.ts";
import { waitFor } from "../support/wait.ts";

const MiB = 1024 * 1024;

/** For processes that are killed for what they do, soon. */
const settings = {
  pingEveryMs: 50,
  pingTimeoutMs: 3000,
  memoryEveryMs: 25,
  maxRssBytes: 300 * MiB,
  maxHeapMiB: 40,
  endTimeoutMs: 500,
};

interface Deed {
  readonly text: string;
  /** Of the request itself. */
  readonly code: string;
  /** In its message. */
  readonly says: RegExp;
  /** Of the process; undefined: it goes on. */
  readonly end?: "streams_died" | "streams_stuck" | "streams_memory";
  /** In the fault of the part; default: what the request says. */
  readonly partSays?: RegExp;
}

const deeds: readonly (readonly [name: string, Deed])[] = [
  ["an exception in a decoder", { text: "exception", code: "streams_request_failed", says: /JSON/ }],
  ["a rejected promise", { text: "rejection", code: "streams_request_failed", says: /nobody handles this/ }],
  ["a stream's own fault", { text: "fault", code: "flight_bad_query", says: /the token is \[secret\]/ }],
  [
    "an exception that nobody catches",
    {
      text: "exceptionLater",
      code: "streams_request_failed",
      says: /a decoder failed/,
      end: "streams_died",
      partSays: /exited with code 70: Error: a decoder failed, the token is \[secret\]$/,
    },
  ],
  [
    "an 'error' that nobody listens to",
    { text: "errorEvent", code: "streams_request_failed", says: /nobody listens/, end: "streams_died" },
  ],
  ["an endless loop", { text: "loop", code: "streams_stuck", says: /did not answer/, end: "streams_stuck" }],
  ["a full heap", { text: "heap", code: "streams_died", says: /SIGABRT.*heap/s, end: "streams_died" }],
  [
    "memory outside the heap",
    { text: "buffers", code: "streams_memory", says: /took \d+\.\d MiB of memory/, end: "streams_memory" },
  ],
  ["a native abort", { text: "abort", code: "streams_died", says: /SIGABRT/, end: "streams_died" }],
  ["a kill", { text: "kill", code: "streams_died", says: /SIGKILL/, end: "streams_died" }],
  [
    "a rejected promise in code that is no query's",
    {
      text: "rejectionOfNobody",
      code: "streams_died",
      says: /exited with code 70: Error: nobody began this$/,
      end: "streams_died",
    },
  ],
  [
    "a channel of garbage",
    { text: "garbage", code: "streams_died", says: /no message/, end: "streams_died" },
  ],
  ["a channel of zeros", { text: "zeros", code: "streams_died", says: /no message/, end: "streams_died" }],
  ["junk without end", { text: "junk", code: "streams_died", says: /no message/, end: "streams_died" }],
];

test("each of these ends as a fault, and the next query is answered", async (t) => {
  const running = runStreams(t, { settings });
  for (const [name, deed] of deeds) {
    await t.test(name, async () => {
      await withstands(running, deed);
    });
  }
  assert.equal(running.port.status().failures, deeds.filter(([, { end }]) => end !== undefined).length);
});

async function withstands({ port, log, supervisor }: RunningStreams, deed: Deed): Promise<void> {
  const { text, code, says, end, partSays = says } = deed;
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
  const { pid } = port.status();
  const leave = new AbortController();
  const beside = endOf(port.query({ text: `hang beside ${text}` }, leave.signal));
  const fault = await faultOf(port.query({ text }));
  assert.equal(fault.code, code);
  assert.match(fault.message, says);
  if (end === undefined) {
    assert.equal(port.status().underWay, 1);
    leave.abort();
    assert.equal(await beside, leave.signal.reason);
  } else {
    const cut = await beside;
    assert.ok(cut instanceof Fault);
    assert.deepEqual([cut.code, cut.disposition], [end, "retry"]);
    await waitFor(() => supervisor.status()[0]?.lastFault?.code === end, { what: "the end of the part" });
    assert.equal(port.status().lastFault?.code, end);
    assert.match(port.status().lastFault?.message ?? "", partSays);
  }
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
  assert.equal(port.status().pid === pid, end === undefined);
  assert.deepEqual(processes(), [port.status().pid]);
  const said = [fault.message, fault.hint, log.lines, port.status(), supervisor.status()];
  assert.ok(!JSON.stringify(said).includes(token));
}

async function endOf(answer: StreamAnswer): Promise<unknown> {
  try {
    return await answer.collect();
  } catch (error) {
    return error;
  }
}

test("messages that are none, or belong to nobody, are dropped and counted, and said once", async (t) => {
  const { port, log } = runStreams(t, { settings });
  for (let n = 0; n < 2; n += 1) {
    assert.equal((await port.query({ text: "nonsense" }).collect()).length, 1);
  }
  const { unknownMessages, brokenMessages, failures } = port.status();
  assert.deepEqual([unknownMessages, brokenMessages, failures], [2, 4, 0]);
  assert.equal(log.lines.filter(({ level }) => level === "warn").length, 1);
});

test("after some frames that are none nothing is read any more of a process, and it is killed", async (t) => {
  const { port, log } = runStreams(t, { settings });
  await port.query({ text: "rows" }).collect();
  assert.equal((await faultOf(port.query({ text: "zeros" }))).code, "streams_died");
  assert.equal((await faultOf(port.query({ text: "junk" }))).code, "streams_died");
  assert.equal(port.status().brokenMessages, 1 + 16);
  assert.equal(log.lines.filter(({ message }) => message.includes("something that is no message")).length, 2);
});

test("a process that does not read what it is sent is killed before that fills the memory", async (t) => {
  const { port } = runStreams(t, { settings: { ...settings, pingTimeoutMs: 60_000 } });
  await port.query({ text: "rows" }).collect();
  const stopped = faultOf(port.query({ text: "stop" }));
  const { pid } = port.status();
  await waitFor(() => /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, "utf8")), { what: "the stop" });
  const text = `hang ${" ".repeat(900_000)}`;
  for (let n = 0; n < 40; n += 1) {
    const leave = new AbortController();
    const end = endOf(port.query({ text }, leave.signal));
    leave.abort();
    await end;
  }
  const fault = await stopped;
  assert.deepEqual(
    [fault.code, fault.message],
    [
      "streams_stuck",
      "the query was cut off: the streams process did not read what it was sent and was killed",
    ],
  );
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
});

test("a process that is not ready in time is killed", async (t) => {
  const { port } = runStreams(t, { settings: { ...settings, memoryEveryMs: 5, startTimeoutMs: 1 } });
  const waiting = faultOf(port.query({ text: "rows", timeoutMs: 500 }));
  const { message } = await waitFor(() => port.status().lastFault, { what: "the end of the part" });
  assert.equal(message, "the streams process did not start within 0 s and was killed");
  assert.equal((await waiting).code, "streams_unavailable");
});

test("rows without credit end the request that they name, and fill no memory", async (t) => {
  const { port } = runStreams(t, { settings });
  const fault = await faultOf(port.query({ text: "flood" }));
  assert.equal(fault.code, "streams_request_failed");
  assert.match(fault.message, /no credit/);
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
});

test("a query that ended the process twice is refused for a while, and no other is", async (t) => {
  const { port } = runStreams(t, { settings });
  const innocent = "slow 30000";
  const beside = faultOf(port.query({ text: innocent }));
  assert.equal((await faultOf(port.query({ text: "exceptionLater" }))).code, "streams_request_failed");
  assert.equal((await beside).code, "streams_died");
  assert.equal((await faultOf(port.query({ text: "exceptionLater" }))).code, "streams_request_failed");
  await waitFor(() => port.status().failures === 2, { what: "the second death" });
  const started = port.status().starts;
  const refused = await faultOf(port.query({ text: "exceptionLater" }));
  assert.deepEqual([refused.code, refused.disposition], ["streams_request_parked", "retry"]);
  assert.equal(port.status().starts, started);
  assert.deepEqual(
    port.status().parkedRequests.map(({ text }) => text),
    ["exceptionLater"],
  );
  assert.equal((await port.query({ text: "rows" }).collect()).length, 3);
});

test("a process that cannot start parks the part, and queries hear it at once", async (t) => {
  const entry = new URL("./there-is-no-such-file.ts", import.meta.url);
  const restart = { maxRestarts: 1, coolDownMs: 60_000 };
  const { port, supervisor } = runStreams(t, { entry, settings, restart });
  const first = faultOf(port.query({ text: "rows", timeoutMs: 60_000 }));
  await waitFor(() => supervisor.status()[0]?.state === "parked", { what: "the part to be parked" });
  assert.match(supervisor.status()[0]?.lastFault?.message ?? "", /exited with code 1: .*Cannot find module/);
  const second = await faultOf(port.query({ text: "rows" }));
  assert.deepEqual([second.code, second.disposition], ["streams_unavailable", "retry"]);
  assert.equal((await first).code, "streams_unavailable");
});

test("where no process can be made the part fails, and the query that waits is answered by a later one", async (t) => {
  const program = process.execPath;
  t.after(() => {
    process.execPath = program;
  });
  process.execPath = "/nonexistent/node";
  const { port } = runStreams(t, { settings });
  const rows = port.query({ text: "rows" }).collect();
  await waitFor(() => port.status().lastFault, { what: "the end of the part" });
  assert.equal(port.status().lastFault?.message, "the streams process could not be started (ENOENT)");
  process.execPath = program;
  assert.equal((await rows).length, 3);
});

for (const text of ["hang", "loop"]) {
  test(`the process dies with a daemon that was killed, also in ${text}`, async (t) => {
    const program = join(import.meta.dirname, "../support/streams-host-process.ts");
    const host = spawn(process.execPath, [program, text], { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => host.kill("SIGKILL"));
    const said: unknown[] = await Promise.race([once(host.stdout, "data"), once(host, "exit")]);
    const pid = Number(String(said[0]));
    t.after(() => {
      if (pid > 1 && existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL");
    });
    assert.ok(pid > 1 && existsSync(`/proc/${pid}`), `there is a process ${pid}`);
    host.kill("SIGKILL");
    await waitFor(() => !existsSync(`/proc/${pid}`), { what: "the streams process to end" });
  });
}
