import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import { coreLimits } from "../../src/sandbox/influxdb/catalog.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";

const flushIntervalMs = 10;

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}

async function ask(server: InfluxStandIn, path: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(server.url + path, init);
  return { status: response.status, body: await response.text(), headers: response.headers };
}

async function write(
  server: InfluxStandIn,
  body: string | Uint8Array<ArrayBuffer>,
  parameters = "db=farm&precision=ns",
  headers: Record<string, string> = {},
): Promise<[status: number, body: string]> {
  const reply = await ask(server, `/api/v3/write_lp?${parameters}`, { method: "POST", body, headers });
  return [reply.status, reply.body];
}

async function writeV2(server: InfluxStandIn, body: string, parameters: string): Promise<[number, string]> {
  const reply = await ask(server, `/api/v2/write${parameters}`, { method: "POST", body });
  return [reply.status, reply.body];
}

async function sql(server: InfluxStandIn, query: string, more = ""): Promise<[number, string]> {
  const reply = await ask(server, `/api/v3/query_sql?db=farm&q=${encodeURIComponent(query)}${more}`);
  return [reply.status, reply.body];
}

describe("writes", () => {
  let server: InfluxStandIn;
  beforeEach(async () => {
    server = await startInfluxStandIn({ flushIntervalMs, nowNs: () => 1_700_000_000_000_000_000n });
  });
  const stop = async (): Promise<void> => await server.stop();

  test("an acknowledged write is visible, exact to the bit", async (t) => {
    t.after(stop);
    const line = 'm,tag=a f=1.5,i=9007199254740993i,u=18446744073709551615u,s="x",b=t 1700000000123456789';
    assert.deepEqual(await write(server, line), [204, ""]);
    assert.deepEqual(await server.query("farm", "SELECT * FROM m"), [
      {
        b: true,
        f: 1.5,
        i: 9007199254740993n,
        s: "x",
        tag: "a",
        time: 1700000000123456789n,
        u: 18446744073709551615n,
      },
    ]);
  });

  test("a part is taken by default, and the rest named by its number", async (t) => {
    t.after(stop);
    const [status, body] = await write(server, 'm f=1 1\nm f="text of some length" 2\nm f=3 3');
    assert.equal(status, 400);
    assert.equal(
      body,
      '{"error":"partial write of line protocol occurred","data":[{"error_message":"invalid column type for column ' +
        "'f', expected iox::column_type::field::float, got iox::column_type::field::string\"," +
        '"line_number":2,"original_line":"m f=text of some len"}]}',
    );
    assert.equal((await server.query("farm", "SELECT * FROM m")).length, 2);
  });

  test("all or nothing takes nothing, and data is an object", async (t) => {
    t.after(stop);
    const [status, body] = await write(server, "m f=1 1\nbad", "db=farm&accept_partial=false");
    assert.equal(status, 400);
    assert.equal(
      body,
      '{"error":"line protocol parsing error","data":{"error_message":"Expected at least one space character, ' +
        'got end of input","line_number":2,"original_line":"bad"}}',
    );
    assert.deepEqual(await server.query("farm", "SELECT 1"), []);
  });

  test("a point written again is one row: its fields are united and the last value holds", async (t) => {
    t.after(stop);
    await write(server, "m,t=a a=1,b=1 5\nm,t=b a=9 5");
    await write(server, "m,t=a a=1,b=1 5");
    await write(server, "m,t=a c=3 5\nm,t=a b=2 5\nm,t=a b=2 5");
    await write(server, "m,t=a a=1,b=2,c=3 4");
    assert.deepEqual(
      await server.query("farm", "SELECT a, b, c, t FROM m WHERE t = 'a' ORDER BY time DESC"),
      [
        { a: 1, b: 2, c: 3, t: "a" },
        { a: 1, b: 2, c: 3, t: "a" },
      ],
    );
    assert.equal((await server.query("farm", "SELECT * FROM m")).length, 3);
    const { linesCreated, linesRepeated, linesExtended, linesOverwritten } = server.counters;
    assert.deepEqual([linesCreated, linesRepeated, linesExtended, linesOverwritten], [3, 2, 1, 1]);
  });

  test("the order of tags does not matter, a missing tag does", async (t) => {
    t.after(stop);
    await write(server, "m,a=1,b=2 f=1 5\nm,b=2,a=1 f=1 5\nm,a=1 f=1 5");
    assert.deepEqual(await server.query("farm", "SELECT a, b FROM m ORDER BY b"), [
      { a: "1", b: "2" },
      { a: "1", b: null },
    ]);
  });

  test("columns that differ by case, and NUL in names and values, are kept apart", async (t) => {
    t.after(stop);
    assert.deepEqual(await write(server, 'm temp=1,Temp=2 1\nM n\0="a\0b" 1'), [204, ""]);
    assert.deepEqual(await server.query("farm", "SELECT * FROM m"), [{ temp: 1, Temp: 2, time: 1n }]);
    assert.deepEqual(await server.query("farm", 'SELECT * FROM "M~2"'), [{ "n\0": "a\0b", time: 1n }]);
  });

  test("gzip, also of several members", async (t) => {
    t.after(stop);
    const body = Buffer.concat([gzipSync("m f=1 1\n"), gzipSync("m f=2 2\n")]);
    const headers = { "content-encoding": "gzip" };
    assert.deepEqual(await write(server, body, "db=farm&precision=ns", headers), [204, ""]);
    assert.equal((await server.query("farm", "SELECT * FROM m")).length, 2);
    assert.deepEqual(await write(server, "plain", "db=farm", headers), [
      400,
      "error decoding gzip stream: invalid gzip header",
    ]);
    assert.deepEqual(await write(server, body.subarray(0, 20), "db=farm", headers), [
      400,
      "error decoding gzip stream: unexpected end of file",
    ]);
    assert.deepEqual(await write(server, "x", "db=farm", { "content-encoding": "br" }), [
      400,
      "unacceptable content-encoding: br",
    ]);
  });

  test("no_sync is answered before the flush and written all the same", async (t) => {
    const slow = await startInfluxStandIn({ flushIntervalMs: 60_000 });
    t.after(async () => {
      await slow.stop();
      await server.stop();
    });
    assert.deepEqual(await write(slow, "m f=1 1", "db=farm&no_sync=true"), [204, ""]);
    assert.equal(slow.counters.linesCreated, 0);
    await slow.stop();
    assert.equal(slow.counters.linesCreated, 1);
  });

  test("eight writers at once lose and double nothing, also over new columns", async (t) => {
    t.after(stop);
    const rounds = 15;
    const writer = async (n: number): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) {
        const lines = Array.from(
          { length: 20 },
          (_line, at) => `m,writer=w${n} v=${at}i,c${round % 5}_${n}=1 ${round * 20 + at}`,
        );
        assert.deepEqual(await write(server, lines.join("\n")), [204, ""]);
      }
    };
    await Promise.all(Array.from({ length: 8 }, async (_writer, n) => await writer(n)));
    assert.deepEqual(await server.query("farm", "SELECT count(*) AS n, count(DISTINCT writer) AS w FROM m"), [
      { n: BigInt(8 * rounds * 20), w: 8n },
    ]);
    assert.equal(server.counters.linesCreated, 8 * rounds * 20);
  });
});

