/** The Flight client against a server that really listens. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Row } from "../../src/influx/arrow/rows.ts";
import type { FlightClient, FlightQuery } from "../../src/influx/flight/api.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import { startFlightServer, type FlightServer, type Reply } from "../support/flight-server.ts";
import { waitFor } from "../support/wait.ts";
import {
  batchMessage,
  isFault,
  keepAlive,
  messageOf,
  messages,
  rowsFrom,
  schemaMessage,
} from "../unit/influx/flight/fixture.ts";

interface Stage extends AsyncDisposable {
  readonly server: FlightServer;
  readonly client: FlightClient;
  readonly tickets: string[];
}

type Answer = (reply: Reply, call: number) => Promise<void> | void;

async function stage(answer: Answer): Promise<Stage> {
  const tickets: string[] = [];
  const server = await startFlightServer({
    doGet: async (ticket, reply) => {
      tickets.push(Buffer.from(ticket).toString());
      await answer(reply, tickets.length);
    },
  });
  const client = createFlightClient({
    url: server.url,
    database: "farm",
    token: new Secret("apiv3_s3cret"),
    tls: { verify: true },
    timeoutMs: 10_000,
  });
  return {
    server,
    client,
    tickets,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await waitFor(() => server.connections === 0, { what: "the end of the connections" });
      assert.deepEqual(server.errors, []);
      await server.stop();
    },
  };
}

async function send(reply: Reply, ...batches: readonly number[]): Promise<void> {
  for (const message of messages(...batches)) await reply.send(message);
}

async function endless(reply: Reply): Promise<void> {
  await reply.send(schemaMessage);
  const batch = batchMessage(8192);
  while (!reply.signal.aborted) await reply.send(batch);
}

const query: FlightQuery = { text: "SELECT * FROM room", requestId: "r-3" };

/** The aim for an early break is 100 ms. */
async function isCancelled(server: FlightServer, sinceMs: number): Promise<void> {
  await waitFor(() => server.cancels === 1, { what: "RST_STREAM CANCEL at the server", everyMs: 1 });
  const tookMs = performance.now() - sinceMs;
  assert.ok(tookMs < 500, `the server was freed after ${tookMs} ms`);
}

describe("an answer", () => {
  test("is read in four ways, each of which gives the same", async () => {
    await using on = await stage(async (reply) => {
      await send(reply, 1000, 0, 3000);
      reply.end({ "x-influxdata-partitions": "7" });
    });
    const { client, server } = on;
    const expected = rowsFrom(0, 4000);

    const stream = client.query(query);
    assert.deepEqual(await stream.rows().collect(), expected);
    const { trailers, rows, batches, keepAlives, attempts } = await stream.ended;
    assert.deepEqual(
      { rows, batches, keepAlives, attempts },
      { rows: 4000, batches: 2, keepAlives: 1, attempts: 1 },
    );
    assert.equal(trailers["x-influxdata-partitions"], "7");

    const single: Row[] = [];
    for await (const row of client.query(query).rows()) single.push(row);
    assert.deepEqual(single, expected);

    const counts = BigInt64Array.from({ length: 4000 }, (_, n) => BigInt(n));
    const table = await client.query(query).all();
    assert.deepEqual(table.getChild("count")?.toArray(), counts);

    const reader = await client.query(query).reader();
    const read: unknown[] = [];
    for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
      read.push(...(batch.getChild("count")?.toArray() as BigInt64Array));
    }
    assert.deepEqual(read, [...counts]);

    const chunked: unknown[] = [];
    for await (const { batch } of client.query(query).chunks()) {
      chunked.push(...(batch.getChild("count")?.toArray() as BigInt64Array));
    }
    assert.deepEqual(chunked, [...counts]);
    assert.equal(server.connections, 1);
    assert.equal(server.cancels, 0);
  });

  test("was asked for with the token, the database and the request id", async () => {
    await using on = await stage(async (reply) => await send(reply, 1));
    await on.client.query({ ...query, params: { none: 0, no: false }, metadata: { "x-tenant": "a" } }).all();
    const [headers] = on.server.metadata;
    assert.equal(headers?.["authorization"], "Bearer apiv3_s3cret");
    assert.equal(headers["database"], "farm");
    assert.equal(headers["x-request-id"], "r-3");
    assert.equal(headers["x-tenant"], "a");
    assert.deepEqual(JSON.parse(on.tickets[0] ?? ""), {
      database: "farm",
      sql_query: "SELECT * FROM room",
      query_type: "sql",
      params: { none: 0, no: false },
    });
  });
});

