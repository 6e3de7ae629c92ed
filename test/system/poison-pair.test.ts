/**
 * Two messages that kill their decoder, one behind the other: each is found and quarantined, and neither
 * makes the daemon forget what it has learned about the other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { database, dataFolder, startDaemon, writeConfig } from "../support/daemon.ts";
import type { ProgramOptions } from "../support/daemon.ts";
import { makeUplinks, publishUplinks } from "../support/fleet-uplinks.ts";
import { readQuarantine } from "../support/journal-files.ts";
import { judge } from "../support/judge.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";
import { startWatchedInflux } from "../support/watched-influx.ts";

const poisonMain = join(import.meta.dirname, "../support/poison-main.ts");
const deadlineMs = 30_000;
/** Two deaths each, and one more for a message whose PUBACK was still on its way. */
const mostDeaths = 6;

test("two messages that kill the process are both quarantined, and the rest is written", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("poison-pair");
  await using influx = await startWatchedInflux();
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: broker.url,
    influxUrl: influx.url,
    lines: { influxdb: ['batch_max_age = "50ms"'], journal: ['commit_interval = "50ms"'] },
  });
  const uplinks = makeUplinks({ count: 200, seed: 9, devices: 50 });
  const poisons = uplinks.slice(100, 102);
  const healthy = uplinks.filter((uplink) => !poisons.includes(uplink));
  const options: Omit<ProgramOptions, "args"> = {
    file: poisonMain,
    env: {
      POISON_TEXT: poisons.map(({ uplink }) => uplink.deduplicationId).join(","),
      POISON_KIND: "kill",
    },
  };
  let deaths = 0;
  {
    await using first = startDaemon(configFile, options);
    await waitFor(() => broker.log().includes("Sending SUBACK") || !first.isRunning, {
      timeoutMs: deadlineMs,
      what: "the subscription",
    });
    await publishUplinks(new MemoryLedger(), { url: broker.url, messages: uplinks });
    await first.ended;
    deaths += 1;
  }
  for (;;) {
    assert.ok(deaths <= mostDeaths, `${deaths} deaths, and the daemon still does not live`);
    await using next = startDaemon(configFile, options);
    const died = new Error("it died");
    const outcome = await influx
      .hasWritten(healthy.length, deadlineMs, () => {
        if (!next.isRunning) throw died;
      })
      .then(
        () => "written",
        (error: unknown) => error,
      );
    if (outcome === "written") {
      assert.deepEqual(await next.stop(), { code: 0, signal: null });
      break;
    }
    assert.equal(outcome, died);
    deaths += 1;
  }
  t.diagnostic(`${deaths} deaths`);
  assert.ok(deaths >= 4, "each of them killed twice");
  const quarantined = readQuarantine(dataFolder(folder.path));
  assert.deepEqual(
    quarantined.map(({ payload }) => payload.toString("base64")).toSorted(),
    poisons.map(({ payload }) => Buffer.from(payload).toString("base64")).toSorted(),
  );
  const expected = new MemoryLedger();
  for (const { uplink } of healthy) {
    expected.published(uplink);
    expected.acknowledged(uplink.deduplicationId);
  }
  const account = await judge({ ledger: expected.entries(), influxUrl: influx.url, database });
  assert.equal(account.written, healthy.length, account.details.join("\n"));
  assert.equal(account.lost + account.altered + account.invented + account.duplicates, 0);
});
