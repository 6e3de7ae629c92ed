/** `[tags]` and `[telemetry]`: what is added to every point. */
import { z } from "zod";
import { complain, durationMs, evenIfBroken, hasControlCharacters, table } from "../lib/schema.ts";
import { takenForDeviceTags, takenForStaticTags } from "./own-columns.ts";
import type { ProfileMapping, TelemetrySettings } from "./settings.ts";

const tagNamePattern = /^(?!_)[A-Za-z0-9_]{1,64}$/;
const tagMaxCount = 32;
const tagValueMaxChars = 256;
const tagKeyMaxChars = 256;

/** What is wrong with a tag's name, or undefined. */
function wrongTagName(name: string, taken: ReadonlySet<string>): string | undefined {
  if (!tagNamePattern.test(name)) {
    return "expected a tag name: 1 to 64 letters, digits and _, not beginning with _";
  }
  return taken.has(name) ? `"${name}" is a column of ours: choose another name` : undefined;
}

export const tagsSchema = z
  .record(
    z.string(),
    z
      .string({ error: "expected a string" })
      .refine((value) => value !== "" && value.length <= tagValueMaxChars && !hasControlCharacters(value), {
        error: `expected 1 to ${tagValueMaxChars} characters on one line`,
        params: { showFound: true },
      }),
    { error: "expected a table of names and strings" },
  )
  .superRefine((tags, context) => {
    const names = Object.keys(tags);
    for (const name of names) {
      const message = wrongTagName(name, takenForStaticTags);
      if (message !== undefined) complain(context, { path: [name], message });
    }
    if (names.length > tagMaxCount) complain(context, { message: `expected at most ${tagMaxCount} tags` });
  }, evenIfBroken)
  .describe("Tags on every point: site, region, …");

const deviceTagKey = z
  .string()
  .refine((key) => key !== "" && key.length <= tagKeyMaxChars && !hasControlCharacters(key), {
    error: `expected the key of a device tag in ChirpStack: 1 to ${tagKeyMaxChars} characters on one line`,
    params: { showFound: true },
  })
  .describe("The device tag's key in ChirpStack");

/** `"building"`, or by another name: `{ key = "site-id", as = "site" }`. */
const deviceTag = z.union(
  [
    z.string().superRefine((name, context) => {
      const message = wrongTagName(name, takenForDeviceTags);
      const hint = `{ key = ${JSON.stringify(name)}, as = "…" } gives it another name`;
      if (message !== undefined) complain(context, { message, hint });
    }),
    table({
      key: deviceTagKey,
      as: z
        .string()
        .superRefine((name, context) => {
          const message = wrongTagName(name, takenForDeviceTags);
          if (message !== undefined) complain(context, { message });
        })
        .describe("What the tag is called in InfluxDB"),
    }),
  ],
  { error: 'expected the key of a device tag, or { key = "…", as = "…" }' },
);

/** Shorter ones would be more rows than anything that is measured. */
const leastNodeIntervalMs = 10_000;
const nodeIntervalText = "Between two rows of flightline_node; 0s: none are written";

export const telemetrySchema = table({
  device_tags: z
    .array(deviceTag, { error: "expected a list of names" })
    .max(tagMaxCount, { error: `expected at most ${tagMaxCount} names` })
    .default([])
    .describe("Device tags of ChirpStack that become tags of the points"),
  node_interval: durationMs({ fallback: "1m", min: "0s", max: "24h", description: nodeIntervalText })
    .refine((ms) => ms === 0 || ms >= leastNodeIntervalMs, {
      error: 'expected "0s" for none, or a duration from 10s to 24h',
      params: { showFound: true },
    })
    .describe(nodeIntervalText),
});

/** A name may be given once, in `[tags]` or in `device_tags`. Runs on tables that may be wrong already. */
export function checkTagNames(tags: unknown, deviceTags: unknown, context: z.RefinementCtx): void {
  if (!Array.isArray(deviceTags)) return;
  const entries: readonly unknown[] = deviceTags;
  const seen = new Set<unknown>(typeof tags === "object" && tags !== null ? Object.keys(tags) : []);
  for (const [index, entry] of entries.entries()) {
    const name = nameOfDeviceTag(entry);
    if (seen.has(name)) {
      complain(context, {
        path: ["telemetry", "device_tags", index],
        message: `"${String(name)}" is a tag already: a point can have it once`,
      });
    }
    seen.add(name);
  }
}

/** What a device's tag is called: of an entry that may be wrong already. */
function nameOfDeviceTag(entry: unknown): unknown {
  return typeof entry === "object" && entry !== null && "as" in entry ? entry.as : entry;
}

/** All tags that configuration adds. Of tables that may be wrong already. */
export function tagNames(tags: unknown, deviceTags: unknown): string[] {
  const statics = typeof tags === "object" && tags !== null ? Object.keys(tags) : [];
  const entries: readonly unknown[] = Array.isArray(deviceTags) ? deviceTags : [];
  return [...statics, ...entries.map(nameOfDeviceTag).filter((name) => typeof name === "string")];
}

/** Static tags in the order of the file (names of digits only come first). */
export function compileTelemetry(
  tags: z.output<typeof tagsSchema>,
  telemetry: z.output<typeof telemetrySchema>,
  profiles: readonly ProfileMapping[],
): TelemetrySettings {
  return {
    tags: Object.entries(tags).map(([name, value]) => ({ name, value })),
    deviceTags: telemetry.device_tags.map((tag) =>
      typeof tag === "string" ? { key: tag, name: tag } : { key: tag.key, name: tag.as },
    ),
    profiles,
  };
}
