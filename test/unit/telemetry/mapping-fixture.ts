/** Proposals for payloads, and what a configuration makes of them. */
import assert from "node:assert/strict";
import { parse } from "smol-toml";
import type { DeviceInfo, JsonObject } from "../../../src/chirpstack/event.ts";
import { proposeMapping } from "../../../src/telemetry/mapping-proposal.ts";
import { explainPayload, type MappingTrace } from "../../../src/telemetry/mapping-trace.ts";
import { compileProfiles, profileSchema } from "../../../src/telemetry/profile-config.ts";
import type { ProfileMapping } from "../../../src/telemetry/settings.ts";
import { noTags, payloadUplink, uplinkNs } from "./payload-uplink.ts";

export function traces(
  objects: readonly JsonObject[],
  profiles: readonly ProfileMapping[] = [],
  device: Partial<DeviceInfo> = {},
): MappingTrace[] {
  return objects.map((object) => explainPayload(payloadUplink(object, device), uplinkNs, noTags, profiles));
}

export const propose = (objects: readonly JsonObject[]): string => proposeMapping(traces(objects));

/** As the configuration would read it. */
export function tableOf(toml: string): Record<string, unknown> {
  const tables = parse(toml)["profile"];
  assert.ok(Array.isArray(tables) && tables.length === 1, toml);
  // With ordinary prototypes: deepEqual looks at them.
  return structuredClone(tables[0]) as Record<string, unknown>;
}

export function compile(toml: string): readonly ProfileMapping[] {
  return compileProfiles([profileSchema.parse(tableOf(toml))]);
}
