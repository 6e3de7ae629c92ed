/** How the stand-in answers DoGet, and every fault that it can be told to have; over streams made by hand. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Message, MessageHeader } from "apache-arrow";

import { Secret } from "../../../src/lib/secret.ts";
import type { FlightFault, HeaderLie } from "../../../src/sandbox/influxdb/faults.ts";
import { SqlRefusal } from "../../../src/sandbox/influxdb/sql.ts";
import { waitFor } from "../../support/wait.ts";
import {
  HandMadeStream,
  RawFlight,
  anyTicket,
  jsonTicket,
  numbers,
  readAll,
  rowsIn,
  startHandMade,
  tableOf,
} from "./flight-fixture.ts";
import type { Answer, HandMadeServer } from "./flight-fixture.ts";

/** A result that takes until it is closed, as DuckDB does when it is interrupted. */
function computing(): HandMadeStream {
  const stream = numbers(1, async () => await waitFor(() => stream.closed > 0, { what: "close" }));
  return stream;
}

describe("an answer", () => {
  let server: HandMadeServer;
  let client: RawFlight;
  before(async () => {
    server = await startHandMade({ keepAliveMs: 20 });
    client = new RawFlight(server.port);
  });
  after(async () => {
    client.close();
    await server.stop();
  });
  afterEach(() => {
    server.faults.clear();
    assert.equal(server.counters.live, 0);
  });

  const kinds = (messages: readonly { readonly dataHeader: Uint8Array }[]): MessageHeader[] =>
    messages.map(({ dataHeader }) => Message.decode(dataHeader).headerType);

  test("is the schema, then a message for each batch, with no app metadata and no trailers", async () => {
    server.stream = () => numbers(3);
    const answer = await client.ask(anyTicket);
    assert.deepEqual([answer.code, answer.details, answer.trailers], [0, "", {}]);
    const { Schema, RecordBatch } = MessageHeader;
    assert.deepEqual(kinds(answer.messages), [Schema, RecordBatch, RecordBatch, RecordBatch]);
    assert.ok(answer.messages.every(({ appMetadata }) => appMetadata.length === 0));
    assert.deepEqual(rowsIn(answer.messages), [{ n: 0n }, { n: 1n }, { n: 2n }]);
  });

  test("has its schema also without rows", async () => {
    server.stream = () => numbers(0);
    const answer = await client.ask(anyTicket);
    assert.equal(answer.messages.length, 1);
    assert.deepEqual(
      tableOf(answer.messages).schema.fields.map(({ name }) => name),
      ["n"],
    );
  });

  test("says that it lives after each silence, also before the first row", async () => {
    const gate = Promise.withResolvers<void>();
    server.stream = () => numbers(1, async () => await gate.promise);
    const { batches } = server.counters;
    const call = client.open(anyTicket);
    let seen = 0;
    call.on("data", () => {
      seen += 1;
      if (seen === 4) gate.resolve();
    });
    const { messages } = await readAll(call);
    const rowCounts = tableOf(messages).batches.map((batch) => batch.numRows);
    assert.deepEqual(rowCounts.slice(0, 3), [0, 0, 0]);
    assert.equal(rowCounts.at(-1), 1);
    assert.equal(server.counters.batches, batches + 1);
  });

  test("with real dictionaries has no keep-alives", async () => {
    const gate = Promise.withResolvers<void>();
    const tag = { name: "dev", type: "utf8", influx: "tag" } as const;
    server.stream = () =>
      new HandMadeStream([tag], async function* () {
        await gate.promise;
        yield { rowCount: 2, columns: [["a", "a"]] };
      });
    server.faults.dictionaries = true;
    const answer = client.ask(anyTicket);
    await waitFor(() => server.counters.live === 1, { what: "the query" });
    await sleep(60);
    gate.resolve();
    const { messages } = await answer;
    const { Schema, DictionaryBatch, RecordBatch } = MessageHeader;
    assert.deepEqual(kinds(messages), [Schema, DictionaryBatch, RecordBatch]);
    assert.deepEqual(rowsIn(messages), [{ dev: "a" }, { dev: "a" }]);
  });

  test("gives the parameters of the ticket to the engine, typed", async () => {
    const params = '{"a":5,"b":5.0,"c":0,"d":false,"e":""}';
    await client.ask(jsonTicket(`{"database":"farm","sql_query":"SELECT $a","params":${params}}`));
    assert.deepEqual(server.asked.at(-1), {
      sql: "SELECT $a",
      parameters: { a: 5n, b: 5, c: 0n, d: false, e: "" },
    });
  });

  test("ends the query when the client cancels, in the middle of a computation", async () => {
    const stream = computing();
    server.stream = () => stream;
    const { cancelled } = server.counters;
    const call = client.open(anyTicket);
    call.on("error", () => undefined);
    call.once("data", () => call.cancel());
    await waitFor(() => server.counters.cancelled === cancelled + 1, { what: "the cancellation" });
    await waitFor(() => server.counters.live === 0, { what: "the end of the query" });
    assert.ok(stream.closed > 0);
    assert.equal(stream.pulled, 1, "the computation has ended, too");
  });

  test("holds the query back when the client does not read", async () => {
    const row = { rowCount: 1, columns: [["x".repeat(64 * 1024)]] };
    const stream = new HandMadeStream([{ name: "t", type: "utf8", influx: undefined }], async function* () {
      for (let n = 0; n < 1000; n += 1) yield await Promise.resolve(row);
    });
    server.stream = () => stream;
    const call = client.open(anyTicket);
    call.on("error", () => undefined);
    // grpc-js only begins to hold back after a first read.
    await new Promise((resolve) => {
      call.once("data", resolve);
    });
    call.pause();
    await waitFor(() => stream.pulled > 0, { what: "the first batch" });
    let before = -1;
    await waitFor(
      () => {
        const isStill = stream.pulled === before;
        before = stream.pulled;
        return isStill;
      },
      { what: "a standstill", everyMs: 50 },
    );
    assert.ok(stream.pulled < 100, `${stream.pulled} batches of 64 KiB`);
    call.cancel();
    await waitFor(() => stream.closed > 0, { what: "the end of the query" });
    await waitFor(() => server.counters.live === 0, { what: "the end of the query" });
  });

  test("ends with RESOURCE_EXHAUSTED when grpc-timeout has passed, also with a query that still computes", async () => {
    const stream = computing();
    server.stream = () => stream;
    const call = client.open(anyTicket, { headers: { "grpc-timeout": "50m" }, timeoutMs: Infinity });
    const { code, details } = await readAll(call);
    assert.deepEqual([code, details], [8, "grpc-timeout elapsed"]);
  });

  test("an error of the engine after rows has its own code", async () => {
    server.stream = () => numbers(2, async () => await Promise.reject(new Error("disk #1: 5% left?")));
    const { code, details, messages } = await client.ask(anyTicket);
    // grpc-js leaves %23 and %3F as they are.
    assert.deepEqual([code, details, messages.length], [13, "disk %231: 5% left%3F", 1]);
  });

  test("a refusal has the code of its phase, when it is planned and after rows", async () => {
    for (const [phase, code, text] of [
      ["planning", 3, "Error while logically planning query: no"],
      ["execution", 3, "no"],
      ["resources", 8, "no"],
    ] as const) {
      const refusal = new SqlRefusal("no", phase);
      server.stream = () => {
        throw refusal;
      };
      const planned = await client.ask(anyTicket);
      server.stream = () => {
        let left = 1;
        return numbers(2, async () => {
          if (left === 0) throw refusal;
          left -= 1;
          await Promise.resolve();
        });
      };
      const failed = await client.ask(anyTicket);
      assert.deepEqual([planned.code, planned.details, planned.messages.length], [code, text, 0]);
      assert.deepEqual([failed.code, failed.details, failed.messages.length], [code, text, 2]);
    }
  });

  test("a database that is missing, as Core and as Cloud say it", async () => {
    const ticket = jsonTicket({ database: "x", sql_query: "SELECT 1" });
    const core = await client.ask(ticket);
    server.faults.cloudErrors = true;
    const cloud = await client.ask(ticket);
    assert.deepEqual(
      [core.code, core.details, cloud.code, cloud.details],
      [13, "Cannot retrieve database: External error: database not found: x", 5, "Database 'x' not found"],
    );
  });

  test("trailers, if wanted", async () => {
    server.stream = () => numbers(1);
    server.faults.trailers = { "x-influxdata-execution-duration-seconds": "0.25" };
    const { code, trailers } = await client.ask(anyTicket);
    assert.deepEqual([code, trailers], [0, server.faults.trailers]);
  });

  describe("with a planted fault", () => {
    const ask = async (fault: FlightFault): Promise<Answer> => {
      server.stream = () => numbers(4);
      const seen = server.faults.seen[fault.kind];
      server.faults.nextQueries(fault);
      const answer = await client.ask(anyTicket);
      assert.equal(server.faults.seen[fault.kind] > seen, true, "the fault has fallen");
      assert.equal(server.faults.waiting, 0);
      await waitFor(() => server.counters.live === 0, { what: "the end of the query" });
      return answer;
    };

    test("status, before and after the schema, with metadata", async () => {
      const status = { kind: "status", code: 7, details: "no ü", metadata: { "x-why": "because" } } as const;
      for (const [at, messages] of [
        [undefined, 0],
        [0, 1],
        [2, 3],
      ] as const) {
        const answer = await ask(at === undefined ? status : { ...status, afterBatches: at });
        assert.deepEqual(
          [answer.code, answer.details, answer.trailers["x-why"], answer.messages.length],
          [7, "no ü", "because", messages],
        );
      }
    });

    const ends: readonly (readonly [string, FlightFault, number, RegExp, number])[] = [
      [
        "reset with INTERNAL_ERROR",
        { kind: "reset", code: 2, afterBatches: 2 },
        13,
        /RST_STREAM with code 2/,
        3,
      ],
      ["reset with CANCEL", { kind: "reset", code: 8, afterBatches: 1 }, 1, /cancelled/, 2],
      [
        "reset with ENHANCE_YOUR_CALM",
        { kind: "reset", code: 11, afterBatches: 1 },
        8,
        /Bandwidth exhausted/,
        2,
      ],
      ["reset before the schema", { kind: "reset", code: 2 }, 13, /RST_STREAM with code 2/, 0],
      ["cut", { kind: "cut", afterBatches: 2 }, 14, /Connection dropped/, 3],
      ["no trailers", { kind: "no_trailers", afterBatches: 2 }, 13, /without gRPC status/, 3],
      ["no trailers before the schema", { kind: "no_trailers" }, 13, /without gRPC status/, 0],
    ];
    for (const [name, fault, code, details, messages] of ends) {
      test(name, async () => {
        const { cancelled } = server.counters;
        const answer = await ask(fault);
        assert.equal(server.counters.cancelled, cancelled);
        assert.equal(answer.code, code, answer.details);
        assert.match(answer.details, details);
        assert.equal(answer.messages.length, messages);
      });
    }

    for (const [fault, messages] of [
      [{ kind: "hang" }, 0],
      [{ kind: "hang", afterBatches: 1 }, 2],
    ] as const) {
      test(`hang, after ${messages} messages, is without keep-alives and lasts until the client goes`, async () => {
        const { cancelled } = server.counters;
        const { hang } = server.faults.seen;
        server.stream = () => numbers(4);
        server.faults.nextQueries(fault);
        const call = client.open(anyTicket);
        let received = 0;
        call.on("error", () => undefined);
        call.on("data", () => {
          received += 1;
        });
        await waitFor(() => server.faults.seen.hang > hang && received >= messages, { what: "the hang" });
        // Three times the silence of a keep-alive.
        await sleep(60);
        assert.equal(received, messages);
        assert.equal(server.counters.cancelled, cancelled);
        call.cancel();
        await waitFor(() => server.counters.cancelled > cancelled, { what: "the cancellation" });
      });
    }

    test("malformed: the schema, a batch, or as the test wants it", async () => {
      const schema = await ask({ kind: "malformed" });
      assert.throws(() => tableOf(schema.messages));
      const batch = await ask({ kind: "malformed", afterBatches: 1 });
      assert.throws(() => tableOf(batch.messages));
      assert.equal(tableOf(batch.messages.slice(0, 2)).numRows, 1);
      const own = await ask({ kind: "malformed", afterBatches: 0, mutate: () => Uint8Array.of(1, 2, 3) });
      assert.deepEqual([...(own.messages[1]?.dataHeader ?? [])], [1, 2, 3]);
    });

    const lies: Readonly<Record<HeaderLie, (message: Message, bodyBytes: number) => boolean>> = {
      body_length: (message, bodyBytes) => message.bodyLength > bodyBytes,
      buffer_offset: (message, bodyBytes) => regionsOf(message).some(({ offset }) => offset > bodyBytes),
      buffer_length: (message, bodyBytes) => regionsOf(message).some(({ length }) => length > bodyBytes),
      node_length: (message) =>
        message.isRecordBatch() &&
        message.header().nodes.some(({ length }) => length > message.header().length),
    };
    for (const [about, isLie] of Object.entries(lies)) {
      test(`lie about ${about}, in the batch that was meant and in no other`, async () => {
        const { messages } = await ask({ kind: "lie", about: about as HeaderLie, afterBatches: 1 });
        const found = messages.map(({ dataHeader, dataBody }) =>
          isLie(Message.decode(dataHeader), dataBody.length),
        );
        assert.deepEqual(found, [false, false, true, false, false]);
      });
    }

    test("schema change: another schema, and the rest by it", async () => {
      const { code, messages } = await ask({ kind: "schema_change", afterBatches: 1 });
      const { Schema, RecordBatch } = MessageHeader;
      assert.equal(code, 0);
      const kindsSeen = kinds(messages);
      assert.deepEqual(kindsSeen, [Schema, RecordBatch, Schema, RecordBatch, RecordBatch, RecordBatch]);
      assert.deepEqual(rowsIn(messages.slice(2)), [{ n_changed: 1n }, { n_changed: 2n }, { n_changed: 3n }]);
    });

    test("drip holds each batch back, and keep-alives go on", async () => {
      const startMs = performance.now();
      const { drip } = server.faults.seen;
      const { messages } = await ask({ kind: "drip", delayMs: 50, afterBatches: 2 });
      assert.ok(performance.now() - startMs >= 100);
      assert.equal(server.faults.seen.drip, drip + 2);
      const rowCounts = tableOf(messages).batches.map((batch) => batch.numRows);
      assert.deepEqual(rowCounts.slice(0, 3), [1, 1, 0]);
      assert.equal(tableOf(messages).numRows, 4);
    });

    test("a query that ends before its fault was not hit", async () => {
      server.stream = () => numbers(1);
      const { status } = server.faults.seen;
      server.faults.nextQueries({ kind: "status", code: 13, details: "", afterBatches: 2 });
      assert.equal((await client.ask(anyTicket)).code, 0);
      assert.equal(server.faults.seen.status, status);
    });
  });
});

