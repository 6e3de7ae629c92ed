/** What is said of queries over Arrow Flight: the stand-in with its faults, and servers that speak something else. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, test, type TestContext } from "node:test";
import { inspect } from "node:util";
import { examineFlight, type FlightOptions } from "../../src/doctor/flight.ts";
import type { InfluxConfig } from "../../src/influx/config.ts";
import { Secret } from "../../src/lib/secret.ts";
import { startInfluxStandIn, type InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import { assertFailure, configOf, type Found, foundBy, token } from "../support/doctor-influxdb-stage.ts";
import { flushIntervalMs } from "../support/stand-in.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort, waitFor } from "../support/wait.ts";

/** With one row in the database `farm`. */
async function standIn(t: TestContext): Promise<InfluxStandIn> {
  const server = await startInfluxStandIn({ flushIntervalMs, auth: { token: new Secret(token) } });
  t.after(() => server.stop());
  const headers = { authorization: `Bearer ${token}` };
  await fetch(`${server.url}/api/v3/write_lp?db=farm`, { method: "POST", body: "climate t=21.5 1", headers });
  return server;
}

async function examine(
  config: InfluxConfig,
  options: FlightOptions = {},
  signal?: AbortSignal,
): Promise<Found> {
  return await foundBy(examineFlight("main", config, options), config, signal);
}

