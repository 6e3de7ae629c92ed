/** `flightline sandbox`: broker, InfluxDB stand-in and devices on loopback, until it is told to stop. */
import { resolve } from "node:path";
import { aborted } from "../lib/abort.ts";
import { Fault } from "../lib/fault.ts";
import { parseDurationMs } from "../lib/units.ts";
import { ledgerFileName, sandboxDatabase, startSandbox } from "../sandbox/sandbox.ts";
import type { Devices, Sandbox } from "../sandbox/sandbox.ts";
import { describeFault } from "./describe-fault.ts";
import { exitCode } from "./io.ts";
import type { Io, Run } from "./io.ts";
import { isWithin, mistakeInTraffic, type TrafficOptions } from "./traffic.ts";

export interface SandboxOptions extends TrafficOptions {
  /** 0 picks one; by default the port that everybody knows. */
  readonly mqttPort?: number | undefined;
  readonly influxdbPort?: number | undefined;
  /** The folder that keeps what was written, and the ledger of what was published. */
  readonly data?: string | undefined;
  readonly broker: boolean;
  readonly devicesOn: boolean;
  readonly json: boolean;
}

const defaults = { mqttPort: 1883, influxdbPort: 8181, devices: 20, interval: "1s" };

export const sandboxCommand: Run<SandboxOptions> = async (options, io) => {
  const mistake = mistakeIn(options);
  if (mistake !== undefined) {
    io.err(`${mistake}\n`);
    return exitCode.usage;
  }
  const report = (fault: Fault): void => {
    io.err(describeFault(fault));
  };
  try {
    await runSandbox(options, io, report);
    return exitCode.done;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    report(error);
    return exitCode.failed;
  }
};

async function runSandbox(options: SandboxOptions, io: Io, report: (fault: Fault) => void): Promise<void> {
  const { mqttPort = defaults.mqttPort, influxdbPort = defaults.influxdbPort, broker } = options;
  const dataDir = options.data === undefined ? undefined : resolve(options.data);
  const sandbox = await startSandbox({ mqttPort, influxdbPort, broker, dataDir, report });
  try {
    const count = options.devices ?? defaults.devices;
    const interval = options.interval ?? defaults.interval;
    const intervalMs = parseDurationMs(interval) ?? 0;
    const devices = options.devicesOn ? sandbox.startDevices({ count, intervalMs, seed: 1 }) : undefined;
    io.out(options.json ? asJson(sandbox, options, dataDir) : asText(sandbox, devices, count, interval));
    await Promise.race([aborted(io.signal), ...(devices === undefined ? [] : [devices.ended])]);
  } finally {
    await sandbox.stop();
  }
}

function mistakeIn(options: SandboxOptions): string | undefined {
  const { mqttPort, influxdbPort, broker, devicesOn } = options;
  if (!isWithin(mqttPort, 0, 65_535)) return "--mqtt-port: expected a port, 0 to 65535.";
  if (!isWithin(influxdbPort, 0, 65_535)) return "--influxdb-port: expected a port, 0 to 65535.";
  const traffic = mistakeInTraffic(options);
  if (traffic !== undefined) return traffic;
  if (!broker && devicesOn && mqttPort === 0) {
    return "--no-broker: the devices need the port of another broker, for example --mqtt-port 1883.";
  }
  return undefined;
}

function asJson(sandbox: Sandbox, options: SandboxOptions, dataDir: string | undefined): string {
  const line = {
    mqtt: sandbox.mqttUrl,
    influxdb: sandbox.influxdb.url,
    database: sandboxDatabase,
    broker: options.broker,
    devices: options.devicesOn ? (options.devices ?? defaults.devices) : 0,
    ledger: dataDir === undefined || !options.devicesOn ? null : resolve(dataDir, ledgerFileName),
  };
  return `${JSON.stringify(line)}\n`;
}

function asText(sandbox: Sandbox, devices: Devices | undefined, count: number, interval: string): string {
  const { mqttUrl, influxdb } = sandbox;
  const query = `{"db":"${sandboxDatabase}","q":"SELECT * FROM uplink ORDER BY time DESC LIMIT 5","format":"jsonl"}`;
  const traffic =
    devices === undefined ? "No devices." : `${count} devices send about every ${interval}, at QoS 1.`;
  return [
    "The sandbox is up.",
    "",
    `  MQTT      ${mqttUrl}`,
    `  InfluxDB  ${influxdb.url}   database "${sandboxDatabase}", no token (a stand-in: for trying, not for keeping)`,
    "",
    traffic,
    "When a daemon has written something, look at it:",
    "",
    `  curl -s ${influxdb.url}/api/v3/query_sql -H 'content-type: application/json' \\`,
    `    -d '${query}'`,
    "",
    "Ctrl-C ends it.",
    "",
  ].join("\n");
}
