/**
 * The farm of guide-messages.ts in an InfluxDB stand-in, where the built program has written it: through a
 * real mosquitto, with a clock that stands on noon of day 0 when the program starts. The five minutes of
 * gateway statistics are over when it has been stopped and started again with a clock that is further on.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Database } from "../../src/sandbox/influx-reader.ts";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { database, clockFrom, startDaemon, writeConfig } from "./daemon.ts";
import type { Program } from "./daemon.ts";
import { at, guideEvents, guideStats, moreDeviceRows, roof, statsSums } from "./guide-messages.ts";
import { requireMosquitto } from "./mosquitto.ts";
import type { Mosquitto } from "./mosquitto.ts";
import { publishAll } from "./publisher.ts";
import type { Message } from "./publisher.ts";
import { temporaryFolder, waitFor } from "./wait.ts";

/** More than five and a half minutes after the last statistics began. */
const laterClock = "12:06:01";
/** Statistics are summed until a message comes after their time. */
const afterStats: Message = {
  topic: `eu868/gateway/${roof}/state/conn`,
  payload: JSON.stringify({ gatewayId: roof, state: "ONLINE" }),
};

/** Undefined, and the test is skipped, without a broker. It is there until the test ends. */
export async function fillGuideDatabase(t: TestContext): Promise<Database | undefined> {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return undefined;
  const folder = await temporaryFolder("guide");
  t.after(() => folder.remove());
  const influx = await startInfluxStandIn({ flushIntervalMs: 20 });
  t.after(() => influx.stop());
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: broker.url,
    influxUrl: influx.url,
    lines: { influxdb: ['batch_max_age = "50ms"'] },
  });
  const run = async (clock: string, messages: readonly Message[], rows: number): Promise<void> => {
    const subscriptions = subscriptionsOf(broker);
    await using daemon = startDaemon(configFile, { nodeOptions: clockFrom(`${at(0, clock)}Z`) });
    const until = async (what: string, condition: () => boolean): Promise<void> => {
      await waitFor(() => condition() || !daemon.isRunning, { timeoutMs: 30_000, what });
      assert.ok(daemon.isRunning, daemon.stdout + daemon.stderr);
    };
    await until("the subscription", () => subscriptionsOf(broker) > subscriptions);
    await publishAll({ url: broker.url, messages });
    await until(`${rows} rows`, () => influx.counters.linesCreated >= rows);
    await assertStops(daemon);
  };

  const events = guideEvents.map(({ message }) => message);
  const deviceDays = new Set(guideEvents.map(({ devEui, time }) => devEui + time.slice(0, 10)));
  const rows = guideEvents.reduce((sum, event) => sum + event.rows, deviceDays.size + moreDeviceRows);
  await run("12:01:00", [...events, ...guideStats], rows);
  await run(laterClock, [afterStats], rows + statsSums + 1);
  assert.equal(influx.counters.linesRefused, 0);
  return { influxUrl: influx.url, database };
}

function subscriptionsOf(broker: Mosquitto): number {
  return broker.log().split("Sending SUBACK").length;
}

async function assertStops(daemon: Program): Promise<void> {
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout);
}