describe("against the stand-in", () => {
  test("everything is told in order, and no query stays", async (t) => {
    const server = await standIn(t);
    const { all, of } = await examine(configOf(server.url));
    const checks = all.map(({ check }) => check.slice("flight.main.".length));
    assert.deepEqual(checks, "alpn query token database flight_sql clock round_trip".split(" "));
    assert.deepEqual(
      all.map(({ severity }) => severity),
      ["skipped", "ok", "ok", "ok", "ok", "ok", "ok"],
    );
    assert.deepEqual(of("flight_sql").figures, { server: "InfluxDB IOx", version: "2" });
    const { clockMinMs, clockMaxMs } = of("clock").figures ?? {};
    assert.ok(Number(clockMinMs) <= 0 && Number(clockMaxMs) >= 0, inspect(of("clock")));
    assert.ok(Number(clockMaxMs) - Number(clockMinMs) < 1000, "closer than HTTP can tell");
    assert.equal(server.flightCounters.live, 0);
  });

  test("a token that is refused on this road is told, and that of queries comes first", async (t) => {
    const server = await standIn(t);
    const wrong = await examine(configOf(server.url, { queryToken: new Secret("apiv3_other") }));
    assert.equal(wrong.of("query").severity, "ok");
    assertFailure(wrong.of("token"), "flight_unauthorized", /query_token/);
    assert.equal(wrong.of("round_trip").text, "not tried: the token is not accepted");
    const right = { token: new Secret("apiv3_for-writing"), queryToken: new Secret(token) };
    assert.match((await examine(configOf(server.url, right))).of("token").text, /^query_token is accepted/);
    server.flightFaults.cloudErrors = true;
    const cloud = await examine(configOf(server.url, { token: new Secret("apiv3_other") }));
    assertFailure(cloud.of("token"), "flight_forbidden", /read permission/);
  });

  test("query_token alone is a token too, which a way in plaintext must not show", async (t) => {
    const server = await standIn(t);
    const { url } = await connectProxy(t);
    const proxy = { url, setting: "influxdb.proxy" };
    const { token: _, ...more } = configOf("http://127.0.0.1:1", { flightUrl: server.url, proxy });
    const queries = await examine({ ...more, queryToken: new Secret(token) });
    assert.equal(queries.of("tls").severity, "warning");
    assert.match(queries.of("tls").text, /^the token travels in plaintext/);
    assert.equal((await examine(more)).of("tls").severity, "ok");
  });

  test("no connection outlives it", async (t) => {
    const proxy = await TcpProxy.start((await standIn(t)).port);
    t.after(() => proxy.stop());
    const { of } = await examine(configOf(`http://127.0.0.1:${proxy.port}`));
    assert.equal(of("round_trip").severity, "ok");
    assert.ok(proxy.accepted > 0);
    await waitFor(() => proxy.open === 0, { what: "the connections to end" });
  });

  test("a database that is missing is a warning: it may be yet to be created", async (t) => {
    const server = await standIn(t);
    for (const cloudErrors of [false, true]) {
      server.flightFaults.cloudErrors = cloudErrors;
      const { of } = await examine(configOf(server.url, { database: "nowhere" }));
      assert.deepEqual(
        [of("token").severity, of("database").severity, of("database").code],
        ["ok", "warning", "flight_database_missing"],
      );
      assert.equal(of("clock").text, "not tried: a query needs a database");
    }
  });

  test("a query that fails is told in the words of the daemon's client", async (t) => {
    const server = await standIn(t);
    server.flightFaults.nextQueries({ kind: "status", code: 14, details: "draining" });
    assertFailure((await examine(configOf(server.url))).of("query"), "flight_unavailable", /restart/);
    assert.equal(server.flightFaults.seen.status, 1);
  });

  test("a server without Flight SQL is a warning, and a later query that fails does not undo the first", async (t) => {
    const server = await standIn(t);
    server.flightFaults.nextQueries({ kind: "drip", delayMs: 0 });
    server.flightFaults.nextQueries({ kind: "status", code: 12, details: "no such command" });
    server.flightFaults.nextQueries({ kind: "status", code: 14, details: "draining" });
    const { of } = await examine(configOf(server.url));
    assert.equal(of("query").severity, "ok");
    assert.deepEqual([of("flight_sql").severity, of("flight_sql").code], ["warning", "flight_unsupported"]);
    assert.deepEqual([of("round_trip").severity, of("round_trip").code], ["warning", "flight_unavailable"]);
    assert.equal(of("clock").severity, "ok");
  });

  test("a route is asked about its token and database only", async (t) => {
    const server = await standIn(t);
    const { all } = await examine(configOf(server.url), { about: "database" });
    assert.deepEqual(
      all.map(({ check }) => check.split(".").at(-1)),
      ["query", "token", "database"],
    );
  });

  test("an abort ends it at once, and the query with it", async (t) => {
    const server = await standIn(t);
    server.flightFaults.nextQueries({ kind: "hang" });
    const stop = new AbortController();
    const startedMs = performance.now();
    const examined = examine(configOf(server.url), {}, stop.signal);
    await waitFor(() => server.flightFaults.seen.hang === 1, { what: "the query to hang" });
    stop.abort(new Error("over"));
    const { all } = await examined;
    assert.ok(performance.now() - startedMs < 3000, "it did not wait for an answer");
    assert.ok(
      all.every(({ severity }) => severity !== "failure"),
      inspect(all),
    );
  });

  test("through a proxy", async (t) => {
    const server = await standIn(t);
    const via = async (answer?: () => string): Promise<Found> => {
      const { url } = await connectProxy(t, answer === undefined ? {} : { answer });
      return await examine(configOf(server.url, { proxy: { url, setting: "influxdb.proxy" } }));
    };
    assert.equal((await via()).of("round_trip").severity, "ok");
    const refused = await via(() => "HTTP/1.1 403 Forbidden\r\n\r\n");
    assertFailure(refused.of("proxy"), "proxy_refused", /allow CONNECT/);
  });
});

describe("what does not speak Flight", () => {
  test("nobody listens", async () => {
    const flightUrl = `http://127.0.0.1:${await freePort()}`;
    const { of, all } = await examine(configOf("http://127.0.0.1:1", { flightUrl }));
    assertFailure(of("tcp"), "connection_refused", /flight_url/);
    assert.equal(all.filter(({ severity }) => severity === "failure").length, 1);
  });

  test("a server for HTTP/1.1 only", async (t) => {
    const { port } = await listening(
      t,
      createServer((_request, response) => void response.end("OK")),
    );
    const flightUrl = `http://127.0.0.1:${port}`;
    const { of } = await examine(configOf("http://127.0.0.1:1", { flightUrl }));
    assertFailure(of("query"), "http1_only", /grpc_pass/);
    assert.equal(of("token").text, "not tried: queries are not answered");
  });
});
