/** The stand-in answers queries and manages databases as InfluxDB 3 does. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { ask, flushIntervalMs, sql, write } from "../support/stand-in.ts";

describe("queries", () => {
  let server: InfluxStandIn;
  before(async () => {
    server = await startInfluxStandIn({ flushIntervalMs });
    const now = BigInt(Date.now()) * 1_000_000n;
    await write(server, `uplink,dev=a rssi=-90i,snr=7 ${now}\nuplink,dev=b rssi=-80i 1700000000000000000`);
  });
  after(async () => await server.stop());

  const old = "SELECT * FROM uplink WHERE dev = 'b'";
  const formats: [format: string, type: string, body: string][] = [
    ["json", "application/json", '[{"dev":"b","rssi":-80,"time":"2023-11-14T22:13:20"}]'],
    ["jsonl", "application/jsonl", '{"dev":"b","rssi":-80,"time":"2023-11-14T22:13:20"}\n'],
    ["csv", "text/csv", "dev,rssi,snr,time\nb,-80,,2023-11-14T22:13:20\n"],
    [
      "pretty",
      "text/plain; charset=utf-8",
      [
        "+-----+------+-----+---------------------+",
        "| dev | rssi | snr | time                |",
        "+-----+------+-----+---------------------+",
        "| b   | -80  |     | 2023-11-14T22:13:20 |",
        "+-----+------+-----+---------------------+",
      ].join("\n"),
    ],
  ];
  for (const [format, type, body] of formats) {
    test(`as ${format}`, async () => {
      const path = `/api/v3/query_sql?db=farm&format=${format}&q=${encodeURIComponent(old)}`;
      const reply = await ask(server, path);
      assert.deepEqual([reply.status, reply.headers.get("content-type"), reply.body], [200, type, body]);
    });
  }

  test("the Accept header chooses where no format is named", async () => {
    const path = `/api/v3/query_sql?db=farm&q=${encodeURIComponent(old)}`;
    const reply = await ask(server, path, { headers: { accept: "text/csv" } });
    assert.equal(reply.headers.get("content-type"), "text/csv");
    assert.deepEqual((await ask(server, path, { headers: { accept: "image/png" } })).status, 400);
  });

  test("InfluxDB's now() and date_bin() work", async () => {
    const recent = "SELECT dev FROM uplink WHERE time > now() - INTERVAL '5 minutes' ORDER BY time";
    assert.deepEqual(await sql(server, recent), [200, '[{"dev":"a"}]']);
    assert.deepEqual(
      await sql(server, "SELECT date_bin(INTERVAL '1 hour', time) AS t FROM uplink WHERE dev = 'b'"),
      [200, '[{"t":"2023-11-14T22:00:00"}]'],
    );
  });

  test("parameters, by GET and by POST", async () => {
    const q = "SELECT dev FROM uplink WHERE rssi = $rssi AND dev = $dev";
    const params = encodeURIComponent('{"rssi":-80,"dev":"b"}');
    assert.deepEqual(await sql(server, q, `&params=${params}`), [200, '[{"dev":"b"}]']);
    const post = await ask(server, "/api/v3/query_sql", {
      method: "POST",
      body: JSON.stringify({ db: "farm", q, params: { rssi: -80, dev: "b" }, format: "jsonl" }),
    });
    assert.deepEqual([post.status, post.body], [200, '{"dev":"b"}\n']);
    const [status, body] = await sql(server, q, `&params=${encodeURIComponent('{"rssi":[1]}')}`);
    assert.equal(status, 400);
    assert.match(body, /JSON arrays are not supported as query parameters/);
  });

  const refused: [path: string, status: number, body: string | RegExp][] = [
    ["/api/v3/query_sql", 400, "missing query parameters 'db' and 'q'"],
    ["/api/v3/query_sql?q=SELECT%201", 400, "serde error: missing field `db`"],
    ["/api/v3/query_sql?db=farm", 400, "serde error: missing field `q`"],
    ["/api/v3/query_sql?db=nope&q=SELECT%201", 404, '{"error":"query error: database not found: nope"}'],
    [
      "/api/v3/query_sql?db=farm&q=SELECT%20*%20FROM%20nope",
      400,
      "Error during planning: table 'public.iox.nope' not found",
    ],
    ["/api/v3/query_sql?db=farm&q=SELECT%20nope%20FROM%20uplink", 400, /^Error during planning: .*nope/],
    ["/api/v3/query_sql?db=farm&q=SELCT", 400, /^Error during planning: /],
    ["/api/v3/query_sql?db=farm&q=DROP%20VIEW%20uplink", 400, /only statements that read/],
    ["/api/v3/query_sql?db=farm&q=FROM%20read_text('/etc/hostname')", 400, /^Error during planning: /],
    ["/api/v3/query_sql?db=farm&q=SELECT%201&format=xml", 400, /unknown variant `xml`/],
  ];
  for (const [path, status, body] of refused) {
    test(`${decodeURIComponent(path)} is ${status}`, async () => {
      const reply = await ask(server, path);
      assert.equal(reply.status, status);
      if (typeof body === "string") assert.equal(reply.body, body);
      else assert.match(reply.body, body);
    });
  }

  test("health and ping", async () => {
    const health = await ask(server, "/health");
    assert.deepEqual([health.status, health.body], [200, "OK"]);
    const ping = await ask(server, "/ping");
    assert.equal(ping.headers.get("x-influxdb-build"), "Core");
    const { version, product_name: product } = JSON.parse(ping.body) as Record<string, unknown>;
    assert.equal(ping.headers.get("x-influxdb-version"), version);
    assert.equal(product, "InfluxDB 3 Core");
  });
});

describe("databases", () => {
  let server: InfluxStandIn;
  before(async () => {
    server = await startInfluxStandIn({ flushIntervalMs });
  });
  after(async () => await server.stop());

  const path = "/api/v3/configure/database";
  const create = async (body: unknown, type = "application/json"): Promise<[number, string]> => {
    const headers = { "content-type": type };
    const reply = await ask(server, path, { method: "POST", body: JSON.stringify(body), headers });
    return [reply.status, reply.body];
  };

  test("created, listed and deleted", async () => {
    assert.deepEqual(await create({ db: "kept", retention_period: "1h 30m" }), [200, ""]);
    assert.deepEqual(await create({ db: "kept" }), [
      409,
      "attempted to create a resource that already exists",
    ]);
    const listed = await ask(server, `${path}?format=json&show_deleted=true`);
    assert.equal(
      listed.body,
      '[{"iox::database":"_internal","deleted":false},{"iox::database":"kept","deleted":false}]',
    );
    const now = BigInt(Date.now()) * 1_000_000n;
    await write(server, `m f=1 ${now}\nm f=2 ${now - 7_200_000_000_000n}`, "db=kept");
    assert.deepEqual(await server.query("kept", "SELECT f FROM m"), [{ f: 1 }]);
    assert.equal((await ask(server, `${path}?db=kept`, { method: "DELETE" })).status, 200);
    const gone = await ask(server, `${path}?db=kept`, { method: "DELETE" });
    assert.deepEqual([gone.status, gone.body], [404, "the requested resource was not found: kept"]);
    assert.deepEqual(await create({ db: "kept" }), [200, ""]);
    assert.deepEqual(await write(server, 'm f="now text" 1', "db=kept"), [204, ""]);
    assert.deepEqual(await server.query("kept", "SELECT f FROM m"), [{ f: "now text" }]);
  });

  const refused: [body: unknown, type: string, status: number, answer: RegExp][] = [
    [{ db: "x" }, "text/plain", 415, /^unacceptable content-type, expected: application\/json$/],
    [{}, "application/json", 400, /^serde json error: missing field `db`$/],
    [{ db: "é" }, "application/json", 400, /^\{"error":"invalid character in database/],
    [{ db: "x", retention_period: "soon" }, "application/json", 400, /expected a duration/],
  ];
  for (const [body, type, status, answer] of refused) {
    test(`${JSON.stringify(body)} as ${type} is ${status}`, async () => {
      const [got, text] = await create(body, type);
      assert.equal(got, status);
      assert.match(text, answer);
    });
  }

  test("a listing without a format is refused", async () => {
    assert.equal((await ask(server, path)).body, "serde error: missing field `format`");
  });
});
