/** The whole configuration: what the file may say, and the frozen value that it becomes. */
import { hostname } from "node:os";
import { z } from "zod";
import { influxSchema, type InfluxConfig } from "../influx/config.ts";
import { checkRoutes, compileRoutes, type RouteConfig, routesSchema } from "../influx/route-config.ts";
import { journalSchema, type JournalConfig } from "../journal/config.ts";
import { complain, evenIfBroken, table, text } from "../lib/schema.ts";
import { checkClientIds, mqttSchema, type MqttConfig, type MqttSource } from "../mqtt/config.ts";
import { ownSource } from "../pipeline/own-message.ts";
import { clockSchema, type ClockConfig } from "../systemd/config.ts";
import {
  checkTagNames,
  compileTelemetry,
  tagNames,
  tagsSchema,
  telemetrySchema,
} from "../telemetry/config.ts";
import {
  checkProfileOrder,
  checkRenames,
  compileProfiles,
  profileSchema,
} from "../telemetry/profile-config.ts";
import type { TelemetrySettings } from "../telemetry/settings.ts";
import { logSchema, type LogConfig } from "./log.ts";

export interface Config {
  /** This machine, in topics and in the tables about ourselves. */
  readonly node: string;
  /** Between two rows in the table about ourselves; 0: there are none. */
  readonly nodeIntervalMs: number;
  /** At least one; their names are unique. */
  readonly mqtt: readonly MqttConfig[];
  readonly journal: JournalConfig;
  readonly influx: InfluxConfig;
  readonly routes: readonly RouteConfig[];
  readonly telemetry: TelemetrySettings;
  readonly clock: ClockConfig;
  readonly log: LogConfig;
}

const maxSources = 32;
const maxProfiles = 500;

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
  route: routesSchema.default([]),
  tags: tagsSchema.prefault({}),
  telemetry: telemetrySchema.prefault({}),
  profile: z
    .array(profileSchema, { error: "expected one or more [[profile]] tables (two brackets on each side)" })
    .max(maxProfiles, { error: `expected at most ${maxProfiles} [[profile]] tables` })
    .default([])
    .describe("What becomes of payloads: the first table that matches a device is its mapping"),
  clock: clockSchema.prefault({}),
  log: logSchema.prefault({}),
};

export const configSchema = table(shape)
  .superRefine((raw, context) => {
    checkTagNames(raw.tags, raw.telemetry?.device_tags, context);
    checkSourceNames(raw.mqtt, context);
    checkRoutes(raw.route, raw.influxdb, sourceNames(raw.mqtt), context);
    checkClientIds(raw.mqtt, context);
    checkProfileOrder(raw.profile, context);
    checkRenames(raw.profile, tagNames(raw.tags, raw.telemetry?.device_tags), context);
  }, evenIfBroken)
  .transform((raw): Config => {
    const node = raw.node ?? hostNode();
    return {
      node,
      nodeIntervalMs: raw.telemetry.node_interval,
      mqtt: raw.mqtt.map((source, index) => nameSource(source, sourceName(source, index), node)),
      journal: raw.journal,
      influx: raw.influxdb,
      routes: compileRoutes(raw.route, raw.influxdb),
      telemetry: compileTelemetry(raw.tags, raw.telemetry, compileProfiles(raw.profile)),
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

/** Of tables that may be wrong already; "" for what is no table. */
function sourceNames(sources: unknown): string[] {
  if (!Array.isArray(sources)) return [];
  return sources.map((source: unknown, index) =>
    typeof source === "object" && source !== null ? sourceName(source, index) : "",
  );
}

function checkSourceNames(sources: unknown, context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, name] of sourceNames(sources).entries()) {
    if (name === "") continue;
    if (name === ownSource) {
      complain(context, {
        path: ["mqtt", index, "name"],
        message: `"${ownSource}" is what the journal calls our own rows: choose another name`,
      });
    }
    if (seen.has(name)) {
      complain(context, {
        path: ["mqtt", index, "name"],
        message: `another [[mqtt]] table is called "${name}" already: names must differ`,
      });
    }
    seen.add(name);
  }
}
