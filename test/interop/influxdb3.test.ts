/**
 * A real InfluxDB 3: what our writer has written comes back through our Flight client, parameters bind as they should,
 * and its refusals get our fault codes. Only run when FLIGHTLINE_INTEROP_INFLUXDB has the URL of a server (scripts/interop
 * --influxdb URL); FLIGHTLINE_INTEROP_TOKEN_FILE names a file with a token that may create and delete databases, where the
 * server wants one. All of it happens in a database flightline_interop_…, which is deleted at the end.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Row } from "../../src/influx/arrow/rows.ts";
import type { FlightClient, FlightQuery, QueryParam } from "../../src/influx/flight/api.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import type { InfluxConfig } from "../../src/influx/config.ts";
import { createWriter } from "../../src/influx/writer.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";

const url = process.env["FLIGHTLINE_INTEROP_INFLUXDB"] ?? "";
const skip =
  url === "" && "SKIPPED: set FLIGHTLINE_INTEROP_INFLUXDB=http://host:8181 to try a real InfluxDB 3";
const tokenFile = process.env["FLIGHTLINE_INTEROP_TOKEN_FILE"];
const token = tokenFile === undefined ? undefined : readFileSync(tokenFile, "utf8").trim();
const database = `flightline_interop_${randomBytes(4).toString("hex")}`;

/** Recent, for Core reads the last 72 hours; with digits in every place down to the nanosecond. */
const startNs = BigInt(Date.now() - 3_600_000) * 1_000_000n + 123_789n;
const manyRows = 30_000;

const maxInt64 = 2n ** 63n - 1n;
const lines = [
  `room,dev=a,site=x seq=1i,temperature=5,count=0i,note="",is_on=false ${startNs}`,
  `room,dev=b seq=2i,temperature=-0.1,count=${maxInt64}i,size=18446744073709551615u,note="it's # 100%? 😀",is_on=true ${startNs + 1n}`,
  `room,dev=a seq=3i,temperature=21.5,count=-9223372036854775808i ${startNs + 2n}`,
];
const blank = { count: null, is_on: null, note: null, site: null, size: null };
const rooms: readonly Row[] = [
  {
    ...blank,
    seq: 1n,
    dev: "a",
    site: "x",
    temperature: 5,
    count: 0n,
    note: "",
    is_on: false,
    time: startNs,
  },
  {
    ...blank,
    seq: 2n,
    dev: "b",
    temperature: -0.1,
    count: maxInt64,
    size: 2n ** 64n - 1n,
    note: "it's # 100%? 😀",
    is_on: true,
    time: startNs + 1n,
  },
  { ...blank, seq: 3n, dev: "a", temperature: 21.5, count: -maxInt64 - 1n, time: startNs + 2n },
];

const flightConfig = {
  url,
  database,
  ...(token !== undefined && { token: new Secret(token) }),
  tls: { verify: true },
  timeoutMs: 30_000,
};
const writeConfig: InfluxConfig = {
  ...flightConfig,
  flightUrl: url,
  writeApi: "auto",
  writeTimeoutMs: 30_000,
  gzip: true,
  maxInFlight: 1,
  batchMaxLines: manyRows,
  batchMaxBytes: 10_000_000,
  batchMaxAgeMs: 1000,
  queryTimeoutMs: 30_000,
};

/** A report shows skipped tests, and no skipped suites. */
function suite(name: string, define: () => void): void {
  if (skip === false) describe(name, define);
  else test(name, { skip }, define);
}

async function writeAll(): Promise<void> {
  const writer = createWriter(writeConfig);
  const many = Array.from({ length: manyRows }, (_, n) => `many seq=${n}i ${startNs + BigInt(n)}`);
  try {
    for (const batch of [lines, many]) {
      const outcome = await writer.write(batch.join("\n"), AbortSignal.timeout(60_000));
      assert.equal(outcome.kind, "delivered", "fault" in outcome ? outcome.fault.message : "");
    }
  } finally {
    await writer.close();
  }
}

