/** The stand-in takes writes as InfluxDB 3 does, and fails as it is told to. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { ask, flushIntervalMs, write, writeV2 } from "../support/stand-in.ts";

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
    const [status, body] = await writeV2(server, "m f=1 1\nm\n", "?bucket=farm");
    const { code, line } = JSON.parse(body) as { readonly code: unknown; readonly line: unknown };
    assert.deepEqual([status, code, line], [400, "invalid", 2]);
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
