/** The stand-in as a server: its data directory, its port, its token. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { ask, flushIntervalMs, write } from "../support/stand-in.ts";

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