describe("the server is freed", () => {
  test("by leaving a loop", async () => {
    await using on = await stage(endless);
    for await (const _ of on.client.query(query).rows()) break;
    await isCancelled(on.server, performance.now());
  });

  test("by cancel() of a reader, and the next query goes over the same connection", async () => {
    await using on = await stage(async (reply, call) => await (call === 1 ? endless(reply) : send(reply, 2)));
    const reader = await on.client.query(query).reader();
    await reader.next();
    reader.cancel();
    await isCancelled(on.server, performance.now());
    assert.deepEqual(await on.client.query(query).rows().collect(), rowsFrom(0, 2));
    assert.equal(on.server.connections, 1);
  });

  test("by an abort while it is planning", async () => {
    await using on = await stage(async (reply) => {
      await new Promise((resolve) => reply.signal.addEventListener("abort", resolve));
    });
    const abort = new AbortController();
    const reason = new Error("enough");
    const asking = on.client.query({ ...query, signal: abort.signal }).all();
    await waitFor(() => on.server.doGets === 1, { what: "the query" });
    abort.abort(reason);
    await assert.rejects(asking, (error) => error === reason);
    await isCancelled(on.server, performance.now());
  });

  test("by a deadline that passes while nobody reads", async () => {
    await using on = await stage(endless);
    const reader = await on.client.query({ ...query, timeoutMs: 250 }).reader();
    await reader.next();
    await waitFor(() => on.server.cancels === 1, { what: "RST_STREAM CANCEL at the server" });
    await assert.rejects(
      reader.next(),
      isFault("flight_timeout", /within 0.25 s.*after 8192 rows \(request r-3\)/),
    );
  });

  test("by its own silence", async () => {
    await using on = await stage(async (reply) => {
      await send(reply, 5, 0);
      await new Promise((resolve) => reply.signal.addEventListener("abort", resolve));
    });
    const asking = on.client.query({ ...query, silenceMs: 60, retry: "never" }).all();
    await assert.rejects(asking, isFault("flight_stalled", /after 5 rows/));
    await isCancelled(on.server, performance.now());
  });

  test("by a message that cannot be read", async () => {
    await using on = await stage(async (reply) => {
      await send(reply, 5);
      await reply.send(messageOf({ header: Buffer.alloc(48, 0xee) }));
      await endless(reply);
    });
    await assert.rejects(on.client.query(query).all(), isFault("flight_bad_stream", /\(request r-3\)$/));
    await isCancelled(on.server, performance.now());
  });

  test("by close()", async () => {
    await using on = await stage(endless);
    const iterator = on.client.query(query).chunks()[Symbol.asyncIterator]();
    await iterator.next();
    on.client.close();
    await assert.rejects(iterator.next(), isFault("flight_closed"));
    await waitFor(() => on.server.connections === 0, { what: "the end of the connection" });
  });
});

test("a reader that is slow holds the server back", async () => {
  let sent = 0;
  await using on = await stage(async (reply) => {
    await reply.send(schemaMessage);
    const batch = batchMessage(80_000); // 1.9 MB
    for (; sent < 100; sent += 1) await reply.send(batch);
  });
  const reader = await on.client.query(query).reader();
  for (let read = 1; read <= 3; read += 1) {
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    // One in the buffers of each side's socket, one in the HTTP/2 window.
    assert.ok(sent <= read + 4, `${sent} sent when ${read} were read`);
  }
  reader.cancel();
});

describe("a read is asked anew", () => {
  test("when the server was leaving, and when the connection was lost in the middle", async () => {
    await using on = await stage(async (reply, call) => {
      if (call === 1) reply.fail(14, "shutting down");
      else if (call === 2) {
        await send(reply, 10, 10);
        on.server.dropConnections();
      } else await send(reply, 10, 5);
    });
    const stream = on.client.query(query);
    assert.deepEqual(await stream.rows().collect(), rowsFrom(0, 15));
    assert.equal((await stream.ended).attempts, 3);
    assert.deepEqual(
      on.server.metadata.map((headers) => headers["x-request-id"]),
      ["r-3", "r-3", "r-3"],
    );
  });

  test("not after rows were seen, and what is missing does not look like an end", async () => {
    await using on = await stage(async (reply) => {
      await send(reply, 10);
      reply.fail(14, "shutting down");
    });
    const seen: Row[] = [];
    const reading = async (): Promise<void> => {
      for await (const row of on.client.query(query).rows()) seen.push(row);
    };
    await assert.rejects(reading, (error) => error instanceof Fault && error.disposition === "retry");
    assert.equal(seen.length, 10);
    assert.equal(on.server.doGets, 1);
  });

  test("not when the server gave up at our own deadline", async () => {
    await using on = await stage(async (reply) => {
      await reply.send(schemaMessage);
      await reply.send(keepAlive);
      await new Promise((resolve) => setTimeout(resolve, 190));
      reply.fail(8, "grpc-timeout elapsed");
    });
    const asking = on.client.query({ ...query, timeoutMs: 200 }).all();
    await assert.rejects(asking, isFault("flight_timeout", /within 0.2 s.*after 0 rows/));
    assert.equal(on.server.doGets, 1);
  });
});

test("a server that is not there is the network's fault, after the attempts that the time allows", async () => {
  const { server, client } = await stage(() => {});
  await server.stop();
  const asking = client.query({ ...query, timeoutMs: 1000 }).all();
  await assert.rejects(asking, isFault("connection_refused", /\(request r-3(?:, \d attempts)?\)$/));
  client.close();
});
