/**
 * A whole small world on loopback: a broker, an InfluxDB 3 stand-in and a fleet of devices. Each part can
 * be left out, and the devices can be started later, when the daemon under test has subscribed: what is
 * published before anybody listens is nobody's.
 */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { errorCode } from "../lib/fault.ts";
import type { Fault } from "../lib/fault.ts";
import { startBroker } from "./broker.ts";
import { makeDataDirectory } from "./data-directory.ts";
import { Fleet } from "./devices/fleet.ts";
import { runDevices } from "./devices/run.ts";
import { startInfluxStandIn } from "./influxdb/server.ts";
import type { InfluxStandIn } from "./influxdb/server.ts";
import { FileLedger } from "./ledger.ts";
import type { Ledger } from "./ledger.ts";
import { portUnavailable } from "./listen.ts";

/** The database that the sandbox's texts and the shipped configuration speak of. */
export const sandboxDatabase = "lorawan";
export const ledgerFileName = "ledger.ndjson";

export interface StartSandboxOptions {
  /** 0 picks one. Without the broker: where the devices find another one. */
  readonly mqttPort: number;
  readonly influxdbPort: number;
  readonly broker: boolean;
  /** Keeps the stand-in's data and the ledger; without it everything is in memory. */
  readonly dataDir?: string | undefined;
  /** Told about an unreachable broker, once per outage. */
  readonly report: (fault: Fault) => void;
}

export interface DevicesOptions {
  readonly count: number;
  readonly intervalMs: number;
  /** The same seed gives the same devices; without it each start has its own. */
  readonly seed?: number;
  /** Where the judge will look; without it the file in `dataDir`, if there is one. */
  readonly ledger?: Ledger;
}

export interface Devices {
  /** Rejects when the devices had to end by themselves. */
  readonly ended: Promise<void>;
  /** Stops publishing and waits a little for the last PUBACKs. */
  stop(): Promise<void>;
}

export interface Sandbox {
  readonly mqttUrl: string;
  readonly influxdb: InfluxStandIn;
  startDevices(options: DevicesOptions): Devices;
  /** In the order of the data: devices, broker, database. */
  stop(): Promise<void>;
}

/** Throws faults: a port that is taken, a directory that cannot be made, an optional dependency that is missing. */
export async function startSandbox(options: StartSandboxOptions): Promise<Sandbox> {
  const { dataDir, report } = options;
  if (dataDir !== undefined) await makeDataDirectory(dataDir);
  const influxdb = await startDatabase(options.influxdbPort, dataDir);
  const broker = options.broker
    ? await startBroker({ port: options.mqttPort }).catch(async (error: unknown) => {
        await influxdb.stop();
        throw error;
      })
    : undefined;
  const mqttUrl = broker?.url ?? `mqtt://127.0.0.1:${options.mqttPort}`;
  const running = new Set<Devices>();
  return {
    mqttUrl,
    influxdb,
    startDevices(deviceOptions) {
      const devices = startDevices(deviceOptions, { mqttUrl, dataDir, report });
      running.add(devices);
      return devices;
    },
    async stop() {
      await Promise.allSettled(
        [...running].map(async (devices) => {
          await devices.stop();
        }),
      );
      await broker?.stop();
      await influxdb.stop();
    },
  };
}

interface World {
  readonly mqttUrl: string;
  readonly dataDir: string | undefined;
  readonly report: (fault: Fault) => void;
}

function startDevices(options: DevicesOptions, world: World): Devices {
  const { mqttUrl, dataDir, report } = world;
  const clock = systemClock;
  const fleet = new Fleet({
    seed: options.seed ?? randomInt(0x7fff_ffff),
    deviceCount: options.count,
    intervalMs: options.intervalMs,
    startMs: clock.nowMs(),
  });
  const file =
    options.ledger === undefined && dataDir !== undefined
      ? new FileLedger(join(dataDir, ledgerFileName))
      : undefined;
  const ledger = options.ledger ?? file ?? noLedger;
  const stopping = new AbortController();
  const ended = runDevices({ mqttUrl, fleet, ledger, clock, report }, stopping.signal).finally(() =>
    file?.close(),
  );
  // Whoever waits for `ended` or `stop` hears of it; until then it is no unhandled rejection.
  ended.catch(() => undefined);
  return {
    ended,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

/** For devices that only make traffic. */
const noLedger: Ledger = {
  published: () => undefined,
  acknowledged: () => undefined,
};

async function startDatabase(port: number, dataDir: string | undefined): Promise<InfluxStandIn> {
  try {
    return await startInfluxStandIn({
      port,
      ...(dataDir === undefined ? {} : { dataDirectory: join(dataDir, "influxdb") }),
    });
  } catch (error) {
    if (errorCode(error) !== "EADDRINUSE" && errorCode(error) !== "EACCES") throw error;
    throw portUnavailable(port, "--influxdb-port", error);
  }
}
