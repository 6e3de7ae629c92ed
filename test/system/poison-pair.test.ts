/**
 * Two messages that kill their decoder, one behind the other: each is found and quarantined, and neither
 * makes the daemon forget what it has learned about the other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { database, dataFolder, startDaemon } from "../support/daemon.ts";
import { makeUplinks } from "../support/fleet-uplinks.ts";
import { readQuarantine } from "../support/journal-files.ts";
import { judge } from "../support/judge.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { deadlineMs, firstLife, ledgerOf, poisonedBy, writePoisonConfig } from "../support/poison.ts";
import { temporaryFolder } from "../support/wait.ts";
import { startWatchedInflux } from "../support/watched-influx.ts";

/** Two deaths each, and one more for a message whose PUBACK was still on its way. */
const mostDeaths = 6;

test("two messages that kill the process are both quarantined, and the rest is written", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("poison-pair");
  await using influx = await startWatchedInflux();
  const configFile = writePoisonConfig(folder.path, broker, influx.url);
  const uplinks = makeUplinks({ count: 200, seed: 9, devices: 50 });
  const poisons = uplinks.slice(100, 102);
  const healthy = uplinks.filter((uplink) => !poisons.includes(uplink));
  const options = poisonedBy(poisons, "kill");
  await firstLife(configFile, options, broker, uplinks);
  let deaths = 1;
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
  const expected = ledgerOf(healthy);
  const account = await judge({ ledger: expected.entries(), influxUrl: influx.url, database });
  assert.equal(account.written, healthy.length, account.details.join("\n"));
  assert.equal(account.lost + account.altered + account.invented + account.duplicates, 0);
});
