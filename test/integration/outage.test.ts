/** InfluxDB vanishes behind a connection that stands: nobody says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppScene, assertOnce, range } from "../support/app.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const timeoutMs = 1000;

test("a half-open connection to InfluxDB is noticed within the write timeout, said, and replaced when the way is free", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const proxy = await TcpProxy.start(Number(new URL(scene.sink.url).port));
  t.after(() => proxy.stop());
  const influxUrl = `http://127.0.0.1:${proxy.port}`;
  const config = await scene.config({ influxUrl, influxdb: 'write_timeout = "1s"' });
  const life = await scene.start(config);
  await scene.publish(range(1, 10));
  await life.settled(10);
  const { accepted } = proxy;
  assert.ok(accepted > 0 && proxy.open > 0, "the connection stands");

  proxy.pause("toServer");
  proxy.pause("toClient");
  const startMs = performance.now();
  await scene.publish(range(11, 20));
  await life.until(() => life.app.snapshot().databases[0]?.state === "away", "it to be noticed");
  const noticedMs = performance.now() - startMs;
  assert.ok(noticedMs < timeoutMs + 1000, `${noticedMs} ms`);
  assert.equal(
    life.log.codes.filter((code) => code.startsWith("write_")).join(),
    "write_timeout",
    "said once",
  );
  const { status } = await life.status();
  assert.deepEqual(
    status.troubles.map(({ code }) => code),
    ["write_timeout"],
    "and shown",
  );
  assert.equal(status.drain, undefined, "nobody knows when it ends");

  // What the dead connections still held arrives with the rest: it makes no second point.
  proxy.dropConnections();
  proxy.resume("toServer");
  proxy.resume("toClient");
  const backMs = performance.now();
  await scene.publish(range(21, 30));
  await life.settled(30);
  assert.ok(performance.now() - backMs < 5000, `${performance.now() - backMs} ms`);
  assert.ok(proxy.accepted > accepted);
  assertOnce(30, scene.sink);
});
