/**
 * PyArrow's Flight client and influxdb3-python read from our stand-in what was written into it, and so does our client:
 * the stand-in is what the others take for an InfluxDB 3. Not run by default: scripts/interop sets FLIGHTLINE_INTEROP=1
 * and brings a python3 with these packages.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { QueryParam } from "../../src/influx/flight/api.ts";
import type { Row } from "../../src/influx/arrow/rows.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { Secret } from "../../src/lib/secret.ts";
import { startInfluxStandIn, type InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startPython, withoutPython, type Python } from "../support/python.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";

const program = join(import.meta.dirname, "flight-readers.py");
const modules = "pyarrow.flight, influxdb_client_3";
const skip = withoutPython(modules, "to read the stand-in with PyArrow and influxdb3-python");
/** A report shows skipped tests, and no skipped suites. */
function suite(name: string, define: () => void): void {
  if (skip === false) describe(name, define);
  else test(name, { skip }, define);
}

const token = "apiv3_s3cret";
const database = "farm";
const keepAliveMs = 20;

const pyarrowClients = ["json", "read_info", "any"] as const;
const influxdb3Clients = ["all", "chunk"] as const;
type Client = (typeof pyarrowClients)[number] | (typeof influxdb3Clients)[number];
const everyClient: readonly Client[] = [...pyarrowClients, ...influxdb3Clients];

interface Ask {
  readonly text: string;
  readonly language?: "sql" | "influxql";
  readonly params?: Readonly<Record<string, QueryParam>>;
  readonly token?: string;
}

interface Answer {
  readonly types: Readonly<Record<string, string>>;
  readonly rows: readonly object[];
  readonly emptyBatches: number;
}

interface Refusal {
  readonly error: string;
  readonly text: string;
}

const start = 1_763_800_000_123_456_789n;
const lines = [
  `room,dev=a,site=x temperature=20.5,count=9223372036854775807i,size=18446744073709551615u ${start}`,
  `room,dev=b temperature=-0.1,isOn=true,note="grüße 😀" ${start + 1n}`,
  `room,dev=a,site=y temperature=21,count=-9223372036854775808i,isOn=false ${start + 2n}`,
];
const blank = { count: null, isOn: null, note: null, site: null, size: null };
/** Integers and times as text. */
const rooms = [
  {
    ...blank,
    dev: "a",
    site: "x",
    temperature: 20.5,
    count: "9223372036854775807",
    size: "18446744073709551615",
    time: String(start),
  },
  { ...blank, dev: "b", temperature: -0.1, isOn: true, note: "grüße 😀", time: String(start + 1n) },
  {
    ...blank,
    dev: "a",
    site: "y",
    temperature: 21,
    count: "-9223372036854775808",
    isOn: false,
    time: String(start + 2n),
  },
];
const roomTypes = {
  count: "int64",
  dev: "string",
  isOn: "bool",
  note: "string",
  site: "string",
  size: "uint64",
  temperature: "double",
  time: "timestamp[ns]",
};

