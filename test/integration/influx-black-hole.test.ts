/** InfluxDB behind a firewall or a dead link that swallows every packet. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { packetDropper } from "../support/black-hole.ts";
import { assertRetry, line, never, writer } from "../support/influx-http.ts";

test("an attempt to connect into a black hole is given up long before the write timeout, by address and by name", async (t) => {
  const port = await packetDropper(t);
  const startedMs = performance.now();
  const tookMs = await Promise.all(
    ["127.0.0.1", "localhost"].map(async (host) => {
      const influx = writer(t, `http://${host}:${port}`, { writeTimeoutMs: 30_000 });
      assertRetry(await influx.write(line, never), "connect_timeout");
      return performance.now() - startedMs;
    }),
  );
  for (const ms of tookMs) assert.ok(ms > 3500 && ms < 15_000, `${ms} ms`);
});

test("a write timeout that is shorter holds in a black hole, too", async (t) => {
  const port = await packetDropper(t);
  const startedMs = performance.now();
  const influx = writer(t, `http://127.0.0.1:${port}`, { writeTimeoutMs: 200 });
  assertRetry(await influx.write(line, never), "connect_timeout");
  assert.ok(performance.now() - startedMs < 3500);
});
