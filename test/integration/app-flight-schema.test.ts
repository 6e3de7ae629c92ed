/**
 * On a server without SQL over HTTP, as Clustered and Cloud are, the daemon asks for its columns over Flight: through
 * a streams process that it starts for that, with the token of each database.
 */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Secret } from "../../src/lib/secret.ts";
import { startInfluxStandIn, type InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { AppScene, cleanEnd } from "../support/app.ts";
import { processes } from "../support/streams.ts";
import { listening } from "../support/tcp-server.ts";
import { uplink } from "../support/uplinks.ts";
import { waitFor } from "../support/wait.ts";

const token = "apiv3_flight-schema-0123456789";

async function clustered(t: TestContext): Promise<InfluxStandIn> {
  const standIn = await startInfluxStandIn({ flushIntervalMs: 10, auth: { token: new Secret(token) } });
  t.after(async () => await standIn.stop());
  standIn.faults.writeApi = "v2only";
  return standIn;
}

/** A column of the payload is a text there already: an uplink's number has to go beside it. */
async function writeOlderRow(standIn: InfluxStandIn, database: string): Promise<void> {
  const response = await fetch(`${standIn.url}/api/v2/write?bucket=${database}&precision=ns`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: 'telemetry_em300_th,dev_eui=0000000000000001 temperature="warm" 1',
  });
  assert.equal(response.status, 204);
}

test("columns are read over Flight, in each database, and nothing is refused for its type", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const standIn = await clustered(t);
  for (const database of ["lorawan", "barns"]) await writeOlderRow(standIn, database);
  const route = '[[route]]\nmatch = { tenant = "nobody" }\ndatabase = "barns"';
  const life = await scene.start(
    await scene.config({
      influxUrl: standIn.url,
      influxdb: `token = "${token}"`,
      more: `${route}\ntoken = "${token}"\n`,
    }),
  );
  await scene.publish([uplink(1), uplink(2)]);
  await life.until(() => standIn.flightCounters.queries >= 1, "a query over Flight");
  await life.settled(2);
  assert.equal(standIn.flightCounters.live, 0);
  const beside =
    "SELECT temperature_num IS NOT NULL AS beside FROM telemetry_em300_th WHERE temperature IS NULL";
  assert.deepEqual(await standIn.query("lorawan", beside), [{ beside: true }, { beside: true }]);
  assert.equal(standIn.counters.linesRefused, 0);
  assert.deepEqual(life.log.codes, []);
  const said = JSON.stringify([life.log.lines, life.app.snapshot()]);
  assert.ok(!said.includes(token), "the token is not said");
  assert.equal(processes().length, 1, "the process for it is there, and waits for more");
  assert.deepEqual(await life.stop(), cleanEnd);
  await waitFor(() => processes().length === 0, { what: "the end of the streams process" });
});

test("a Flight address that says nothing holds up the first write for the time of one reading, and no other", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const standIn = await clustered(t);
  const { port, sockets } = await listening(t, createServer());
  const influxdb = `token = "${token}"\nflight_url = "http://127.0.0.1:${port}"\nwrite_timeout = "1s"`;
  const life = await scene.start(await scene.config({ influxUrl: standIn.url, influxdb }));
  const startedMs = performance.now();
  await scene.publish([uplink(1), uplink(2)]);
  await life.settled(2);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 900 && tookMs < 5000, `written after ${Math.round(tookMs)} ms`);
  await life.until(() => sockets.size > 0, "a look in the background");
  await scene.publish([uplink(3)]);
  await life.settled(3);
  const { status } = await life.status();
  assert.deepEqual([status.snapshot.databases[0]?.state, status.troubles], ["up", []]);
  assert.deepEqual(life.log.codes, [], "no write has failed, and nothing else is known yet");
  const said = life.log.lines.map(({ message }) => message);
  assert.ok(!said.some((message) => /takes writes/.test(message)), said.join("\n"));
  assert.deepEqual(await life.stop(), cleanEnd);
});

test("a token that may write and not query: what is written is written, and the status says what is wrong", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const standIn = await clustered(t);
  const wrong = "apiv3_nobody-knows-it-0123456789";
  const influxdb = `token = "${token}"\nquery_token = "${wrong}"`;
  const life = await scene.start(await scene.config({ influxUrl: standIn.url, influxdb }));
  await scene.publish([uplink(1), uplink(2)]);
  await life.settled(2);
  const { status, text } = await life.status();
  assert.equal(status.snapshot.databases[0]?.state, "up");
  const [trouble, ...others] = status.troubles;
  assert.deepEqual(
    [trouble?.where, trouble?.code, trouble?.severity, others],
    ["lorawan", "flight_unauthorized", "doubtful", []],
  );
  assert.match(trouble?.message ?? "", /does not accept our token.*; writing goes on with the column types/);
  assert.deepEqual(life.log.codes, ["flight_unauthorized"]);
  for (const secret of [token, wrong]) assert.ok(!text.includes(secret));
  assert.deepEqual(await life.stop(), cleanEnd);
});
