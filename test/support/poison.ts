/** Daemons that die over the messages they decode (poison-main.ts), and the beginning that their tests share. */
import { join } from "node:path";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { startDaemon, untilSubscribed, writeConfig } from "./daemon.ts";
import type { Ending, LogLine, ProgramOptions } from "./daemon.ts";
import { publishUplinks } from "./fleet-uplinks.ts";
import type { UplinkMessage } from "./fleet-uplinks.ts";
import type { Mosquitto } from "./mosquitto.ts";

export const deadlineMs = 30_000;

/** A configuration with which each life is short. */
export function writePoisonConfig(folder: string, broker: Mosquitto, influxUrl: string): string {
  return writeConfig({
    folder,
    mqttUrl: broker.url,
    influxUrl,
    lines: { influxdb: ['batch_max_age = "50ms"'], journal: ['commit_interval = "50ms"'] },
  });
}

export type PoisonOptions = Omit<ProgramOptions, "args">;

/** `kind` is one of poison-main.ts: how it dies. */
export function poisonedBy(poisons: readonly UplinkMessage[], kind: string): PoisonOptions {
  return {
    file: join(import.meta.dirname, "poison-main.ts"),
    env: {
      POISON_TEXT: poisons.map(({ uplink }) => uplink.deduplicationId).join(","),
      POISON_KIND: kind,
    },
  };
}

/** The first life: subscribes, is sent everything, and dies. */
export async function firstLife(
  configFile: string,
  options: PoisonOptions,
  broker: Mosquitto,
  uplinks: readonly UplinkMessage[],
): Promise<{ readonly ending: Ending; readonly log: readonly LogLine[] }> {
  await using daemon = startDaemon(configFile, options);
  await untilSubscribed(broker, [daemon]);
  await publishUplinks(new MemoryLedger(), { url: broker.url, messages: uplinks });
  return { ending: await daemon.ended, log: daemon.log };
}

/** What must be in InfluxDB when these have been delivered. */
export function ledgerOf(uplinks: readonly UplinkMessage[]): MemoryLedger {
  const ledger = new MemoryLedger();
  for (const { uplink } of uplinks) {
    ledger.published(uplink);
    ledger.acknowledged(uplink.deduplicationId);
  }
  return ledger;
}
