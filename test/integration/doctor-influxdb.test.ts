/** What is said of an InfluxDB that is written to: the stand-in with its faults, and servers that are something else. */
import assert from "node:assert/strict";
import { createServer as createTcp } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { inspect } from "node:util";
import { examineInfluxdb, type InfluxdbOptions } from "../../src/doctor/influxdb.ts";
import type { InfluxConfig } from "../../src/influx/config.ts";
import { Secret } from "../../src/lib/secret.ts";
import {
  startInfluxStandIn,
  type InfluxStandIn,
  type InfluxStandInOptions,
} from "../../src/sandbox/influxdb/server.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import {
  type Answers,
  assertFailure,
  configOf,
  type Found,
  foundBy,
  json,
  planted,
  pong,
  token,
} from "../support/doctor-influxdb-stage.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort } from "../support/wait.ts";

const auth = { token: new Secret(token), powerlessToken: new Secret("apiv3_powerless") };

async function examine(
  config: InfluxConfig,
  options: InfluxdbOptions = {},
  signal?: AbortSignal,
): Promise<Found> {
  return await foundBy(examineInfluxdb("main", config, options), config, signal);
}

async function standIn(t: TestContext, options: InfluxStandInOptions = {}): Promise<InfluxStandIn> {
  const server = await startInfluxStandIn({ flushIntervalMs, ...options });
  t.after(() => server.stop());
  return server;
}

