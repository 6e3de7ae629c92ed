/** What a running daemon says of itself on its control socket: real mosquitto, a sink that comes and goes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppScene, cleanEnd, range } from "../support/app.ts";

test("well, InfluxDB away, broker away, and well again; never a secret", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const secrets = ["s3cret-of-mqtt", "s3cret-of-influxdb", "s3cret-of-route"];
  const [password, token, routeToken] = secrets;
  // The broker refuses nobody.
  const mqtt = scene.source("main", `username = "u"\npassword = "${password}"`);
  const more = `[[route]]\nmatch = { application = "other" }\ndatabase = "other"\ntoken = "${routeToken}"`;
  const life = await scene.start(await scene.config({ mqtt, influxdb: `token = "${token}"`, more }));
  const seen: string[] = [];
  const look = async () => {
    const { status, text } = await life.status();
    seen.push(text);
    return status;
  };
  const troubles = async () => {
    const bad = (await look()).troubles.filter(({ severity }) => severity === "bad");
    return bad.map(({ where, layer }) => [where, layer]);
  };

  await scene.publish(range(1, 5));
  await life.settled(5);
  const well = await look();
  assert.deepEqual([well.unhealthy, well.mode], ["", { kind: "normal" }]);
  const said = well.troubles.map(({ where, severity }) => [where, severity]);
  assert.deepEqual(said, [["lorawan", "doubtful"]], "the sink takes writes, and answers no queries");
  assert.deepEqual(
    well.snapshot.databases.map(({ state }) => state),
    ["up", "untried"],
  );
  assert.equal(well.oldestUnsentAgoMs, undefined);
  const idle = well.parts.filter(({ state }) => state !== "running").map(({ name, state }) => [name, state]);
  assert.deepEqual(idle, [
    ["salvage", "ended"],
    ["resume", "ended"],
    ["check", "ended"],
  ]);

  // An answer that repeats the token, as some proxies do.
  scene.sink.status = 401;
  scene.sink.refusal = `no such token: ${token}`;
  await scene.publish(range(6, 8));
  await life.until(async () => (await troubles()).length === 1, "a trouble");
  assert.deepEqual(await troubles(), [["lorawan", "write"]]);
  assert.ok((await look()).oldestUnsentAgoMs !== undefined);

  await scene.broker.kill();
  await life.until(async () => (await troubles()).length === 2, "another trouble");
  assert.deepEqual(await troubles(), [
    ["main", "broker"],
    ["lorawan", "write"],
  ]);

  scene.sink.status = 204;
  await scene.broker.start();
  await life.until(async () => (await troubles()).length === 0, "no trouble any more");
  await life.settled(8);
  for (const text of seen) for (const secret of secrets) assert.ok(!text.includes(secret), secret);
  assert.deepEqual(await life.stop(), cleanEnd);
});
