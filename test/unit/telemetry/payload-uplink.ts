/** Uplinks with a payload, and mappings as a configuration file would give them. */
import assert from "node:assert/strict";
import { decode } from "../../../src/chirpstack/decode.ts";
import type { DeviceInfo, JsonObject, Uplink } from "../../../src/chirpstack/event.ts";
import { compileProfiles, profileSchema } from "../../../src/telemetry/profile-config.ts";
import { payloadRows } from "../../../src/telemetry/payload-rows.ts";
import type { PayloadRows } from "../../../src/telemetry/payload-rows.ts";
import type { Point } from "../../../src/telemetry/point.ts";
import type { ProfileMapping } from "../../../src/telemetry/settings.ts";
import { deviceTags, tagLayout } from "../../../src/telemetry/tags.ts";
import { climateUplink, toJsonBytes, upTopic } from "../chirpstack/samples.ts";

/** 2025-06-13T12:44:52.653481123Z */
export const uplinkNs = 1_749_818_692_653_481_123n;

export const noTags = tagLayout({ tags: [], deviceTags: [] });

function decodeClimate(): Uplink {
  const result = decode(upTopic, toJsonBytes(climateUplink()));
  assert.ok(result.ok && result.value.kind === "up");
  return result.value;
}

const climate = decodeClimate();

/** "barn 7 north", profile "EM300-TH", f_cnt 153 on port 84. */
export function payloadUplink(object: JsonObject | undefined, device: Partial<DeviceInfo> = {}): Uplink {
  return { ...climate, object, device: { ...climate.device, ...device } };
}

/** `[[profile]]` tables, each for the profile EM300-TH unless it says otherwise. */
export function mappings(tables: readonly Readonly<Record<string, unknown>>[]): readonly ProfileMapping[] {
  return compileProfiles(
    tables.map((table) => profileSchema.parse({ match: { profile: "EM300-TH" }, ...table })),
  );
}

/** Tags that meet the names of payload keys, and one that meets a column of ours. */
export const layout = tagLayout({
  tags: [
    { name: "site", value: "x" },
    { name: "f_cnt", value: "a tag like a column of ours" },
  ],
  deviceTags: [
    { key: "building", name: "building" },
    { key: "floor", name: "floor" },
  ],
});

export function rowsOf(uplink: Uplink, profiles: readonly ProfileMapping[] = []): PayloadRows {
  return payloadRows(uplink, uplinkNs, deviceTags(uplink.device, layout), layout, profiles);
}

export function fieldsOf(point: Point | undefined): Record<string, unknown> {
  assert.ok(point !== undefined);
  return Object.fromEntries(point.fields.map((field) => [field.name, field.value]));
}
