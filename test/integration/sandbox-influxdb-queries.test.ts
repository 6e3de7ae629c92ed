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
    ["/api/v3/query_sql?db=farm&q=SELECT%20nope%20FROM%20uplink", 400, "Schema error: No field named nope."],
    ["/api/v3/query_sql?db=farm&q=SELCT", 400, /^SQL error: ParserError\(/],
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

/** The queries that InfluxDB's documentation teaches, about a table of ours; answers are worked out from `readings`. */
describe("the queries of InfluxDB's guides", () => {
  interface Reading {
    readonly hall: string;
    readonly time: bigint;
    readonly temp: number;
    readonly co: bigint;
  }
  const hourNs = 3_600_000_000_000n;
  const firstNs = BigInt(Date.parse("2026-03-01T08:00:00Z")) * 1_000_000n;
  const temps = [19.5, 21, 22.25, 24.5, 23, 20.75, 18, 17.25, 19, 22.5, 25, 24];
  const readings = temps.map((temp, at): Reading => ({
    hall: at < 6 ? "East" : "West",
    time: firstNs + BigInt(at % 6) * hourNs + 5n,
    temp,
    co: BigInt((at * 7) % 13),
  }));
  const byHall = (hall: string): Reading[] => readings.filter((each) => each.hall === hall);
  const mean = (some: readonly Reading[]): number =>
    some.reduce((sum, { temp }) => sum + temp, 0) / some.length;
  const pick = (some: readonly Reading[], ...names: (keyof Reading)[]): Record<string, unknown>[] =>
    some.map((each) => Object.fromEntries(names.map((name) => [name, each[name]])));

  let server: InfluxStandIn;
  before(async () => {
    server = await startInfluxStandIn({ flushIntervalMs });
    const lines = readings.map(
      ({ hall, time, temp, co }) => `climate,hall=${hall} temp=${temp},co=${co}i ${time}`,
    );
    lines.push(`recent v=1 ${BigInt(Date.now()) * 1_000_000n}`, "recent v=2 5");
    assert.deepEqual(await write(server, lines.join("\n")), [204, ""]);
  });
  after(async () => await server.stop());

  const between = "time >= '2026-03-01T09:00:00Z' AND time <= '2026-03-01T11:00:00Z'";
  const isBetween = ({ time }: Reading): boolean => time >= firstNs + hourNs && time <= firstNs + 3n * hourNs;
  const windows = ["East", "West"].flatMap((hall) =>
    [0, 2, 4].map((at) => {
      const two = byHall(hall).slice(at, at + 2);
      const sorted = two.map(({ temp }) => temp).sort((a, b) => a - b);
      const time = firstNs + BigInt(at) * hourNs;
      return { time, hall, "max temp": sorted[1], "min temp": sorted[0], "average temp": mean(two) };
    }),
  );
  const guides: [what: string, query: string, answer: Record<string, unknown>[]][] = [
    [
      "within time boundaries",
      `SELECT * FROM climate WHERE ${between} ORDER BY hall, time`,
      pick(readings.filter(isBetween), "co", "hall", "temp", "time"),
    ],
    [
      "relative to now",
      "SELECT v FROM recent WHERE time >= now() - INTERVAL '1 month' AND time <= now()",
      [{ v: 1 }],
    ],
    [
      "of chosen columns",
      "SELECT time, hall, temp FROM climate ORDER BY hall, time",
      pick(readings, "time", "hall", "temp"),
    ],
    [
      "by a tag",
      "SELECT * FROM climate WHERE hall = 'West' ORDER BY time",
      pick(byHall("West"), "co", "hall", "temp", "time"),
    ],
    [
      "by a field",
      "SELECT co, time FROM climate WHERE co >= 10 OR co <= 1 ORDER BY hall, time",
      pick(
        readings.filter(({ co }) => co >= 10n || co <= 1n),
        "co",
        "time",
      ),
    ],
    [
      "with other names",
      "SELECT temp 'temperature', co AS 'carbon' FROM climate ORDER BY hall, time",
      readings.map(({ temp, co }) => ({ temperature: temp, carbon: co })),
    ],
    ["aggregated", "SELECT avg(temp) AS 'average temp' FROM climate", [{ "average temp": mean(readings) }]],
    [
      "aggregated by a tag",
      "SELECT hall, avg(temp) AS 'average temp' FROM climate GROUP BY hall ORDER BY hall",
      ["East", "West"].map((hall) => ({ hall, "average temp": mean(byHall(hall)) })),
    ],
    [
      "aggregated by windows of time",
      `SELECT DATE_BIN(INTERVAL '2 hours', time) AS time, hall,
        selector_max(temp, time)['value'] AS 'max temp',
        selector_min(temp, time)['value'] AS 'min temp',
        avg(temp) AS 'average temp'
      FROM climate GROUP BY 1, hall ORDER BY hall, 1`,
      windows,
    ],
    [
      "by an aggregate",
      "SELECT hall, avg(temp) AS 'average temp' FROM climate GROUP BY hall HAVING \"average temp\" > 21",
      ["East", "West"]
        .filter((hall) => mean(byHall(hall)) > 21)
        .map((hall) => ({ hall, "average temp": mean(byHall(hall)) })),
    ],
    [
      "of what there is",
      "SELECT DISTINCT hall FROM climate ORDER BY hall DESC",
      [{ hall: "West" }, { hall: "East" }],
    ],
    [
      "with a total",
      "SELECT hall, count(*) FROM climate GROUP BY ROLLUP(hall) ORDER BY hall",
      [
        { hall: "East", "count(*)": 6n },
        { hall: "West", "count(*)": 6n },
        { hall: null, "count(*)": 12n },
      ],
    ],
    [
      "compared with the value before",
      `SELECT temp - LAG(temp, 1) OVER (PARTITION BY hall ORDER BY time) AS change
      FROM climate WHERE hall = 'East' ORDER BY time`,
      byHall("East").map(({ temp }, at, all) => {
        const earlier = all[at - 1];
        return { change: earlier === undefined ? null : temp - earlier.temp };
      }),
    ],
    [
      "compared with the value an hour before, to the nanosecond",
      `SELECT now.temp AS temp, earlier.temp AS earlier FROM climate AS now LEFT JOIN climate AS earlier
        ON earlier.hall = now.hall AND earlier.time = now.time - INTERVAL '1 hour'
      WHERE now.hall = 'West' ORDER BY now.time`,
      byHall("West").map(({ temp }, at, all) => ({ temp, earlier: all[at - 1]?.temp ?? null })),
    ],
  ];
  for (const [what, query, answer] of guides) {
    test(`rows ${what}`, async () => {
      assert.ok(answer.length > 0);
      assert.deepEqual(await server.query("farm", query), answer);
    });
  }
});
