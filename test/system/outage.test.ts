/** InfluxDB is away, or does not want us: nothing is lost, it is said once, and what is new goes first. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Secret } from "../../src/lib/secret.ts";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { database, dataFolder, startDaemon, untilSubscribed, writeConfig } from "../support/daemon.ts";
import { committedCount } from "../support/journal-files.ts";
import { judge } from "../support/judge.ts";
import { requireMosquitto, startMosquitto } from "../support/mosquitto.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { makeUplinks, publishUplinks } from "../support/fleet-uplinks.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";
import { startWatchedInflux } from "../support/watched-influx.ts";

const deadlineMs = 60_000;

test("InfluxDB is away at the start and comes back: all is there, and the newest went first", async (t) => {
  const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 20000"] });
  if (broker === undefined) return;
  await using folder = await temporaryFolder("outage");
  await using influx = await startWatchedInflux({ flushIntervalMs: 100 });
  const proxy = await TcpProxy.start(influx.standIn.port);
  t.after(async () => {
    await proxy.stop();
  });
  proxy.refuse(true);
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: broker.url,
    influxUrl: `http://127.0.0.1:${proxy.port}`,
    lines: { influxdb: ["batch_max_lines = 500", "max_in_flight = 2", 'batch_max_age = "100ms"'] },
  });
  const uplinks = makeUplinks({ count: 6000, seed: 11 });
  const newest = uplinks.at(-1)?.uplink.deduplicationId ?? "";
  const ledger = new MemoryLedger();
  await using daemon = startDaemon(configFile);
  await untilSubscribed(broker, [daemon]);
  await publishUplinks(ledger, { url: broker.url, messages: uplinks });
  await waitFor(() => committedCount(dataFolder(folder.path)) === uplinks.length, {
    timeoutMs: deadlineMs,
    what: "all of them in the journal",
  });
  await waitFor(() => daemon.log.some(({ layer }) => layer === "write" || layer === "network"), {
    timeoutMs: deadlineMs,
    what: "a word about InfluxDB",
  });
  assert.equal(influx.written.size, 0);

  const backMs = performance.now();
  proxy.refuse(false);
  await influx.hasWritten(uplinks.length, deadlineMs, () => assert.ok(daemon.isRunning));
  const drainMs = performance.now() - backMs;
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  const rank = [...influx.written].indexOf(newest);
  const said = daemon.log.filter(({ layer }) => layer === "write" || layer === "network");
  t.diagnostic(
    `${uplinks.length} waited; after the return all were written within ${drainMs.toFixed(0)} ms, ` +
      `the newest as number ${rank + 1}; ${said.length} lines about the outage`,
  );
  assert.ok(rank >= 0 && rank < uplinks.length / 2, `the newest was written as number ${rank + 1}`);
  assert.equal(said.length, 1, "an outage is said once");
  await daemon.said("InfluxDB takes writes again");
  const { details, ...account } = await judge({ ledger: ledger.entries(), influxUrl: influx.url, database });
  assert.deepEqual(
    account,
    {
      published: uplinks.length,
      obliged: uplinks.length,
      written: uplinks.length,
      lost: 0,
      invented: 0,
      altered: 0,
      duplicates: 0,
    },
    details.join("\n"),
  );
});

test("a wrong token is said once and loses nothing; the right one delivers; no secret is ever logged", async (t) => {
  await using secrets = await temporaryFolder("outage-secrets");
  const token = "apiv3_right-token-5f2c9b";
  const wrongToken = "apiv3_wrong-token-77aa01";
  const password = "mqtt-password-31337";
  const broker = await startMosquitto({ passwordFile: passwordFile(secrets.path, "flightline", password) });
  if (broker === undefined) {
    t.skip("mosquitto is not installed: apt-get install -y --no-install-recommends mosquitto");
    return;
  }
  t.after(async () => {
    await broker.dispose();
  });
  await using folder = await temporaryFolder("outage-token");
  await using influx = await startWatchedInflux({ auth: { token: new Secret(token) } });
  const tokenFile = join(secrets.path, "token");
  const uplinks = makeUplinks({ count: 500, seed: 12, devices: 50 });
  const ledger = new MemoryLedger();
  const config = {
    folder: folder.path,
    mqttUrl: broker.url,
    influxUrl: influx.url,
    lines: {
      "[mqtt]": ['username = "flightline"', `password_file = "${join(secrets.path, "password")}"`],
      influxdb: [`token_file = "${tokenFile}"`, 'batch_max_age = "50ms"', 'retention = "90d"'],
      log: ['level = "debug"', 'format = "json"'],
    },
  };
  writeFileSync(join(secrets.path, "password"), `${password}\n`);
  writeFileSync(tokenFile, `${wrongToken}\n`);
  const configFile = writeConfig(config);
  const outputs: string[] = [];
  {
    await using daemon = startDaemon(configFile);
    await untilSubscribed(broker, [daemon]);
    const url = broker.url.replace("mqtt://", `mqtt://flightline:${password}@`);
    await publishUplinks(ledger, { url, messages: uplinks });
    await waitFor(() => daemon.log.some(({ code }) => code === "write_unauthorized"), {
      timeoutMs: deadlineMs,
      what: "a word about the token",
    });
    await waitFor(() => committedCount(dataFolder(folder.path)) === uplinks.length, {
      timeoutMs: deadlineMs,
      what: "all of them in the journal",
    });
    // A backoff of up to five seconds: the second refusal comes by then, and is not said again.
    await waitFor(() => influx.standIn.counters.requests >= 2, {
      timeoutMs: deadlineMs,
      what: "another try",
    });
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
    const said = daemon.log.map(({ code }) => code).filter((code) => code !== undefined);
    assert.deepEqual(said, ["write_unauthorized"], "said once, and nothing else is to blame");
    assert.equal(influx.written.size, 0);
    outputs.push(daemon.stdout, daemon.stderr);
  }
  const refusals = influx.standIn.counters.requests;
  writeFileSync(tokenFile, `${token}\n`);
  {
    await using daemon = startDaemon(configFile);
    await influx.hasWritten(uplinks.length, deadlineMs, () => assert.ok(daemon.isRunning, daemon.stdout));
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
    outputs.push(daemon.stdout, daemon.stderr);
  }
  const account = await judge({ ledger: ledger.entries(), influxUrl: influx.url, database, token });
  t.diagnostic(
    `${refusals} refused requests; then ${JSON.stringify({ ...account, details: account.details.length })}`,
  );
  const { written, lost, duplicates } = account;
  assert.deepEqual({ written, lost, duplicates }, { written: uplinks.length, lost: 0, duplicates: 0 });
  const log = outputs.join("");
  assert.ok(log.includes("write_unauthorized"), "there was something to leak");
  for (const secret of [token, wrongToken, password])
    assert.ok(!log.includes(secret), `${secret} is in the log`);
});

function passwordFile(folder: string, user: string, password: string): string {
  const file = join(folder, "mosquitto-passwords");
  execFileSync("mosquitto_passwd", ["-c", "-b", file, user, password], { stdio: "ignore" });
  return file;
}