describe("refusals of a request", () => {
  let server: InfluxStandIn;
  before(async () => {
    server = await startInfluxStandIn({
      flushIntervalMs,
      maxBodyBytes: 100_000,
      limits: { ...coreLimits, databases: 2, tables: 2, columnsPerTable: 3 },
    });
    await write(server, "m f=1 1");
    await write(server, "m f=1 1", "db=second");
  });
  after(async () => await server.stop());

  const v3: [name: string, parameters: string, body: string, status: number, answer: string][] = [
    ["nothing given", "", "m f=1", 400, "missing query parameter 'db'"],
    ["no database", "precision=ns", "m f=1", 400, "serde error: missing field `db`"],
    ["empty", "db=farm", "", 400, "incoming write was empty"],
    ["only a comment", "db=farm", "# nothing\n\n", 400, "incoming write was empty"],
    [
      "bad flag",
      "db=farm&accept_partial=1",
      "m f=1",
      400,
      "serde error: provided string was not `true` or `false`",
    ],
    [
      "bad precision",
      "db=farm&precision=h",
      "m f=1",
      400,
      "serde error: unknown variant `h`, expected one of `auto`, `second`, `s`, `millisecond`, `ms`, " +
        "`microsecond`, `us`, `u`, `nanosecond`, `ns`, `n`",
    ],
    ["bad name", "db=_x", "m f=1", 400, '{"error":"db name did not start with a number or letter"}'],
    [
      "one database too many",
      "db=third",
      "m f=1",
      422,
      '{"error":"Adding a new database would exceed limit of 2 databases"}',
    ],
  ];
  for (const [name, parameters, body, status, answer] of v3) {
    test(`v3, ${name}`, async () => {
      assert.deepEqual(await write(server, body, parameters), [status, answer]);
    });
  }

  const limits: [line: string, error: RegExp][] = [
    ["m a=1,b=1,c=1", /"Update to schema would exceed number of columns per table limit of 3 columns"/],
    ["x f=1", /would exceed number of tables limit: attempted to create table but already have 2 table/],
  ];
  for (const [line, error] of limits) {
    test(`v3, a limit of the schema is 422: ${line}`, async () => {
      const [status, body] = await write(server, line);
      assert.equal(status, 422);
      assert.match(body, error);
    });
  }

  const v2: [
    name: string,
    parameters: string,
    body: string,
    status: number,
    code: string,
    message: string,
  ][] = [
    ["nothing given", "", "m f=1", 400, "invalid", "no org/bucket destination provided"],
    ["no bucket", "?org=x", "m f=1", 400, "invalid", "missing bucket value"],
    [
      "auto is no precision",
      "?bucket=farm&precision=auto",
      "m f=1",
      400,
      "invalid",
      "failed to deserialize org/bucket/precision in request: unknown variant `auto`, expected one of " +
        "`second`, `s`, `millisecond`, `ms`, `microsecond`, `us`, `u`, `nanosecond`, `ns`, `n`",
    ],
    [
      "bad name",
      "?bucket=a%20b",
      "m f=1",
      400,
      "invalid",
      "invalid character in database or rp name: must be ASCII, containing only letters, numbers, underscores, or hyphens",
    ],
    [
      "a bad line, whatever accept_partial says",
      "?bucket=farm&accept_partial=true",
      "m f=5 5\nm f=t",
      400,
      "invalid",
      "write buffer error: line protocol parse failed: invalid column type for column 'f', " +
        "expected iox::column_type::field::float, got iox::column_type::field::boolean",
    ],
    ["empty", "?bucket=farm", "", 400, "invalid", "write buffer error: incoming write was empty"],
    [
      "one database too many",
      "?bucket=third",
      "m f=1",
      400,
      "invalid",
      "write buffer error: catalog update error: Adding a new database would exceed limit of 2 databases",
    ],
    [
      "too large",
      "?bucket=farm",
      "#".repeat(100_001),
      413,
      "request too large",
      "max request size (100000 bytes) exceeded",
    ],
  ];
  for (const [name, parameters, body, status, code, message] of v2) {
    test(`v2, ${name}`, async () => {
      assert.deepEqual(await writeV2(server, body, parameters), [status, JSON.stringify({ code, message })]);
    });
  }

  test("v2 takes nothing of a write that it refuses, and what is good as a whole", async () => {
    assert.equal((await writeV2(server, "m f=5 5\nm f=t", "?bucket=farm"))[0], 400);
    assert.deepEqual(await writeV2(server, "m f=6 6", "?bucket=farm&precision=s"), [204, ""]);
    assert.deepEqual(
      await server.query("farm", "SELECT time FROM m WHERE time > make_timestamp_ns(2000000000)"),
      [{ time: 6_000_000_000n }],
    );
  });

  test("a body over the limit is 413, as sent and as unpacked", async () => {
    const tooLarge = [413, "max request size (100000 bytes) exceeded"];
    assert.deepEqual(await write(server, "#".repeat(100_001)), tooLarge);
    const packed = gzipSync("#".repeat(50_000_000));
    assert.ok(packed.length < 100_000);
    assert.deepEqual(await write(server, packed, "db=farm", { "content-encoding": "gzip" }), tooLarge);
    assert.equal((await write(server, "m f=1 1"))[0], 204);
  });

  test("text that is not UTF-8 is refused with the place", async () => {
    assert.deepEqual(await write(server, Buffer.from([0x6d, 0xc3, 0xa9, 0xff, 0x20])), [
      400,
      "body content is not valid utf8: invalid utf-8 sequence of 1 bytes from index 3",
    ]);
    assert.deepEqual(await write(server, Buffer.from([0x6d, 0xc3])), [
      400,
      "body content is not valid utf8: incomplete utf-8 byte sequence from index 1",
    ]);
  });

  test("an unknown route is 404", async () => {
    const reply = await ask(server, "/api/v3/nothing");
    assert.deepEqual([reply.status, reply.body], [404, "Not found"]);
    assert.equal((await ask(server, "/api/v3/write_lp?db=farm")).status, 404);
  });
});

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

