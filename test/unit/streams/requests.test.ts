import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Answer } from "../../../src/streams/answer.ts";
import type { ToProcess } from "../../../src/streams/messages.ts";
import { Requests, type RequestsDeps } from "../../../src/streams/requests.ts";
import { defaultStreamsSettings } from "../../../src/streams/settings.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { VirtualTime } from "../../support/fakes/virtual-time.ts";

const end = { rows: 0, batches: 0, keepAlives: 0, bytes: 0, trailers: {}, elapsedMs: 1, attempts: 1 };
const death = { code: "streams_died", what: "was ended by SIGSEGV", hint: "look" } as const;
const plainFault = {
  code: "streams_request_failed",
  layer: "flight",
  disposition: "drop",
  message: "x",
  hint: undefined,
  stack: undefined,
} as const;

interface Bench {
  readonly time: VirtualTime;
  readonly requests: Requests;
  readonly sent: ToProcess[];
  /** Resolves with what it ends with: the code of a fault, or the rows. */
  readonly ask: (text: string, timeoutMs?: number) => Promise<unknown>;
  /** A new process. */
  readonly attach: () => void;
  /** Texts that were sent to the process that is there, in order. */
  readonly asked: () => string[];
  readonly idOf: (text: string) => number;
}

function bench(t: TestContext, more: Partial<RequestsDeps> = {}): Bench {
  const time = VirtualTime.install(t);
  const sent: ToProcess[] = [];
  const requests = new Requests({
    clock: time,
    log: new RecordingLog(),
    settings: defaultStreamsSettings,
    timeoutMs: () => 60_000,
    closedBecause: () => undefined,
    redact: (text) => text,
    changed: () => undefined,
    ...more,
  });
  return {
    time,
    requests,
    sent,
    ask: async (text, timeoutMs) => {
      const query = timeoutMs === undefined ? { text } : { text, timeoutMs };
      try {
        return await new Answer(requests, query, undefined).collect();
      } catch (error) {
        return (error as { code: unknown }).code;
      }
    },
    attach: () => {
      sent.length = 0;
      requests.attach((message) => sent.push(message) > 0);
    },
    asked: () => sent.flatMap((message) => (message.kind === "query" ? message.query.text : [])),
    idOf: (text) =>
      sent.findLast((message) => message.kind === "query" && message.query.text === text)?.id ?? -1,
  };
}

test("what was under way at a death runs one at a time, so that only the one that kills is refused", async (t) => {
  const { requests, ask, attach, asked, idOf } = bench(t);
  attach();
  const first = ["a", "b", "killer"].map(async (text) => await ask(text));
  requests.detach(death);
  assert.deepEqual(await Promise.all(first), ["streams_died", "streams_died", "streams_died"]);
  attach();
  const second = ["killer", "a", "b", "new"].map(async (text) => await ask(text));
  assert.deepEqual(asked(), ["killer", "new"]);
  requests.detach(death);
  assert.deepEqual(await Promise.all([second[0], second[3]]), ["streams_died", "streams_died"]);
  attach();
  assert.equal(await ask("killer"), "streams_request_parked");
  assert.deepEqual(asked(), ["a"]);
  requests.received({ kind: "end", id: idOf("a"), end });
  assert.deepEqual(asked(), ["a", "b"]);
  requests.received({ kind: "end", id: idOf("b"), end });
  assert.deepEqual(await Promise.all(second), ["streams_died", [], [], "streams_died"]);
});

test("where the process says of what it dies, nobody else is suspected", async (t) => {
  const { requests, ask, attach, idOf, asked } = bench(t);
  attach();
  const both = [ask("killer"), ask("beside")];
  requests.received({ kind: "fault", id: idOf("killer"), fault: plainFault, isFatal: true });
  requests.detach(death);
  assert.deepEqual(await Promise.all(both), ["streams_request_failed", "streams_died"]);
  attach();
  void ask("killer");
  void ask("beside");
  void ask("beside");
  assert.deepEqual(asked(), ["killer", "beside", "beside"]);
  requests.detach(undefined);
});

test("a query waits for a process with its time running, and takes what is left of it along", async (t) => {
  const { requests, time, ask, attach, sent, idOf } = bench(t);
  const short = ask("short", 1000);
  const long = ask("long", 5000);
  await time.advance(2000);
  assert.equal(await short, "streams_unavailable");
  attach();
  assert.deepEqual(
    sent.map((message) => message.kind === "query" && message.query.timeoutMs),
    [3000],
  );
  requests.received({ kind: "rows", id: idOf("long"), rows: [{ a: 1 }], bytes: 5 });
  requests.received({ kind: "end", id: idOf("long"), end });
  assert.deepEqual(await long, [{ a: 1 }]);
  assert.deepEqual(requests.status, {
    underWay: 0,
    waiting: 0,
    answered: 1,
    faulted: 1,
    unknownMessages: 0,
    parkedRequests: [],
  });
});

test("what arrives for a request that is over is dropped and counted", async (t) => {
  const { requests, ask, attach, idOf } = bench(t);
  attach();
  const asked = ask("q");
  const id = idOf("q");
  requests.received({ kind: "end", id, end });
  requests.received({ kind: "rows", id, rows: [], bytes: 0 });
  requests.received({ kind: "end", id: id + 1, end });
  assert.deepEqual([await asked, requests.status.unknownMessages], [[], 2]);
});

test("the place of a query that ended with a fault is the next one's", async (t) => {
  const { requests, ask, attach, asked, idOf } = bench(t);
  attach();
  const running = Array.from({ length: defaultStreamsSettings.maxUnderWay }, (_, n) => `running ${n}`);
  const ended = running.map(async (text) => await ask(text));
  const waiting = ["first", "second"].map(async (text) => await ask(text));
  assert.deepEqual(asked(), running);
  requests.received({ kind: "fault", id: idOf("running 3"), fault: plainFault, isFatal: false });
  assert.deepEqual(asked(), [...running, "first"]);
  const rows = Array.from({ length: defaultStreamsSettings.window.rows + 1 }, () => ({}));
  requests.received({ kind: "rows", id: idOf("running 4"), rows, bytes: 0 });
  assert.deepEqual(asked(), [...running, "first", "second"]);
  requests.detach(death);
  assert.equal((await Promise.all([...ended, ...waiting])).length, running.length + 2);
});

test("a process that has said of what it dies is sent nothing more: queries wait for the next one", async (t) => {
  const { requests, ask, attach, asked, idOf } = bench(t);
  attach();
  const killer = ask("killer");
  requests.received({ kind: "fault", id: idOf("killer"), fault: plainFault, isFatal: true });
  assert.equal(await killer, plainFault.code);
  const next = ask("next");
  assert.deepEqual(asked(), ["killer"]);
  requests.detach(death);
  attach();
  assert.deepEqual(asked(), ["next"]);
  requests.received({ kind: "end", id: idOf("next"), end });
  assert.deepEqual(await next, []);
});

test("a query for a connection that is not there is refused at once", async (t) => {
  const { requests, ask, attach, asked } = bench(t, { timeoutMs: () => undefined });
  assert.equal(await ask("q"), "streams_unavailable");
  attach();
  assert.equal(await ask("q", 1000), "streams_unavailable");
  assert.deepEqual([asked(), requests.count], [[], 0]);
});
