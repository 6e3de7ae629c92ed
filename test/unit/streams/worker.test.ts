/** The body of the process, without a process. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { frameOf } from "../../../src/streams/frames.ts";
import type { Credit, FromProcess, ToProcess } from "../../../src/streams/messages.ts";
import { Worker } from "../../../src/streams/worker.ts";
import { fakeFlightClient, newCounters } from "../../support/fakes/flight-client.ts";
import { waitFor } from "../../support/wait.ts";

const config = {
  url: "http://127.0.0.1:1",
  database: "d",
  token: "t",
  tls: { verify: true },
  timeoutMs: 1000,
};
const plenty: Credit = { rows: 1e6, bytes: 1e9 };

interface Bench {
  readonly sent: FromProcess[];
  readonly counters: ReturnType<typeof newCounters>;
  readonly worker: Worker;
  /** Runs in the name of the request whose query begins. */
  onQuery: () => void;
  readonly tell: (...messages: readonly ToProcess[]) => void;
  readonly of: <K extends FromProcess["kind"]>(kind: K) => Extract<FromProcess, { readonly kind: K }>[];
}

function bench(): Bench {
  const sent: FromProcess[] = [];
  const counters = newCounters();
  const worker = new Worker({
    send: (message) => {
      sent.push(message);
      return frameOf(message)?.length;
    },
    createClient: (given) => {
      const client = fakeFlightClient(given, counters);
      return {
        ...client,
        query: (asked) => {
          made.onQuery();
          return client.query(asked);
        },
      };
    },
    memory: () => ({ rssBytes: 1, heapBytes: 2, externalBytes: 3 }),
  });
  const made: Bench = {
    sent,
    counters,
    worker,
    onQuery: () => undefined,
    tell: (...messages) => {
      for (const message of messages) worker.receive(message);
    },
    of: (kind) => sent.filter((message) => message.kind === kind) as never,
  };
  return made;
}

function query(id: number, text: string, credit = plenty): ToProcess {
  return {
    kind: "query",
    id,
    query: { connection: "main", text, requestId: `r${id}`, timeoutMs: 1000 },
    credit,
  };
}

async function settle(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await turn();
}

test("a query is answered by columns, rows in groups, and the end", async () => {
  const { tell, sent, of } = bench();
  tell({ kind: "configure", id: 1, connections: { main: config } }, query(5, "rows 2 700"));
  await waitFor(() => of("end").length, { what: "the end" });
  assert.deepEqual(
    sent.map(({ kind, id }) => `${kind} ${id}`),
    ["ready 1", "columns 5", "rows 5", "rows 5", "rows 5", "rows 5", "end 5"],
  );
  assert.deepEqual(
    of("rows").map(({ rows }) => rows.length),
    [512, 188, 512, 188],
  );
});

test("rows are bounded by the credit in number and in bytes, and the stream is not pulled without it", async () => {
  const { tell, of, counters } = bench();
  tell(
    { kind: "configure", id: 1, connections: { main: config } },
    query(1, "rows 100 10", { rows: 25, bytes: 1e6 }),
  );
  await settle();
  const count = (): number => of("rows").reduce((sum, { rows }) => sum + rows.length, 0);
  assert.deepEqual([count(), counters.batches], [25, 3]);
  tell({ kind: "credit", id: 1, credit: { rows: 5, bytes: 0 } });
  await settle();
  assert.deepEqual([count(), counters.batches], [30, 3]);
  tell({ kind: "credit", id: 1, credit: { rows: 1, bytes: 0 } });
  await settle();
  assert.deepEqual([count(), counters.batches], [31, 4]);
  const narrow = bench();
  narrow.tell(
    { kind: "configure", id: 1, connections: { main: config } },
    query(1, "rows 100 10 1000", { rows: 1000, bytes: 5000 }),
  );
  await settle();
  // A row takes about 1070 bytes; the fifth one begins within the credit.
  assert.deepEqual([narrow.of("rows").flatMap(({ rows }) => rows).length, narrow.counters.batches], [5, 1]);
  tell({ kind: "cancel", id: 1 });
  narrow.tell({ kind: "cancel", id: 1 });
  await settle();
  assert.deepEqual([counters.cancelled, narrow.counters.cancelled], [1, 1]);
});

