/** What the daemon weighs on a gateway that has other work. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { startDaemon, untilSubscribed, writeConfig } from "../support/daemon.ts";
import { makeUplinks, publishUplinks } from "../support/fleet-uplinks.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { residentMb } from "../support/usage.ts";
import { temporaryFolder } from "../support/wait.ts";
import { startWatchedInflux } from "../support/watched-influx.ts";

/** In MB of 1,000,000 bytes. */
const limitMb = 110;

test("at rest the daemon has less than 110 MB resident, also after a few uplinks", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("memory");
  await using influx = await startWatchedInflux();
  // With the clock's default, so that what asks the kernel is loaded too.
  const lines = { clock: ['ntp = "require"', 'patience = "1s"'] };
  const configFile = writeConfig({ folder: folder.path, mqttUrl: broker.url, influxUrl: influx.url, lines });
  await using daemon = startDaemon(configFile);
  await untilSubscribed(broker, [daemon]);
  const startedMb = residentMb(daemon.pid);
  const messages = makeUplinks({ count: 20, seed: 3 });
  await publishUplinks(new MemoryLedger(), { url: broker.url, messages });
  await influx.hasWritten(messages.length, 30_000, () => assert.ok(daemon.isRunning));
  const restMb = residentMb(daemon.pid);
  t.diagnostic(
    `${startedMb.toFixed(0)} MB when connected, ${restMb.toFixed(0)} MB after ${messages.length} uplinks`,
  );
  assert.ok(startedMb < limitMb && restMb < limitMb, `${startedMb} and ${restMb} MB`);
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
});