describe("against the stand-in", () => {
  test("everything is told in order, and nothing is left behind", async (t) => {
    const server = await standIn(t, { auth });
    const { all, of } = await examine(configOf(server.url));
    const checks = [...new Set(all.map(({ check }) => check.slice("influxdb.main.".length)))];
    const expected =
      "name tcp tls alpn server token write database limits schema known_bugs clock round_trip";
    assert.deepEqual(checks, expected.split(" "));
    const {
      known_bugs: bugs,
      database,
      ...rest
    } = Object.fromEntries(
      all.map(({ check, severity }) => [check.slice("influxdb.main.".length), severity]),
    );
    assert.deepEqual([bugs, database], ["warning", "warning"]);
    assert.deepEqual(new Set(Object.values(rest)), new Set(["ok", "skipped"]));
    assert.deepEqual(of("server").figures, { version: "3.10.0", build: "Core" });
    assert.match(of("token").text, /without one is refused/);
    assert.deepEqual(of("write").figures, { api: "v3" });
    assert.equal(typeof of("round_trip").figures?.["roundTripMs"], "number");
    const { counters } = server;
    assert.deepEqual([counters.linesAccepted, counters.linesCreated], [0, 0]);
    const listed = await fetch(`${server.url}/api/v3/configure/database?format=json`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.deepEqual(await listed.json(), [{ "iox::database": "_internal" }]);
  });

  test("a database that exists is found, and its schema may be read", async (t) => {
    const server = await standIn(t);
    await write(server, "climate temperature=21.5 1767225600000000000");
    const { of } = await examine(configOf(server.url));
    assert.equal(of("database").severity, "ok");
    assert.match(of("limits").text, /1 of 5 databases/);
    assert.equal(of("schema").severity, "ok");
  });

  test("a server that asks for no token proves nothing about it, and says so", async (t) => {
    const server = await standIn(t);
    assert.match((await examine(configOf(server.url))).of("token").text, /asks for none, so .* not known/);
    const { token: _, ...without } = configOf(server.url);
    assert.match((await examine(without)).of("token").text, /^none is configured/);
  });

  test("a token that is not known, none at all, and one without rights are told apart", async (t) => {
    const server = await standIn(t, { auth });
    const wrong = await examine(configOf(server.url, { token: new Secret("Zm9yZWlnbg==") }));
    assertFailure(wrong.of("token"), "write_unauthorized", /begin with apiv3_, and this one does not/);
    const stale = await examine(configOf(server.url, { token: new Secret("apiv3_of-yesterday") }));
    assertFailure(stale.of("token"), "write_unauthorized", /token_file/);
    assert.doesNotMatch(stale.of("token").hint ?? "", /apiv3_/);
    const { token: _, ...without } = configOf(server.url);
    assertFailure((await examine(without)).of("token"), "write_unauthorized", /token_file/);
    for (const found of [wrong, stale]) {
      for (const check of ["server", "write", "database", "schema", "known_bugs"]) {
        assert.equal(found.of(check).severity, "skipped", check);
      }
      assert.deepEqual([found.of("clock").severity, found.of("round_trip").severity], ["ok", "ok"]);
    }
    const powerless = await examine(configOf(server.url, { token: auth.powerlessToken }));
    assert.equal(powerless.of("token").severity, "ok");
    assertFailure(powerless.of("write"), "write_forbidden", /write permission/);
    assert.deepEqual(
      [powerless.of("schema").severity, powerless.of("schema").code],
      ["warning", "schema_unreadable"],
    );
  });

  test("without a v3 write API, v2 is proven, unless v3 alone is configured", async (t) => {
    const server = await standIn(t, { auth });
    server.faults.writeApi = "v2only";
    const { of } = await examine(configOf(server.url));
    assert.deepEqual([of("write").severity, of("write").figures], ["ok", { api: "v2" }]);
    assert.equal(of("schema").severity, "skipped");
    const pinned = await examine(configOf(server.url, { writeApi: "v3" }));
    assertFailure(pinned.of("write"), "write_api_missing", /"auto" or "v2"/);
    assert.equal(server.counters.linesAccepted, 0);
  });

  test("Core with all of its databases makes no further one, and nothing is tried to be sure", async (t) => {
    const server = await standIn(t);
    for (const name of ["a", "b", "c", "d", "e"]) await write(server, "x y=1 1", `db=${name}&precision=ns`);
    const { of } = await examine(configOf(server.url));
    assertFailure(of("database"), "database_limit_reached", /delete database/);
    assert.equal(of("limits").figures?.["databases"], 5);
  });

  test("a write that is slow or fails is the daemon's fault, in its words", async (t) => {
    const server = await standIn(t, { auth });
    server.faults.nextWrites({ kind: "answer", status: 503, body: "slow down" });
    assertFailure((await examine(configOf(server.url))).of("write"), "write_overloaded", /journal/);
    assert.equal(server.faults.seen.answer, 1);
    // What takes anything at all would lose everything.
    server.faults.nextWrites({ kind: "answer", status: 204 });
    assertFailure((await examine(configOf(server.url))).of("write"), "write_takes_anything", /mock/);
    assert.equal(server.faults.seen.answer, 2);
  });

  test("a route is asked about its token and database only", async (t) => {
    const server = await standIn(t, { auth });
    const { all } = await examine(configOf(server.url), { about: "database" });
    assert.deepEqual(
      all.map(({ check }) => check.split(".").at(-1)),
      ["token", "write", "database", "schema"],
    );
  });

  test("through a proxy, what the proxy says is told, and the server behind it", async (t) => {
    const server = await standIn(t, { auth });
    const proxy = await connectProxy(t);
    const through = (url: string): InfluxConfig =>
      configOf(server.url, { proxy: { url, setting: "influxdb.proxy" } });
    const { of } = await examine(through(proxy.url));
    assert.match(of("proxy").text, /opens a tunnel/);
    assert.deepEqual([of("name").severity, of("tcp").severity], ["skipped", "skipped"]);
    assert.match(of("tls").text, /^the token travels in plaintext, through networks of others/);
    assert.equal(of("server").severity, "ok");
    assert.ok(proxy.heads.every((head) => !head.includes(token)));
    assert.ok(proxy.tunnelled().includes(`Bearer ${token}`), "the token went through the tunnel");
    const closed = await connectProxy(t, { answer: () => "HTTP/1.1 407 Authenticate\r\n\r\n" });
    const refused = await examine(through(closed.url));
    assertFailure(refused.of("proxy"), "proxy_unauthorized", /proxy_username/);
    assert.equal(refused.of("round_trip").text, "not tried: no connection");
  });
});

describe("what is no InfluxDB 3", () => {
  test("nobody listens", async () => {
    const { of, all } = await examine(configOf(`http://127.0.0.1:${await freePort()}`));
    assertFailure(of("tcp"), "connection_refused", /server runs/);
    assert.equal(all.filter(({ severity }) => severity === "failure").length, 1);
    assert.equal(all.length, 12);
  });

  test("a captive portal and a web page", async (t) => {
    const portal = await planted(t, {
      "*": (_request, response) => response.writeHead(302, { location: "http://login.hotel.example/" }).end(),
    });
    assertFailure((await examine(configOf(portal.url))).of("server"), "captive_portal", /log in/);
    const page = await planted(t, {
      "*": (_request, response) =>
        response.writeHead(200, { "content-type": "text/html" }).end("<html><title>Router</title></html>"),
    });
    const { of } = await examine(configOf(page.url));
    assertFailure(of("server"), "server_is_web_page", /influxdb\.url/);
    assert.equal(of("write").text, "not tried: no InfluxDB answers there");
    assert.ok(!page.asked.some((path) => path.includes("write")));
  });

  test("a port that speaks something else", async (t) => {
    const { port } = await listening(
      t,
      createTcp((socket) => void socket.on("error", () => {}).end("SSH-2.0-OpenSSH_9.2\r\n")),
    );
    const { of } = await examine(configOf(`http://127.0.0.1:${port}`));
    assertFailure(of("server"), "server_not_http", /8181/);
  });

  test("an InfluxDB 2", async (t) => {
    const { url } = await planted(t, {
      "GET /ping": (_request, response) =>
        response.writeHead(204, { "x-influxdb-build": "OSS", "x-influxdb-version": "v2.7.11" }).end(),
    });
    assertFailure((await examine(configOf(url))).of("server"), "influxdb_too_old", /InfluxDB 3/);
  });
});

describe("servers of other kinds and versions", () => {
  const listed = json(200, [{ "iox::database": "farm" }]);
  const refusesLine = json(400, {
    error: "line protocol parsing error",
    data: { original_line: "flightline_doctor_as", line_number: 1, error_message: "no fields" },
  });

  test("the newest release has no known bugs, and tells the retention", async (t) => {
    const { url } = await planted(t, {
      "GET /ping": pong("3.12.2"),
      "GET /api/v3/configure/database": listed,
      "POST /api/v3/write_lp": refusesLine,
      "POST /api/v3/query_sql": json(200, [{ retention_period_ns: 86_400_000_000_000 }]),
    });
    const { of } = await examine(configOf(url));
    assert.equal(of("known_bugs").severity, "ok");
    assert.equal(of("database").severity, "warning");
    assert.match(of("database").text, /keeps rows 24 hours only/);
  });

  test("a list of databases that is refused as malformed is a token that is not understood", async (t) => {
    const ask = (ping: Answers[string]) =>
      planted(t, {
        "GET /ping": ping,
        "GET /api/v3/configure/database": json(400, { error: "Authorization header was malformed" }),
        "POST /api/v3/write_lp": refusesLine,
      });
    const { of } = await examine(configOf((await ask(json(401, { error: "no" }))).url));
    assertFailure(of("token"), "write_unauthorized", /token_file/);
    assert.equal(of("write").text, "not tried: the token comes first");
    // Who answers /ping to everybody has another reason.
    const open = await examine(configOf((await ask(pong("3.12.2"))).url));
    assert.deepEqual([open.of("token").severity, open.of("write").severity], ["ok", "ok"]);
  });

  test("a page for every path is no list of databases, and says nothing of the token", async (t) => {
    const { url } = await planted(t, {
      "POST /api/v3/write_lp": json(405, {}),
      "POST /api/v2/write": json(401, { code: "unauthorized", message: "no" }),
      "GET /api/v3/configure/database": (_request, response) => response.end("<html>Cloud</html>"),
    });
    const { of } = await examine(configOf(url));
    assert.deepEqual([of("token").severity, of("write").severity], ["skipped", "failure"]);
    assert.equal(of("database").severity, "skipped");
  });

  test("a clock that is hours away is a failure, one second of rounding is not", async (t) => {
    const dated = (offMs: number) =>
      planted(t, {
        "*": (_request, response) =>
          response
            .writeHead(204, {
              "x-influxdb-build": "Core",
              "x-influxdb-version": "3.12.2",
              date: new Date(Date.now() + offMs).toUTCString(),
            })
            .end(),
      });
    const away = (await examine(configOf((await dated(3 * 3_600_000)).url))).of("clock");
    assertFailure(away, "clock_differs", /timedatectl/);
    assert.match(away.text, /3 hours behind that of InfluxDB at http/);
    assert.equal((await examine(configOf((await dated(0)).url))).of("clock").severity, "ok");
    assert.equal((await examine(configOf((await dated(-10_000)).url))).of("clock").severity, "warning");
  });

  test("a server that hangs is given up, and said so in words of a question", async (t) => {
    const { url } = await planted(t, { "GET /health": json(200, {}), "*": () => {} });
    const { of } = await examine(configOf(url), { stepMs: 100 });
    assertFailure(of("server"), "influxdb_no_answer", /busy/);
    assert.match(of("server").text, /did not answer GET \/ping within 0.1 s$/);
    assert.equal(of("token").severity, "skipped");
  });

  test("a server that repeats the token in all that it says does not get it shown", async (t) => {
    const echo = await planted(t, {
      "*": (request, response) => {
        const said = String(request.headers.authorization).replace("Bearer ", "");
        const headers = { "x-influxdb-build": said, "x-influxdb-version": `1.${said}`, "cluster-uuid": said };
        response.writeHead(request.url?.includes("write") === true ? 403 : 200, headers);
        response.end(JSON.stringify({ product_name: said, version: said, error: said }));
      },
    });
    const { of } = await examine(configOf(echo.url));
    assert.match(of("server").text, /\[secret\]/);
    assert.match(of("write").text, /\[secret\]/);
  });

  test("an abort ends it at once, and what it had open", async (t) => {
    const stop = new AbortController();
    const hanging = await planted(t, {
      "GET /health": json(200, {}),
      "*": () => stop.abort(new Error("over")),
    });
    const startedMs = performance.now();
    const { all } = await examine(configOf(hanging.url), {}, stop.signal);
    assert.ok(performance.now() - startedMs < 3000, "it did not wait for an answer");
    assert.ok(
      all.every(({ severity }) => severity !== "failure"),
      inspect(all),
    );
    assert.ok(hanging.asked.includes("GET /ping"));
  });
});
