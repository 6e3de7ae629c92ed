/** The schema reader against the stand-in, and against servers that answer what they like or not at all. */
import assert from "node:assert/strict";
import * as net from "node:net";
import { describe, test, type TestContext } from "node:test";
import { inspect } from "node:util";
import type { InfluxConfig } from "../../src/influx/config.ts";
import type { SchemaAnswer } from "../../src/influx/schema-answer.ts";
import {
  createSchemaReader,
  type SchemaReader,
  type SchemaReaderOptions,
} from "../../src/influx/schema-reader.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import { startInfluxStandIn, type InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { influxConfig, never, serve } from "../support/influx-http.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";
import { freePort, waitFor } from "../support/wait.ts";
import { listening } from "../support/tcp-server.ts";

const token = "apiv3_secret-0123456789";

const noFlight = new Fault({
  code: "connection_refused",
  layer: "flight",
  disposition: "retry",
  message: "nobody speaks Flight here",
});

function reader(
  t: TestContext,
  url: string,
  {
    tables = ["uplink"],
    askOverFlight = () => Promise.reject(noFlight),
    ...more
  }: Partial<InfluxConfig & Pick<SchemaReaderOptions, "tables" | "askOverFlight">> = {},
): SchemaReader {
  const config = influxConfig(url, {
    database: "farm",
    token: new Secret(token),
    writeTimeoutMs: 10_000,
    ...more,
  });
  const made = createSchemaReader({ config, tables, prefix: "telemetry_", askOverFlight });
  t.after(() => {
    made.close();
  });
  return made;
}

function assertFault(answer: SchemaAnswer, kind: "retry" | "later" | "unavailable", code: string): Fault {
  assert.ok("fault" in answer, inspect(answer));
  assert.deepEqual([answer.kind, answer.fault.code], [kind, code]);
  const said = inspect(answer, { depth: 9 });
  assert.ok(!said.includes(token), said);
  return answer.fault;
}

/** By table and column. */
function columnsOf(answer: SchemaAnswer): Record<string, string> {
  assert.equal(answer.kind, "read", inspect(answer));
  assert.ok("columns" in answer);
  return Object.fromEntries(answer.columns.map(({ table, column, type }) => [`${table}.${column}`, type]));
}

describe("against the stand-in", () => {
  async function standIn(t: TestContext): Promise<InfluxStandIn> {
    const server = await startInfluxStandIn({
      flushIntervalMs,
      auth: { token: new Secret(token), powerlessToken: new Secret("weak-token") },
    });
    t.after(async () => await server.stop());
    return server;
  }
  const lines = async (server: InfluxStandIn, text: string, db = "farm"): Promise<void> => {
    const headers = { authorization: `Bearer ${token}` };
    assert.deepEqual(await write(server, text, `db=${db}&precision=ns`, headers), [204, ""]);
  };

  test("every type of a column is read as what it is", async (t) => {
    const server = await standIn(t);
    await lines(server, 'uplink,dev_eui=a f=1,i=1i,u=1u,s="x",b=t 1');
    assert.deepEqual(columnsOf(await reader(t, server.url).read(never)), {
      "uplink.dev_eui": "tag",
      "uplink.f": "float",
      "uplink.i": "integer",
      "uplink.u": "unsigned",
      "uplink.s": "string",
      "uplink.b": "boolean",
      "uplink.time": "time",
    });
  });

  test("our own tables, the configured ones and those of the prefix are read, and no others", async (t) => {
    const server = await standIn(t);
    const written = ["uplink", "telemetry_a", "telemetryXa", "Uplink", "cli'mate", "somebody_elses"];
    await lines(server, written.map((table) => `${table} f=1 1`).join("\n"));
    await lines(server, "telemetry_b f=1 1", "barn");
    const asked = reader(t, server.url, { tables: ["uplink", "cli'mate"] });
    assert.deepEqual(
      new Set(Object.keys(columnsOf(await asked.read(never))).filter((name) => name.endsWith(".f"))),
      new Set(["uplink.f", "telemetry_a.f", "cli'mate.f"]),
    );
  });

  test("what came since is read the next time, on the same connection", async (t) => {
    const server = await standIn(t);
    const asked = reader(t, server.url);
    await lines(server, "uplink a=1 1");
    assert.deepEqual(Object.keys(columnsOf(await asked.read(never))), ["uplink.a", "uplink.time"]);
    await lines(server, "uplink b=1 1");
    assert.deepEqual(columnsOf(await asked.read(never))["uplink.b"], "float");
  });

  test("a database that does not exist has no columns", async (t) => {
    const server = await standIn(t);
    assert.deepEqual(await reader(t, server.url).read(never), { kind: "read", columns: [] });
  });

  test("a database that exists has no columns either, before anything is written", async (t) => {
    const server = await standIn(t);
    const created = await fetch(`${server.url}/api/v3/configure/database`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: '{"db":"farm"}',
    });
    assert.equal(created.status, 200);
    assert.deepEqual(await reader(t, server.url).read(never), { kind: "read", columns: [] });
  });

  test("a path that is not InfluxDB's is not an empty database: Flight is asked, and has the say", async (t) => {
    const server = await standIn(t);
    assertFault(await reader(t, `${server.url}/influx`).read(never), "later", "connection_refused");
  });

  test("a token that may not read the schema is told so; one that is unknown will not get through either", async (t) => {
    const server = await standIn(t);
    const weak = await reader(t, server.url, { token: new Secret("weak-token") }).read(never);
    const unreadable = assertFault(weak, "unavailable", "schema_unreadable");
    assert.equal(unreadable.disposition, "drop");
    assert.match(unreadable.message, /HTTP 403/);
    assert.match(unreadable.hint ?? "", /give the token read permission/);
    const unknown = await reader(t, server.url, { token: new Secret("nobody-knows-it") }).read(never);
    assert.match(assertFault(unknown, "retry", "write_unauthorized").message, /HTTP 401/);
  });
});