describe("planted faults", () => {
  const events: string[] = [];
  let server: InfluxStandIn;
  beforeEach(async () => {
    events.length = 0;
    server = await startInfluxStandIn({
      flushIntervalMs,
      observe: (phase, { db, lines }) => events.push(`${phase} ${db} ${lines.join("|")}`),
    });
  });

  test("an honest write is observed when committed and when answered", async (t) => {
    t.after(async () => await server.stop());
    await write(server, "m f=1 1\nbad\nm f=2 2");
    assert.deepEqual(events, ["committed farm m f=1 1|m f=2 2", "answered farm m f=1 1|m f=2 2"]);
  });

  test("a planted answer is given as often as asked, and nothing is written", async (t) => {
    t.after(async () => await server.stop());
    const fault = { kind: "answer", status: 503, headers: { "retry-after": "7" }, body: "later" } as const;
    server.faults.nextWrites(fault, 2);
    for (let n = 0; n < 2; n += 1) {
      const reply = await ask(server, "/api/v2/write?bucket=farm", { method: "POST", body: "m f=1 1" });
      assert.deepEqual([reply.status, reply.body, reply.headers.get("retry-after")], [503, "later", "7"]);
    }
    assert.equal(server.counters.linesAccepted, 0);
    assert.deepEqual(await write(server, "m f=1 1"), [204, ""]);
    assert.equal(server.faults.seen.answer, 2);
  });

  test("a lost answer is a committed write", async (t) => {
    t.after(async () => await server.stop());
    server.faults.nextWrites({ kind: "lose_answer" });
    await assert.rejects(write(server, "m f=1 1"));
    assert.deepEqual(events, ["committed farm m f=1 1"]);
    assert.deepEqual(await server.query("farm", "SELECT f FROM m"), [{ f: 1 }]);
    assert.equal(server.faults.seen.lose_answer, 1);
    await write(server, "m f=1 1");
    assert.equal(server.counters.linesRepeated, 1);
  });

  test("a reset is no write", async (t) => {
    t.after(async () => await server.stop());
    server.faults.nextWrites({ kind: "reset" });
    await assert.rejects(write(server, "m f=1 1"));
    assert.equal(server.faults.seen.reset, 1);
    assert.deepEqual(events, []);
  });

  test("a hanging write ends with the stand-in", async () => {
    server.faults.nextWrites({ kind: "hang" });
    const hanging = assert.rejects(write(server, "m f=1 1"));
    while (server.faults.seen.hang === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await server.stop();
    await hanging;
    assert.deepEqual(events, []);
  });

  test("answers can be slow, and write_lp missing", async (t) => {
    t.after(async () => await server.stop());
    server.faults.delayMs = 80;
    const startMs = performance.now();
    await write(server, "m f=1 1");
    assert.ok(performance.now() - startMs >= 75);
    server.faults.clear();
    server.faults.writeApi = "v2only";
    assert.equal((await write(server, "m f=1 1"))[0], 405);
    assert.deepEqual(await writeV2(server, "m f=1 1", "?bucket=farm"), [204, ""]);
  });

  test("a client that gives up in the middle of a body harms nobody", async (t) => {
    t.after(async () => await server.stop());
    const path = "/api/v3/write_lp?db=farm";
    const call = request({ port: server.port, host: "127.0.0.1", method: "POST", path });
    const failed = new Promise((resolve) => call.once("error", resolve));
    call.write("m f=1 1\n");
    while (server.counters.requests === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    call.destroy();
    await failed;
    assert.deepEqual(await write(server, "m f=2 2"), [204, ""]);
    assert.deepEqual(await server.query("farm", "SELECT f FROM m"), [{ f: 2 }]);
  });
});

describe("a data directory", () => {
  let dataDirectory: string;
  before(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), "flightline-influxdb-"));
  });
  after(async () => await rm(dataDirectory, { recursive: true }));

  test("keeps rows, types and keys over a restart", async () => {
    const first = await startInfluxStandIn({ flushIntervalMs, dataDirectory });
    await write(first, 'm,t=a f=1 5\nm,t=b,u=x f=2,Temp=1,temp=2,s="y" 6\nm f=3 7');
    await write(first, "other,n\0=1 f=1i 1", "db=second");
    await first.stop();
    await first.stop();

    const second = await startInfluxStandIn({ flushIntervalMs, dataDirectory });
    const [, conflict] = await write(second, "m f=1i 9");
    assert.match(conflict, /expected iox::column_type::field::float/);
    await write(second, "m,t=a f=1 5\nm,u=x,t=b f=4 6\nm g=1 7\nm,t=c f=1 1");
    await write(second, "other,n\0=1 f=1i 1", "db=second");
    const { linesCreated, linesRepeated, linesExtended, linesOverwritten } = second.counters;
    assert.deepEqual([linesCreated, linesRepeated, linesExtended, linesOverwritten], [1, 2, 1, 1]);
    assert.deepEqual(await second.query("farm", "SELECT * FROM m WHERE t = 'b'"), [
      { Temp: 1, f: 4, g: null, s: "y", t: "b", temp: 2, time: 6n, u: "x" },
    ]);
    await second.stop();
  });

  test("one that cannot be made is a fault that says so", async () => {
    await assert.rejects(
      startInfluxStandIn({ flushIntervalMs, dataDirectory: "/dev/null/x" }),
      (error) => error instanceof Fault && error.code === "sandbox_data_unusable",
    );
  });

  test("one that another process has is a fault, and its owner goes on", async (t) => {
    const owner = await startInfluxStandIn({ flushIntervalMs, dataDirectory });
    t.after(async () => await owner.stop());
    const module = new URL("../../src/sandbox/influxdb/server.ts", import.meta.url).href;
    const rival =
      `const { startInfluxStandIn } = await import(${JSON.stringify(module)});` +
      `await startInfluxStandIn({ dataDirectory: ${JSON.stringify(dataDirectory)} })` +
      ".then(() => process.exit(3), (error) => console.log(error.code));";
    const options = ["--input-type=module", "--eval", rival];
    const { stdout } = await promisify(execFile)(process.execPath, options, { timeout: 20_000 });
    assert.equal(stdout.trim(), "sandbox_data_unusable");
    assert.deepEqual(await write(owner, "owned f=1 1"), [204, ""]);
  });
});

test("a port that is taken is an error, and leaves nothing open", async (t) => {
  const owner = await startInfluxStandIn({ flushIntervalMs });
  t.after(async () => await owner.stop());
  await assert.rejects(
    startInfluxStandIn({ port: owner.port, flushIntervalMs }),
    (error: NodeJS.ErrnoException) => error.code === "EADDRINUSE",
  );
});

test("a token is asked for everywhere", async (t) => {
  const auth = { token: new Secret("apiv3_good"), powerlessToken: new Secret("apiv3_weak") };
  const server = await startInfluxStandIn({ flushIntervalMs, auth });
  t.after(async () => await server.stop());
  const statuses = async (authorization: string): Promise<number[]> => {
    const headers = { authorization };
    const [written] = await write(server, "m f=1 1", "db=farm", headers);
    return [written, (await ask(server, "/health", { headers })).status];
  };
  assert.deepEqual(await statuses("Bearer apiv3_good"), [204, 200]);
  assert.deepEqual(await statuses("Bearer nope"), [401, 401]);
  assert.deepEqual(await statuses("Token apiv3_weak"), [403, 403]);
  assert.equal((await ask(server, "/health")).status, 401);
});