async function dropDatabase(): Promise<void> {
  const response = await fetch(`${url}/api/v3/configure/database?db=${database}`, {
    method: "DELETE",
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  assert.ok(response.ok, `delete the database ${database} by hand: HTTP ${response.status}`);
}

suite("InfluxDB 3 and our client", () => {
  const client: FlightClient = createFlightClient(flightConfig);

  before(writeAll);
  after(async () => {
    client.close();
    await dropDatabase();
  });

  const rowsOf = async (text: string, more: Partial<FlightQuery> = {}): Promise<Row[]> =>
    await client
      .query({ text, ...more })
      .rows()
      .collect();

  test("what was written comes back, to the last digit", async () => {
    assert.deepEqual(await rowsOf("SELECT * FROM room ORDER BY time"), rooms);
  });

  test("columns of a table say what they are in InfluxDB; computed ones do not", async () => {
    const reading = client.query({ text: "SELECT *, temperature * 2 AS double FROM room" }).rows();
    const columns = await reading.columns();
    const kinds = Object.fromEntries(columns.map(({ name, influx }) => [name, influx]));
    assert.deepEqual(kinds, {
      count: { kind: "field", type: "integer" },
      dev: { kind: "tag" },
      double: undefined,
      is_on: { kind: "field", type: "boolean" },
      note: { kind: "field", type: "string" },
      seq: { kind: "field", type: "integer" },
      site: { kind: "tag" },
      size: { kind: "field", type: "uinteger" },
      temperature: { kind: "field", type: "float" },
      time: { kind: "timestamp" },
    });
    assert.equal((await reading.collect()).length, rooms.length);
  });

  test("InfluxQL is answered, with the table as its first column", async () => {
    const text = "SELECT temperature FROM room WHERE dev = 'a'";
    const table = "iox::measurement";
    assert.deepEqual(await rowsOf(text, { language: "influxql" }), [
      { [table]: "room", time: startNs, temperature: 5 },
      { [table]: "room", time: startNs + 2n, temperature: 21.5 },
    ]);
  });

  const bindings: readonly (readonly [
    what: string,
    where: string,
    value: QueryParam,
    found: readonly bigint[],
  ])[] = [
    ["the integer 0", "count = $p", 0n, [1n]],
    ["the number 0", "count = $p", 0, [1n]],
    ["the largest Int64", "count = $p", maxInt64, [2n]],
    ["the smallest Int64", "count = $p", -maxInt64 - 1n, [3n]],
    ["the largest UInt64", "size = $p", 2n ** 64n - 1n, [2n]],
    ["the number 5", "temperature = $p", 5, [1n]],
    ["the number -0.1", "temperature = $p", -0.1, [2n]],
    ["false", "is_on = $p", false, [1n]],
    ["an empty text", "note = $p", "", [1n]],
    ["a text with quotes", "note = $p", "it's # 100%? 😀", [2n]],
    ["null, which equals nothing", "note = $p", null, []],
    ["a time as text", "time > CAST($p AS TIMESTAMP)", isoOf(startNs + 1n), [3n]],
  ];
  for (const [what, where, value, found] of bindings) {
    test(`a parameter is bound as it is: ${what}`, async () => {
      const text = `SELECT seq FROM room WHERE ${where}`;
      assert.deepEqual(
        (await rowsOf(text, { params: { p: value } })).map(({ seq }) => seq),
        found,
      );
    });
  }

  test("an answer of many batches comes whole and in order", async (t) => {
    const stream = client.query({ text: "SELECT seq, time FROM many ORDER BY time" });
    let seen = 0;
    for await (const { seq, time } of stream.rows()) {
      assert.deepEqual([seq, time], [BigInt(seen), startNs + BigInt(seen)]);
      seen += 1;
    }
    assert.equal(seen, manyRows);
    const { batches, bytes, trailers } = await stream.ended;
    t.diagnostic(`${batches} batches, ${bytes} bytes, trailers ${JSON.stringify(trailers)}`);
  });

  test("after an answer that was left the next one is whole", async () => {
    for await (const row of client.query({ text: "SELECT * FROM many" }).rows()) {
      assert.ok("seq" in row);
      break;
    }
    assert.deepEqual(await rowsOf("SELECT count(*) AS n FROM many"), [{ n: BigInt(manyRows) }]);
  });

  test("information_schema shows the columns that were written", async () => {
    const text =
      "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $table ORDER BY column_name";
    const columns = await rowsOf(text, { params: { table: "room" } });
    const types = Object.fromEntries(
      columns.map(({ column_name: name, data_type: type }) => [name, type] as const),
    );
    const { time, ...others } = types;
    assert.match(String(time), /^Timestamp\((?:Nanosecond|ns)/);
    assert.deepEqual(others, {
      count: "Int64",
      dev: "Dictionary(Int32, Utf8)",
      is_on: "Boolean",
      note: "Utf8",
      seq: "Int64",
      site: "Dictionary(Int32, Utf8)",
      size: "UInt64",
      temperature: "Float64",
    });
  });

  const refusals: readonly (readonly [string, FlightQuery, readonly string[]])[] = [
    ["bad SQL", { text: "SELEC 1" }, ["flight_query_refused"]],
    ["a column that is not there", { text: "SELECT nope FROM room" }, ["flight_query_refused"]],
    ["a table that is not there", { text: "SELECT * FROM nope" }, ["flight_table_missing"]],
    [
      "a database that is not there",
      { text: "SELECT 1", database: `${database}_not` },
      ["flight_database_missing"],
    ],
  ];
  for (const [what, query, codes] of refusals) {
    test(`a refusal has its code: ${what}`, async (t) => {
      const fault = await faultOf(
        client
          .query({ ...query, retry: "never" })
          .rows()
          .collect(),
      );
      t.diagnostic(`${fault.code}: ${fault.message}`);
      assert.ok(codes.includes(fault.code), fault.code);
    });
  }

  const open = token === undefined && "SKIPPED: the server was named without a token";
  test("a refusal has its code: a token that is not known", { skip: open }, async (t) => {
    const stranger = createFlightClient({ ...flightConfig, token: new Secret("apiv3_nobody_has_this") });
    try {
      const fault = await faultOf(stranger.query({ text: "SELECT 1", retry: "never" }).rows().collect());
      t.diagnostic(`${fault.code}: ${fault.message}`);
      // Core says unauthenticated; Clustered and Cloud, permission denied.
      assert.ok(["flight_unauthorized", "flight_forbidden"].includes(fault.code), fault.code);
    } finally {
      stranger.close();
    }
  });
});

function isoOf(timeNs: bigint): string {
  const seconds = new Date(Number(timeNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(timeNs % 1_000_000_000n).padStart(9, "0")}Z`;
}

async function faultOf(reading: Promise<unknown>): Promise<Fault> {
  const outcome = await reading.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof Fault, `no fault but ${String(outcome)}`);
  return outcome;
}