describe("against another server", () => {
  test("one question is sent, with the token in its header, uncompressed, to the path below influxdb.url", async (t) => {
    const { url, received } = await serve(t, (response) => void response.writeHead(200).end("[]"));
    // Long enough that a write of that size would be compressed.
    const tables = Array.from({ length: 300 }, (_, n) => `table_${n}`);
    const answer = await reader(t, `${url}/db`, { tables }).read(never);
    assert.deepEqual(answer, { kind: "read", columns: [] });
    const [{ url: path, headers, body } = assert.fail("nothing came")] = received;
    assert.deepEqual(
      [received.length, path, headers["content-encoding"]],
      [1, "/db/api/v3/query_sql", undefined],
    );
    assert.equal(headers.authorization, `Bearer ${token}`);
    assert.match(body.toString(), /^\{"db":"farm","q":"SELECT .* FROM information_schema.columns /);
  });

  const refusals: [status: number, kind: "retry" | "unavailable", code: string][] = [
    [302, "retry", "schema_not_understood"],
    [400, "unavailable", "schema_unavailable"],
    [401, "retry", "write_unauthorized"],
    [403, "unavailable", "schema_unreadable"],
    [429, "retry", "schema_server_error"],
    [500, "retry", "schema_server_error"],
    [503, "retry", "schema_server_error"],
  ];
  for (const [status, kind, code] of refusals) {
    test(`${status} is "${kind}", and an answer that repeats the token does not bring it into the log`, async (t) => {
      const { url } = await serve(t, (response, { headers }) => {
        response.writeHead(status).end(JSON.stringify({ error: `no: ${headers.authorization}` }));
      });
      const fault = assertFault(await reader(t, url).read(never), kind, code);
      assert.match(fault.message, new RegExp(`HTTP ${status}: no: Bearer \\[secret\\]`));
    });
  }

  test("where there is no SQL over HTTP, Flight is asked; HTTP again only after that has failed", async (t) => {
    for (const status of [404, 405]) {
      const { url, received } = await serve(t, (response) => void response.writeHead(status).end());
      const asked: string[] = [];
      let away = false;
      const made = reader(t, url, {
        askOverFlight: (sql) => {
          asked.push(sql);
          const rows = [{ table_name: "uplink", column_name: "a", data_type: "Float64" }];
          return away ? Promise.reject(noFlight) : Promise.resolve(rows);
        },
      });
      assert.deepEqual(columnsOf(await made.read(never)), { "uplink.a": "float" });
      assert.match(asked[0] ?? "", /^SELECT table_name.*'uplink'/);
      const once = received.length;
      await made.read(never);
      away = true;
      assertFault(await made.read(never), "later", "connection_refused");
      assert.deepEqual([received.length, asked.length], [once, 3]);
      away = false;
      await made.read(never);
      assert.ok(received.length > once, "HTTP was asked again");
    }
  });

  test("Flight has what is left of the time, and longer only when nobody waits", async (t) => {
    const { url } = await serve(t, (response) => {
      setTimeout(() => response.writeHead(404).end(), 100);
    });
    const given: number[] = [];
    const made = reader(t, url, {
      writeTimeoutMs: 1000,
      askOverFlight: (_sql, timeoutMs) => {
        given.push(timeoutMs);
        return given.length === 2 ? Promise.resolve([]) : Promise.reject(noFlight);
      },
    });
    await made.read(never, { mayBeAwaited: true });
    await made.read(never, { mayBeAwaited: false });
    await made.read(never, { mayBeAwaited: true });
    const [afterHttp = 0, patient, atOnce = 0] = given;
    assert.ok(afterHttp >= 1 && afterHttp <= 810, `${afterHttp} ms after two answers of 100 ms`);
    assert.equal(patient, 20_000);
    assert.ok(atOnce > 900 && atOnce <= 1000, `${atOnce} ms where HTTP is not asked`);
  });

  test("404 to a question and 400 to what is none: the database is missing, whatever the texts say", async (t) => {
    const { url, received } = await serve(t, (response, { body }) => {
      const question: unknown = JSON.parse(body.toString());
      const isOne = typeof question === "object" && question !== null && "db" in question;
      response.writeHead(isOne ? 404 : 400).end("gibberish");
    });
    assert.deepEqual(await reader(t, url).read(never), { kind: "read", columns: [] });
    assert.equal(received.length, 2);
  });

  test("when the second of the two goes unanswered, nothing is known", async (t) => {
    const { url } = await serve(t, (response, _received, count) => {
      if (count === 1) response.writeHead(404).end();
      else response.destroy();
    });
    const answer = await reader(t, url).read(never);
    assert.equal(answer.kind, "retry", inspect(answer));
  });

  const garbage: [what: string, body: string][] = [
    ["a login page", "<!doctype html><title>Sign in</title>"],
    ["nothing", ""],
    ["half of a list", '[{"table_name":"uplink","column_name":"a"'],
    ["another query's rows", '[{"a":1}]'],
    ["bytes", "\0\x01\xff"],
  ];
  for (const [what, body] of garbage) {
    test(`200 with ${what} is no schema, and asked again`, async (t) => {
      const { url } = await serve(t, (response) => void response.writeHead(200).end(body));
      assertFault(await reader(t, url).read(never), "retry", "schema_not_understood");
    });
  }

  test("a schema of 5 MiB is read, and one without end is cut off with its connection", async (t) => {
    const row = JSON.stringify({ table_name: "uplink", column_name: "a".repeat(200), data_type: "Float64" });
    const whole = await serve(t, (response) => {
      response.writeHead(200).end(`[${Array.from({ length: 20_000 }, () => row).join(",")}]`);
    });
    const read = await reader(t, whole.url).read(never);
    assert.equal("columns" in read && read.columns.length, 20_000);

    let closed = false;
    const endless = await serve(t, (response) => {
      const chunk = `${row},`.repeat(1000);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("close", () => {
        closed = true;
      });
      response.writeHead(200).write("[");
      response.on("drain", more);
      more();
    });
    assertFault(await reader(t, endless.url).read(never), "unavailable", "schema_too_large");
    await waitFor(() => closed, { what: "the connection to be closed" });
  });

  test("an answer that does not come, and one that drips, are timeouts of reading the schema", async (t) => {
    const silent = await serve(t, () => undefined);
    let drops = 0;
    const slow = await serve(t, (response) => {
      response.writeHead(200).write("[");
      const drip = setInterval(() => {
        drops += 1;
        response.write(" ");
      }, 10);
      response.on("close", () => clearInterval(drip));
    });
    for (const [{ url }, isUnderWay] of [
      [silent, () => silent.received.length === 1],
      [slow, () => drops > 5],
    ] as const) {
      const asked = reader(t, url, { writeTimeoutMs: 100 });
      // On the test's clock: connecting may take as long as a busy machine likes.
      t.mock.timers.enable({ apis: ["setTimeout"] });
      const reading = asked.read(never);
      while (!isUnderWay()) await new Promise((resolve) => setImmediate(resolve));
      t.mock.timers.tick(100);
      const fault = assertFault(await reading, "retry", "schema_timeout");
      t.mock.timers.reset();
      assert.match(fault.message, /did not answer a query of its schema within 0.1 s/);
      assert.doesNotMatch(`${fault.message} ${fault.hint}`, /the write|a write/);
    }
  });

  test("both questions of a reading share one deadline", async (t) => {
    const { url, received } = await serve(t, (response, _received, count) => {
      if (count === 1) setTimeout(() => response.writeHead(404).end(), 1500);
    });
    const startedMs = performance.now();
    const answer = await reader(t, url, { writeTimeoutMs: 3000 }).read(never);
    assertFault(answer, "retry", "schema_timeout");
    assert.equal(received.length, 2);
    assert.ok(performance.now() - startedMs < 4400, "the second has what the first has left");
  });

  test("a reading takes 5 s at most, whatever a write may take", async (t) => {
    const { url, received } = await serve(t, () => undefined);
    const asked = reader(t, url, { writeTimeoutMs: 30_000 });
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const reading = asked.read(never);
    while (received.length === 0) await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(5000);
    assert.match(assertFault(await reading, "retry", "schema_timeout").message, /within 5 s/);
  });

  test("a refused connection and a handshake that never ends have the faults of every connection", async (t) => {
    const refused = reader(t, `http://127.0.0.1:${await freePort()}`);
    assertFault(await refused.read(never), "retry", "connection_refused");
    const { port } = await listening(t, net.createServer());
    const silent = reader(t, `https://127.0.0.1:${port}`, { writeTimeoutMs: 100 });
    assertFault(await silent.read(never), "retry", "connect_timeout");
  });

  test("an abort rejects with its reason; closing ends a reading as a retry", async (t) => {
    const stop = new AbortController();
    const reason = new Error("shutting down");
    const aborted = await serve(t, () => stop.abort(reason));
    await assert.rejects(reader(t, aborted.url).read(stop.signal), (error) => error === reason);

    const silent = await serve(t, () => undefined);
    const closing = reader(t, silent.url);
    const reading = closing.read(never);
    await waitFor(() => silent.received.length === 1, { what: "the question" });
    closing.close();
    assertFault(await reading, "retry", "schema_cancelled");
    assertFault(await closing.read(never), "retry", "schema_cancelled");
  });
});
