/** What the stand-in refuses, and in which words. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { coreLimits } from "../../src/sandbox/influxdb/catalog.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { ask, flushIntervalMs, write, writeV2 } from "../support/stand-in.ts";

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