suite("the stand-in, read by others and by us", () => {
  let server: InfluxStandIn;
  let python: Python;

  before(async () => {
    server = await startInfluxStandIn({ flushIntervalMs, keepAliveMs, auth: { token: new Secret(token) } });
    python = startPython(program);
    const authorization = { authorization: `Bearer ${token}` };
    assert.deepEqual(await write(server, lines.join("\n"), undefined, authorization), [204, ""]);
  });
  after(async () => {
    await python.end();
    await server.stop();
  });

  async function ask(
    client: Client,
    { text, language = "sql", params = {}, ...more }: Ask,
  ): Promise<unknown> {
    const { url } = server;
    python.send(JSON.stringify({ client, url, token, database, text, language, params, ...more }));
    return await python.nextAnswer();
  }

  async function readBy(client: Client, question: Ask): Promise<Answer> {
    const answer = (await ask(client, question)) as Answer | Refusal;
    assert.ok("rows" in answer, `${client}: ${JSON.stringify(answer)}`);
    return answer;
  }

  async function readByUs(question: Ask): Promise<Row[]> {
    const client = createFlightClient({
      url: server.url,
      database,
      token: new Secret(token),
      tls: { verify: true },
      timeoutMs: 10_000,
    });
    try {
      return await client.query(question).rows().collect();
    } finally {
      client.close();
    }
  }

  /** By all of them, ours included. */
  async function assertRows(
    question: Ask,
    expected: readonly object[],
    clients = everyClient,
  ): Promise<void> {
    for (const client of clients) {
      assert.deepEqual((await readBy(client, question)).rows, expected, client);
    }
    const ours = (await readByUs(question)).map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, cell]) => [name, typeof cell === "bigint" ? String(cell) : cell]),
      ),
    );
    assert.deepEqual(ours, expected);
  }

  test("what was written comes back, to the last digit", async () => {
    const question = { text: "SELECT * FROM room ORDER BY time" };
    await assertRows(question, rooms);
    assert.deepEqual((await readBy("json", question)).types, roomTypes);
  });

  test("InfluxQL gives the same rows to everybody", async () => {
    const question = { text: "SELECT temperature FROM room WHERE dev = 'a'", language: "influxql" } as const;
    const name = "iox::measurement";
    await assertRows(question, [
      { [name]: "room", time: String(start), temperature: 20.5 },
      { [name]: "room", time: String(start + 2n), temperature: 21 },
    ]);
  });

  test("placeholders take their values from everybody's tickets", async () => {
    const text = "SELECT time FROM room WHERE dev = $dev AND temperature > $least AND isOn IS NULL";
    const question = { text, params: { dev: "a", least: 20.25 } };
    await assertRows(question, [{ time: String(start) }], ["json", ...influxdb3Clients]);
  });

  test("an answer without rows has its columns", async () => {
    const question = { text: "SELECT * FROM room WHERE dev = 'nobody'" };
    await assertRows(question, []);
    for (const client of everyClient) {
      assert.deepEqual((await readBy(client, question)).types, roomTypes, client);
    }
  });

  test("an answer of many batches comes whole", async () => {
    const text = "SELECT i AS n FROM range(50000) AS r(i) ORDER BY i";
    const expected = Array.from({ length: 50_000 }, (_, n) => ({ n: String(n) }));
    const { batches } = server.flightCounters;
    await assertRows({ text }, expected, ["json", "all"]);
    assert.ok(server.flightCounters.batches >= batches + 3 * 6);
  });

  test("tags that are sent as dictionaries are the same texts", async () => {
    server.flightFaults.dictionaries = true;
    try {
      const question = { text: "SELECT * FROM room ORDER BY time" };
      await assertRows(question, rooms);
      const type = "dictionary<values=string, indices=int32, ordered=0>";
      assert.deepEqual((await readBy("json", question)).types, { ...roomTypes, dev: type, site: type });
    } finally {
      server.flightFaults.clear();
    }
  });

  test("keep-alives do not disturb anybody", async () => {
    const question = { text: "SELECT * FROM room ORDER BY time" };
    for (const client of everyClient) {
      server.flightFaults.nextQueries({ kind: "drip", delayMs: keepAliveMs * 4 });
      const { rows, emptyBatches } = await readBy(client, question);
      assert.deepEqual(rows, rooms, client);
      // "all" makes one table of what came.
      if (client !== "all") assert.ok(emptyBatches > 0, client);
    }
    assert.equal(server.flightFaults.seen.drip, everyClient.length);
  });

  describe("a status is the exception of that kind", () => {
    const exceptions = [
      [1, "FlightCancelledError"],
      [3, "ArrowInvalid"],
      [4, "FlightTimedOutError"],
      [5, "ArrowKeyError"],
      [7, "FlightUnauthorizedError"],
      [12, "ArrowNotImplementedError"],
      [13, "FlightInternalError"],
      [14, "FlightUnavailableError"],
      [16, "FlightUnauthenticatedError"],
    ] as const;
    for (const [code, exception] of exceptions) {
      test(`${code}, before rows and after them`, async () => {
        for (const afterBatches of [undefined, 1]) {
          const when = afterBatches === undefined ? {} : { afterBatches };
          const details = 'the words, 100 % of "them"';
          server.flightFaults.nextQueries({ kind: "status", code, details, ...when });
          const { error, text } = (await ask("json", { text: "SELECT * FROM room" })) as Refusal;
          assert.equal(error, exception);
          assert.match(text, /the words, 100 % of "them"/);
        }
      });
    }
  });

  test("what a query gets wrong is told to everybody in the same words", async () => {
    const wrongs = [
      [{ text: "SELECT * FROM nope" }, "ArrowInvalid", /table 'public\.iox\.nope' not found/],
      [{ text: "SELEC 1" }, "ArrowInvalid", /Error while logically planning query/],
      [{ text: "SELECT 1", token: "apiv3_wrong" }, "FlightUnauthenticatedError", /Unauthenticated/],
    ] as const;
    for (const [question, exception, words] of wrongs) {
      for (const client of everyClient) {
        const { error, text } = (await ask(client, question)) as Refusal;
        const isInfluxdb3 = client === "all" || client === "chunk";
        assert.equal(error, isInfluxdb3 ? "InfluxDB3ClientQueryError" : exception, text);
        assert.match(text, words, client);
      }
    }
  });
});