test("a cancelled query says nothing more, and others go on", async () => {
  const { tell, sent, of, counters } = bench();
  tell({ kind: "configure", id: 1, connections: { main: config } }, query(1, "hang"), query(2, "slow 30"));
  await settle();
  tell({ kind: "cancel", id: 1 });
  await waitFor(() => of("end").length, { what: "the other's end" });
  assert.deepEqual(
    sent.filter(({ id, kind }) => id === 1 && kind !== "ready").map(({ kind }) => kind),
    ["columns"],
  );
  assert.equal(counters.cancelled, 1);
});

test("what is broken, of an unknown request, used twice or before a configuration is dropped and counted", async () => {
  const { tell, worker, of } = bench();
  tell(query(1, "rows"), { kind: "cancel", id: 9 }, { kind: "credit", id: 9, credit: plenty });
  worker.receive({ kind: "nonsense" });
  worker.receive(undefined);
  worker.receiveBroken();
  tell({ kind: "configure", id: 1, connections: { main: config } }, query(2, "hang"), query(2, "rows"), {
    kind: "ping",
    id: 3,
  });
  const [pong] = of("pong");
  assert.deepEqual(
    [pong?.id, pong?.vitals],
    [3, { rssBytes: 1, heapBytes: 2, externalBytes: 3, underWay: 1, dropped: 7 }],
  );
  tell({ kind: "cancel", id: 2 });
  await settle();
});

test("a fault of the stream, a bug in it and a client that cannot be made are faults of the request", async () => {
  const { tell, of } = bench();
  tell({ kind: "configure", id: 1, connections: { main: config } }, query(1, "fault"), query(2, "exception"));
  await waitFor(() => of("fault").length === 2, { what: "two faults" });
  tell(
    { kind: "configure", id: 2, connections: { main: { ...config, database: "unreadable" } } },
    query(3, "rows"),
  );
  await waitFor(() => of("fault").length === 3, { what: "three faults" });
  assert.deepEqual(
    of("fault").map(({ id, fault, isFatal }) => [id, fault.code, isFatal]),
    [
      [1, "flight_bad_query", false],
      [2, "streams_request_failed", false],
      [3, "tls_file_unreadable", false],
    ],
  );
  assert.deepEqual(of("end"), []);
});

test("an error that nobody caught is that of the request whose code runs, once, and of nobody outside of requests", async () => {
  const made = bench();
  const { tell, worker, of, counters } = made;
  assert.equal(worker.failCurrent(new Error("of nobody"), false), false);
  tell({ kind: "configure", id: 1, connections: { main: config } }, query(1, "hang"), query(2, "hang"));
  const caught: boolean[] = [];
  made.onQuery = () => {
    setTimeout(() => {
      const error = new Error("nobody handles this");
      caught.push(worker.failCurrent(error, true), worker.failCurrent(error, false));
    }, 1);
  };
  tell(query(3, "hang"));
  await waitFor(() => caught.length, { what: "the error" });
  await settle();
  assert.deepEqual(caught, [true, true]);
  assert.deepEqual(
    of("fault").map(({ id, fault, isFatal }) => [id, fault.message, isFatal]),
    [[3, "the query ended through a bug: nobody handles this", true]],
  );
  assert.equal(counters.cancelled, 1);
  tell({ kind: "cancel", id: 1 }, { kind: "cancel", id: 2 });
  await settle();
});

test("a query that cannot be read is answered by a fault where it has an id, and one under way is left alone", async () => {
  const { tell, worker, of } = bench();
  tell({ kind: "configure", id: 1, connections: { main: config } }, query(1, "hang"));
  const unreadable = { connection: "main", text: "rows", requestId: "r", timeoutMs: Number.NaN };
  for (const id of [1, 2, undefined])
    worker.receive({ kind: "query", id, query: unreadable, credit: plenty });
  assert.deepEqual(
    of("fault").map(({ id, fault }) => [id, fault.code, fault.message]),
    [[2, "streams_request_failed", "the streams process could not read the query"]],
  );
  tell({ kind: "cancel", id: 1 });
  await settle();
});

test("a client that was replaced is closed: at once when it is idle, else with its last query", async () => {
  const { tell, counters } = bench();
  const configure = (id: number): ToProcess => ({ kind: "configure", id, connections: { main: config } });
  tell(configure(1), configure(2));
  assert.equal(counters.closedClients, 1);
  tell(query(1, "hang"), query(2, "hang"), configure(3));
  await settle();
  assert.equal(counters.closedClients, 1);
  tell({ kind: "cancel", id: 1 });
  await settle();
  assert.equal(counters.closedClients, 1);
  tell({ kind: "cancel", id: 2 });
  await settle();
  assert.equal(counters.closedClients, 2);
});
