/** Flight and HTTP of the stand-in on one port, over its engine: SQL and InfluxQL with grpc-js and Arrow's reader. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { after, before, describe, test } from "node:test";

import type { FlightData } from "../../src/proto/flight/flight_pb.js";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { makeCertificates } from "../support/certificates.ts";
import { ask, flushIntervalMs, sql, write } from "../support/stand-in.ts";
import { waitFor } from "../support/wait.ts";
import { RawFlight, jsonTicket, rowsIn, tableOf } from "../unit/sandbox/flight-fixture.ts";
import type { Answer } from "../unit/sandbox/flight-fixture.ts";

const hour = 3_600_000_000_000n;
const start = 1_700_000_000_000_000_000n - (1_700_000_000_000_000_000n % hour);

const lines = [
  `uplink,dev=a,room=x rssi=-90i,snr=7.5,up=true ${start + 1n}`,
  `uplink,dev=a rssi=-70i,count=18446744073709551615u ${start + hour}`,
  `uplink,dev=b,room=x rssi=-80i,note="it's ""ü" ${start + 2n}`.replace('""', String.raw`\"`),
  `other f=1 ${start}`,
];

describe("over the engine", () => {
  let server: InfluxStandIn;
  let client: RawFlight;
  before(async () => {
    server = await startInfluxStandIn({ flushIntervalMs, keepAliveMs: 100 });
    client = new RawFlight(server.port);
    assert.deepEqual(await write(server, lines.join("\n")), [204, ""]);
  });
  after(async () => {
    client.close();
    await server.stop();
  });

  const query = async (text: string, more: object = {}): Promise<Answer> =>
    await client.ask(jsonTicket({ database: "farm", sql_query: text, ...more }));
  const rowsOf = async (text: string, more: object = {}): Promise<Record<string, unknown>[]> => {
    const answer = await query(text, more);
    assert.equal(answer.code, 0, answer.details);
    return rowsIn(answer.messages);
  };
  const influxql = { query_type: "influxql" };

  test("what was written by HTTP comes back by Flight, to the last digit", async () => {
    const whole = { count: null, note: null, room: null, snr: null, up: null };
    assert.deepEqual(await rowsOf("SELECT * FROM uplink ORDER BY time"), [
      { ...whole, dev: "a", room: "x", rssi: -90n, snr: 7.5, up: true, time: start + 1n },
      { ...whole, dev: "b", room: "x", rssi: -80n, note: `it's "ü`, time: start + 2n },
      { ...whole, dev: "a", rssi: -70n, count: 2n ** 64n - 1n, time: start + hour },
    ]);
  });

  test("columns of a table are marked, computed ones are not", async () => {
    const { messages } = await query("SELECT time, dev, snr, rssi * 2 AS double FROM uplink");
    assert.deepEqual(
      tableOf(messages).schema.fields.map(({ metadata }) => metadata.get("iox::column::type")),
      ["iox::column_type::timestamp", "iox::column_type::tag", "iox::column_type::field::float", undefined],
    );
  });

  test("placeholders take their values from the ticket", async () => {
    const text = "SELECT rssi FROM uplink WHERE dev = $dev AND rssi < $rssi";
    assert.deepEqual(await rowsOf(text, { params: { dev: "a", rssi: -80 } }), [{ rssi: -90n }]);
  });

  const refusals: readonly (readonly [string, RegExp])[] = [
    ["SELECT * FROM nope", /^Error while logically planning query: .*table 'public\.iox\.nope' not found/],
    ["SELECT nope FROM uplink", /^Error while logically planning query: .*No field named nope/],
    ["SELEC 1", /^Error while logically planning query: /],
    ["DROP TABLE uplink", /^Error while logically planning query: /],
  ];
  for (const [text, expected] of refusals) {
    test(`is refused: ${text}`, async () => {
      const { code, details, messages } = await query(text);
      assert.deepEqual([code, messages.length], [3, 0]);
      assert.match(details, expected);
    });
  }

  test("an error of the data is told after the schema", async () => {
    const { code, details, messages } = await query("SELECT CAST(dev AS BIGINT) AS n FROM uplink");
    assert.equal(code, 3);
    assert.match(details, /Cast error/);
    assert.ok(messages.length <= 1);
  });

  const endless =
    "SELECT count(*) AS n FROM range(100000) AS a(i), range(100000) AS b(j), range(1000) AS c(k) WHERE i + j * k % 7 = -1";

  test("a query that computes for long keeps its client, until that goes, and then computes no more", async () => {
    const { cancelled } = server.flightCounters;
    const call = client.open(jsonTicket({ database: "farm", sql_query: endless }));
    call.on("error", () => undefined);
    let messages = 0;
    call.on("data", () => {
      messages += 1;
      // The schema and two keep-alives.
      if (messages === 3) call.cancel();
    });
    await waitFor(() => messages === 3, { what: "keep-alives" });
    await waitFor(() => server.flightCounters.cancelled > cancelled, { what: "the cancellation" });
    assert.equal(server.flightCounters.live, 0);
    assert.deepEqual(await rowsOf("SELECT count(*) AS n FROM uplink"), [{ n: 3n }]);
  });

  test("leaving a result in its middle ends the query", async () => {
    const { batches, cancelled } = server.flightCounters;
    const text = "SELECT i, i::VARCHAR AS t FROM range(100000000) AS r(i)";
    const call = client.open(jsonTicket({ database: "farm", sql_query: text }));
    call.on("error", () => undefined);
    let received = 0;
    call.on("data", ({ dataBody }: FlightData) => {
      // Neither the schema nor a keep-alive.
      if (dataBody.length > 1000) received += 1;
      if (received === 2) call.cancel();
    });
    await waitFor(() => server.flightCounters.cancelled > cancelled, { what: "the cancellation" });
    assert.equal(server.flightCounters.live, 0);
    const sent = server.flightCounters.batches - batches;
    assert.ok(sent > 0 && sent < 1000, `${sent} batches`);
  });

  test("a big result comes in batches of 8192 rows", async () => {
    const { messages } = await query("SELECT i FROM range(20000) AS r(i)");
    const table = tableOf(messages);
    assert.deepEqual([table.numRows, table.batches[0]?.numRows], [20_000, 8192]);
    const { batches } = table;
    assert.ok(batches.every((batch) => batch.numRows <= 8192));
  });

  test("HTTP goes on beside it", async () => {
    assert.deepEqual(await sql(server, "SELECT count(*) AS n FROM uplink"), [200, '[{"n":3}]']);
    assert.equal((await ask(server, "/health")).status, 200);
  });

  describe("InfluxQL", () => {
    const inFarm = (columns: object): object => ({ "iox::measurement": "uplink", ...columns });
    const from = "time >= '2023-11-14T22:00:00Z'";
    const asked: readonly (readonly [text: string, rows: readonly object[]])[] = [
      [
        "SELECT rssi FROM uplink",
        [
          inFarm({ time: start + 1n, rssi: -90n }),
          inFarm({ time: start + 2n, rssi: -80n }),
          inFarm({ time: start + hour, rssi: -70n }),
        ],
      ],
      [
        `SELECT "snr" AS s, dev FROM "uplink" WHERE ${from} AND (dev = 'a' OR dev = 'b') ORDER BY time DESC LIMIT 5`,
        [inFarm({ time: start + 1n, s: 7.5, dev: "a" })],
      ],
      ["SELECT rssi FROM uplink ORDER BY time DESC LIMIT 1", [inFarm({ time: start + hour, rssi: -70n })]],
      [
        "select rssi from uplink where dev != 'b' and rssi < -80 group by room",
        [inFarm({ time: start + 1n, room: "x", rssi: -90n })],
      ],
      [
        "SELECT rssi FROM uplink WHERE room = '' ORDER BY time LIMIT 1 OFFSET 0",
        [inFarm({ time: start + hour, rssi: -70n })],
      ],
      ["SELECT note FROM uplink", [inFarm({ time: start + 2n, note: `it's "ü` })]],
      [
        "SELECT mean(rssi), count(snr), sum(rssi), min(rssi) AS low FROM uplink GROUP BY dev",
        [
          inFarm({ time: 0n, dev: "a", mean: -80, count: 1n, sum: -160n, low: -90n }),
          inFarm({ time: 0n, dev: "b", mean: -80, count: 0n, sum: -80n, low: -80n }),
        ],
      ],
      [
        `SELECT max(rssi) FROM uplink WHERE ${from} GROUP BY time(1h) ORDER BY time DESC`,
        [inFarm({ time: start + hour, max: -70n }), inFarm({ time: start, max: -80n })],
      ],
      ["SELECT last(rssi) FROM uplink", [inFarm({ time: start + hour, last: -70n })]],
      ["SELECT first(snr) FROM uplink", [inFarm({ time: start + 1n, first: 7.5 })]],
      ["SELECT min(rssi) FROM uplink WHERE dev = 'b';", [inFarm({ time: start + 2n, min: -80n })]],
      ["SELECT count(rssi) FROM uplink WHERE time < 1s + 1m", []],
      ["SELECT count(rssi) FROM uplink WHERE time > now() - 1h", []],
      ["SELECT f FROM nowhere", []],
      [
        "SHOW MEASUREMENTS",
        ["other", "uplink"].map((name) => ({ "iox::measurement": "measurements", name })),
      ],
      ["SHOW TAG KEYS", [inFarm({ tagKey: "dev" }), inFarm({ tagKey: "room" })]],
      ['SHOW FIELD KEYS FROM "other"', [{ "iox::measurement": "other", fieldKey: "f", fieldType: "float" }]],
    ];
    for (const [text, rows] of asked) {
      test(text, async () => {
        assert.deepEqual(await rowsOf(text, influxql), rows);
      });
    }

    test("SELECT * has tags and fields by name, and takes parameters", async () => {
      const params = { dev: "b" };
      const [row] = await rowsOf("SELECT * FROM uplink WHERE dev = $dev", { ...influxql, params });
      const names = ["iox::measurement", "time", "count", "dev", "note", "room", "rssi", "snr", "up"];
      assert.deepEqual(Object.keys(row ?? {}), names);
      assert.equal(row?.["dev"], "b");
    });

    test("the schema says which columns group the rows", async () => {
      const { messages } = await query("SELECT room, rssi FROM uplink GROUP BY room, dev", influxql);
      const text = tableOf(messages).schema.metadata.get("iox::influxql::group_key::metadata");
      assert.deepEqual(JSON.parse(text ?? ""), {
        tagKeyColumns: [
          { tagKey: "room", columnIndex: 3, isProjected: true },
          { tagKey: "dev", columnIndex: 2 },
        ],
      });
    });

    const unknown = [
      "SHOW DATABASES",
      "SELECT derivative(rssi) FROM uplink",
      "SELECT mean(rssi), rssi FROM uplink",
      "SELECT mean(note) FROM uplink",
      "SELECT rssi FROM uplink WHERE dev =~ /a/",
      "SELECT rssi FROM uplink GROUP BY *",
      "SELECT mean(rssi) FROM uplink GROUP BY time(1h) fill(0)",
      "SELECT rssi FROM uplink GROUP BY dev LIMIT 1",
      "SELECT rssi FROM uplink tz('UTC')",
      "SELECT rssi FROM (SELECT rssi FROM uplink)",
      "SELECT nope FROM uplink",
      "SELECT rssi FROM uplink, other",
      "DROP MEASUREMENT uplink",
    ];
    for (const text of unknown) {
      test(`is refused, not guessed: ${text}`, async () => {
        const { code, details } = await query(text, influxql);
        assert.equal(code, 3);
        assert.match(details, /^(?:This feature is not implemented: |invalid InfluxQL)/);
      });
    }

    test("a measurement of another database is refused in InfluxDB's words", async () => {
      const { details } = await query("SELECT f FROM farm.autogen.uplink", influxql);
      assert.equal(details, "database prefix in qualified measurement syntax");
    });
  });
});

test("with TLS, HTTP and Flight are on one port too", async (t) => {
  const certificates = makeCertificates();
  const tls = {
    cert: readFileSync(certificates.serverCert, "utf8"),
    key: readFileSync(certificates.serverKey, "utf8"),
  };
  const server = await startInfluxStandIn({ flushIntervalMs, tls });
  const ca = readFileSync(certificates.ca);
  const client = new RawFlight(server.port, ca);
  t.after(async () => {
    client.close();
    await server.stop();
    certificates.remove();
  });
  assert.match(server.url, /^https:/);
  const status = await new Promise((resolve, reject) => {
    get(`${server.url}/health`, { ca }, (response) => resolve(response.resume().statusCode)).once(
      "error",
      reject,
    );
  });
  assert.equal(status, 200);
  const { code, details } = await client.ask(jsonTicket({ database: "x", sql_query: "SELECT 1" }));
  assert.deepEqual([code, details], [13, "Cannot retrieve database: External error: database not found: x"]);
});

test("stopping ends queries that still compute", async () => {
  const server = await startInfluxStandIn({ flushIntervalMs });
  const client = new RawFlight(server.port);
  await write(server, "m f=1 1");
  const text = "SELECT count(*) FROM range(1000000) AS a(i), range(1000000) AS b(j) WHERE i * j % 7 = -1";
  const answer = client.ask(jsonTicket({ database: "farm", sql_query: text }));
  await waitFor(() => server.flightCounters.live === 1, { what: "a live query" });
  await server.stop();
  assert.equal((await answer).code, 14);
  client.close();
});
