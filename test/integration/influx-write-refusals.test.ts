/** The writer against an InfluxDB that refuses: what it says of the lines, and what is there afterwards. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { InfluxConfig } from "../../src/influx/config.ts";
import type { WriteOutcome } from "../../src/influx/outcome.ts";
import type { LineWriter } from "../../src/influx/writer.ts";
import { Secret } from "../../src/lib/secret.ts";
import { coreLimits } from "../../src/sandbox/influxdb/catalog.ts";
import {
  startInfluxStandIn,
  type InfluxStandIn,
  type InfluxStandInOptions,
} from "../../src/sandbox/influxdb/server.ts";
import { never, serve, writer } from "../support/influx-http.ts";
import { flushIntervalMs } from "../support/stand-in.ts";

const apis = ["v3", "v2"] as const;

async function standIn(t: TestContext, options: InfluxStandInOptions = {}): Promise<InfluxStandIn> {
  const server = await startInfluxStandIn({ flushIntervalMs, ...options });
  t.after(async () => await server.stop());
  return server;
}

function writing(t: TestContext, server: InfluxStandIn, more: Partial<InfluxConfig>): LineWriter {
  return writer(t, server.url, more);
}

interface Seen {
  readonly kind: string;
  readonly code: string | undefined;
  readonly lines?: readonly number[];
  readonly isCertain?: boolean;
}

function seen(outcome: WriteOutcome): Seen {
  const code = "fault" in outcome ? outcome.fault.code : undefined;
  if (outcome.kind !== "refused") return { kind: outcome.kind, code };
  const lines = outcome.lines.map(({ number }) => number);
  return { kind: outcome.kind, code, lines, isCertain: outcome.isCertain };
}

const hold = (code: string): Seen => ({ kind: "hold", code });
const judged = (...lines: number[]): Seen => ({
  kind: "refused",
  code: "write_refused",
  lines,
  isCertain: true,
});
const doubtful: Seen = { kind: "refused", code: "write_refused", lines: [], isCertain: false };

const point = (index: number, value: string | number): string =>
  `climate,dev_eui=0102030405060708,n=${index} temperature=${value} ${1_735_545_600_000_000_000n + BigInt(index)}`;

async function countOf(server: InfluxStandIn): Promise<unknown> {
  return await server.query("lorawan", "SELECT count(*) AS n FROM climate");
}

test("v3 names the first bad line; without each that it names, the rest is taken", async (t) => {
  const server = await standIn(t);
  const influx = writing(t, server, { writeApi: "v3" });
  assert.equal((await influx.write(point(0, 20), never)).kind, "delivered");
  const lines = Array.from({ length: 200 }, (_, index) =>
    point(index + 1, index % 50 === 7 ? '"warm"' : index),
  );
  const reasons: string[] = [];
  for (;;) {
    const outcome = await influx.write(lines.join("\n"), never);
    if (outcome.kind === "delivered") break;
    const { number, reason } = (outcome.kind === "refused" && outcome.isCertain && outcome.lines[0]) || {};
    assert.ok(number !== undefined && reason !== undefined);
    assert.match(lines[number - 1] ?? "", /temperature="warm"/);
    reasons.push(reason);
    lines.splice(number - 1, 1);
  }
  assert.equal(reasons.length, 4);
  for (const reason of reasons) assert.match(reason, /^invalid column type for column 'temperature'/);
  assert.deepEqual(await countOf(server), [{ n: 197n }]);
});

test("v2 names none, and writes nothing", async (t) => {
  const server = await standIn(t);
  const influx = writing(t, server, { writeApi: "v2" });
  assert.equal((await influx.write(point(0, 20), never)).kind, "delivered");
  assert.deepEqual(seen(await influx.write([point(1, 1), point(2, '"warm"')].join("\n"), never)), doubtful);
  assert.deepEqual(await countOf(server), [{ n: 1n }]);
});

test("a line that stands behind newlines in strings is named by its place among the lines", async (t) => {
  const server = await standIn(t);
  const influx = writing(t, server, { writeApi: "v3" });
  const note = (index: number, text: string): string => `note,n=${index} text="${text}" ${index}`;
  const lines = [note(1, 'one\ntwo\\"\nthree'), note(2, "\n"), "note,n=3 text=4 3", note(4, "x")];
  assert.equal((await influx.write(note(0, "a"), never)).kind, "delivered");
  assert.deepEqual(seen(await influx.write(lines.join("\n"), never)), judged(3));
});

test("a table too many is the fault of its line over v3, and of nobody known over v2", async (t) => {
  const server = await standIn(t, { limits: { ...coreLimits, tables: 1, columnsPerTable: 5 } });
  const influx = writing(t, server, { writeApi: "v3" });
  assert.equal((await influx.write(point(0, 20), never)).kind, "delivered");
  const lines = [point(1, 1), "weather,n=1 f=1 1"].join("\n");
  assert.deepEqual(seen(await influx.write(lines, never)), judged(2));
  assert.deepEqual(seen(await influx.write("climate,n=1 a=1,b=1,c=1,d=1,e=1 1", never)), judged(1));
  assert.deepEqual(seen(await writing(t, server, { writeApi: "v2" }).write(lines, never)), doubtful);
});

test("what is wrong with the database holds over v3, and is doubtful over v2", async (t) => {
  const server = await standIn(t, { limits: { ...coreLimits, databases: 1 } });
  assert.equal((await writing(t, server, {}).write(point(0, 1), never)).kind, "delivered");
  const over = async (database: string, api: "v3" | "v2"): Promise<Seen> =>
    seen(await writing(t, server, { database, writeApi: api }).write(point(1, 1), never));
  assert.deepEqual(await over("another", "v3"), hold("write_database_limit"));
  assert.deepEqual(await over("another", "v2"), doubtful);
  assert.deepEqual(await over("_x", "v3"), hold("write_request_refused"));
  assert.deepEqual(await over("_x", "v2"), doubtful);
});

test("a failing disk is tried again over v3; v2 calls it invalid, which is doubtful", async (t) => {
  const server = await standIn(t, { maxWaitingWrites: 0 });
  const over = async (api: "v3" | "v2"): Promise<Seen> =>
    seen(await writing(t, server, { writeApi: api }).write(point(0, 1), never));
  assert.deepEqual(await over("v3"), { kind: "retry", code: "write_server_error" });
  assert.deepEqual(await over("v2"), doubtful);
});

test("a write that is too large goes through in halves, packed or not", async (t) => {
  const server = await standIn(t, { maxBodyBytes: 20_000 });
  const lines = Array.from({ length: 400 }, (_, index) => point(index, index));
  for (const writeApi of apis) {
    for (const gzip of [true, false]) {
      const influx = writing(t, server, { writeApi, gzip });
      const outcome = await influx.write(lines.join("\n"), never);
      assert.deepEqual(seen(outcome), { kind: "too_large", code: "write_too_large" });
      assert.equal((await influx.write(lines.slice(0, 100).join("\n"), never)).kind, "delivered");
    }
  }
  assert.deepEqual(await countOf(server), [{ n: 100n }]);
});

test("an unknown token and one without rights hold, over both APIs", async (t) => {
  const auth = { token: new Secret("apiv3_good"), powerlessToken: new Secret("apiv3_weak") };
  const server = await standIn(t, { auth });
  for (const writeApi of apis) {
    const by = async (token: string): Promise<Seen> =>
      seen(await writing(t, server, { writeApi, token: new Secret(token) }).write(point(0, 1), never));
    assert.deepEqual(await by("apiv3_good"), { kind: "delivered", code: undefined });
    assert.deepEqual(await by("apiv3_bad"), hold("write_unauthorized"));
    assert.deepEqual(await by("apiv3_weak"), hold("write_forbidden"));
  }
});

test("an answer that was lost is asked for again, and the point is there once", async (t) => {
  const server = await standIn(t);
  for (const [index, writeApi] of apis.entries()) {
    const influx = writing(t, server, { writeApi });
    server.faults.nextWrites({ kind: "lose_answer" });
    assert.equal((await influx.write(point(index, 1), never)).kind, "retry");
    assert.equal((await influx.write(point(index, 1), never)).kind, "delivered");
  }
  assert.equal(server.faults.seen.lose_answer, 2);
  assert.equal(server.counters.linesRepeated, 2);
  assert.deepEqual(await countOf(server), [{ n: 2n }]);
});

test("Clustered names the lines in its message, has written the others, and takes them again", async (t) => {
  const server = await standIn(t);
  server.faults.writeApi = "v2only";
  const influx = writing(t, server, { writeApi: "auto" });
  const lines = [point(0, 0), point(1, "x"), point(2, 2), point(3, "y")];
  const entry = (line: number): string => `error parsing line ${line} (1-based): invalid`;
  // As it does: the good ones are there before it complains.
  assert.equal((await influx.write([lines[0], lines[2]].join("\n"), never)).kind, "delivered");
  server.faults.nextWrites({
    kind: "answer",
    status: 400,
    body: JSON.stringify({ code: "invalid", line: 2, message: `failed:\n  ${entry(2)}\n  ${entry(4)}` }),
  });
  assert.deepEqual(seen(await influx.write(lines.join("\n"), never)), judged(2, 4));
  assert.equal((await influx.write([lines[0], lines[2]].join("\n"), never)).kind, "delivered");
  assert.equal(server.counters.linesRepeated, 2);
  assert.deepEqual(await countOf(server), [{ n: 2n }]);
});

test("of thousands of refused lines those are known whose names came before the answer was cut", async (t) => {
  const lines = Array.from({ length: 5000 }, (_, index) => `m,n=${index} f=${index} ${index}`);
  const data = lines.map((line, index) => ({
    error_message: "invalid column type for column 'f', expected iox::column_type::field::float",
    line_number: index + 1,
    original_line: line.slice(0, 20),
  }));
  const body = JSON.stringify({ error: "partial write of line protocol occurred", data });
  assert.ok(body.length > 700_000);
  const { url } = await serve(t, (response) => void response.writeHead(400).end(body));
  const outcome = await writer(t, url).write(lines.join("\n"), never);
  assert.ok(outcome.kind === "refused" && outcome.isCertain);
  const count = outcome.lines.length;
  assert.ok(count > 300 && count < 600, `${count} lines`);
  assert.deepEqual(
    outcome.lines.map(({ number }) => number),
    Array.from({ length: count }, (_, index) => index + 1),
  );
});