function regionsOf(message: Message): readonly { readonly offset: number; readonly length: number }[] {
  return message.isRecordBatch() ? message.header().buffers : [];
}

test("stopping ends what still runs, and says so", async () => {
  const server = await startHandMade();
  const client = new RawFlight(server.port);
  const stream = computing();
  server.stream = () => stream;
  const answer = client.ask(anyTicket);
  await waitFor(() => server.counters.live === 1, { what: "a live query" });
  await server.stop();
  assert.equal((await answer).code, 14);
  assert.equal(server.counters.live, 0);
  client.close();
});

test("a token is asked for, and its scheme is case-sensitive", async (t) => {
  const auth = { token: new Secret("good"), powerlessToken: new Secret("weak") };
  const server = await startHandMade({ auth });
  const client = new RawFlight(server.port);
  t.after(async () => {
    client.close();
    await server.stop();
  });
  const statusOf = async (authorization?: string): Promise<string> => {
    const headers = authorization === undefined ? {} : { authorization };
    const { code, details } = await client.ask(anyTicket, { headers });
    return `${code} ${details}`;
  };
  const basic = Buffer.from("user:good").toString("base64");
  for (const good of ["Bearer good", "Token good", `Basic ${basic}`])
    assert.equal(await statusOf(good), "0 ");
  for (const bad of [undefined, "bearer good", "Bearer", "Bearer nope", "Basic !"]) {
    assert.equal(await statusOf(bad), "16 Unauthenticated", bad);
  }
  assert.equal(await statusOf("Bearer weak"), "7 Permission denied");
  server.faults.cloudErrors = true;
  assert.equal(await statusOf("Bearer nope"), "7 Permission denied");
  assert.equal(await statusOf(), "16 Unauthenticated");
});
