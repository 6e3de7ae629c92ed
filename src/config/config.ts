/** The whole configuration: what the file may say, and the frozen value that it becomes. */
import { hostname } from "node:os";
import { z } from "zod";
import { influxSchema, type InfluxConfig } from "../influx/config.ts";
import { journalSchema, type JournalConfig } from "../journal/config.ts";
import { complain, evenIfBroken, table, text } from "../lib/schema.ts";
import { checkClientIds, mqttSchema, type MqttConfig, type MqttSource } from "../mqtt/config.ts";
import { clockSchema, type ClockConfig } from "../systemd/config.ts";
import {
  checkTagNames,
  compileTelemetry,
  tagsSchema,
  telemetrySchema,
  type TelemetryConfig,
} from "../telemetry/config.ts";
import { logSchema, type LogConfig } from "./log.ts";

export interface Config {
  /** This machine, in topics and in the tables about ourselves. */
  readonly node: string;
  /** At least one; their names are unique. */
  readonly mqtt: readonly MqttConfig[];
  readonly journal: JournalConfig;
  readonly influx: InfluxConfig;
  readonly telemetry: TelemetryConfig;
  readonly clock: ClockConfig;
  readonly log: LogConfig;
}

const maxSources = 32;

const shape = {
  node: text(
    "a name of letters, digits, _ . and - (at most 64)",
    /^[A-Za-z0-9_.-]{1,64}$/,
    "What this machine is called; default: its host name",
  ).optional(),
  mqtt: z
    .array(mqttSchema, { error: "expected one or more [[mqtt]] tables (two brackets on each side)" })
    .min(1, { error: "expected at least one [[mqtt]] table" })
    .max(maxSources, { error: `expected at most ${maxSources} [[mqtt]] tables` })
    .describe("The brokers to read from"),
  journal: journalSchema.prefault({}),
  influxdb: influxSchema,
  tags: tagsSchema.prefault({}),
  telemetry: telemetrySchema.prefault({}),
  clock: clockSchema.prefault({}),
  log: logSchema.prefault({}),
};

export const configSchema = table(shape)
  .superRefine((raw, context) => {
    checkTagNames(raw.tags, raw.telemetry?.device_tags, context);
    checkSourceNames(raw.mqtt, context);
    checkClientIds(raw.mqtt, context);
  }, evenIfBroken)
  .transform((raw): Config => {
    const node = raw.node ?? hostNode();
    return {
      node,
      mqtt: raw.mqtt.map((source, index) => nameSource(source, sourceName(source, index), node)),
      journal: raw.journal,
      influx: raw.influxdb,
      telemetry: compileTelemetry(raw.tags, raw.telemetry),
      clock: raw.clock,
      log: raw.log,
    };
  });

/** The host name with what a node may not be called replaced. */
function hostNode(): string {
  return (
    hostname()
      .replaceAll(/[^A-Za-z0-9_.-]/g, "-")
      .slice(0, 64) || "flightline"
  );
}

function sourceName(source: { readonly name?: unknown }, index: number): string {
  if (typeof source.name === "string") return source.name;
  return index === 0 ? "mqtt" : `mqtt${index + 1}`;
}

function nameSource(source: MqttSource, name: string, node: string): MqttConfig {
  return { ...source, name, stateTopic: source.stateTopic.replaceAll("{node}", node) };
}

function checkSourceNames(sources: unknown, context: z.RefinementCtx): void {
  if (!Array.isArray(sources)) return;
  const seen = new Set<string>();
  for (const [index, source] of sources.entries()) {
    if (typeof source !== "object" || source === null) continue;
    const name = sourceName(source, index);
    if (seen.has(name)) {
      complain(context, {
        path: ["mqtt", index, "name"],
        message: `another [[mqtt]] table is called "${name}" already: names must differ`,
      });
    }
    seen.add(name);
  }
}
