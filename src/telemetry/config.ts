/** `[tags]` and `[telemetry]`: what is added to every point. */
import { z } from "zod";
import { complain, evenIfBroken, hasControlCharacters, table } from "../lib/schema.ts";
import { takenForDeviceTags, takenForStaticTags } from "./own-columns.ts";
import type { ProfileMapping, TelemetrySettings } from "./settings.ts";

const tagNamePattern = /^(?!_)[A-Za-z0-9_]{1,64}$/;
const tagMaxCount = 32;
const tagValueMaxChars = 256;

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

export const telemetrySchema = table({
  device_tags: z
    .array(
      z.string({ error: "expected the name of a device tag" }).superRefine((name, context) => {
        const message = wrongTagName(name, takenForDeviceTags);
        if (message !== undefined) complain(context, { message });
      }),
      { error: "expected a list of names" },
    )
    .max(tagMaxCount, { error: `expected at most ${tagMaxCount} names` })
    .default([])
    .describe("Device tags of ChirpStack that become tags of the points"),
});

/** A name may be given once, in `[tags]` or in `device_tags`. Runs on tables that may be wrong already. */
export function checkTagNames(tags: unknown, deviceTags: unknown, context: z.RefinementCtx): void {
  if (!Array.isArray(deviceTags)) return;
  const seen = new Set<unknown>(typeof tags === "object" && tags !== null ? Object.keys(tags) : []);
  for (const [index, name] of deviceTags.entries()) {
    if (seen.has(name)) {
      complain(context, {
        path: ["telemetry", "device_tags", index],
        message: `"${String(name)}" is a tag already: a point can have it once`,
      });
    }
    seen.add(name);
  }
}

/** Static tags in the order of the file (names of digits only come first). */
export function compileTelemetry(
  tags: z.output<typeof tagsSchema>,
  telemetry: z.output<typeof telemetrySchema>,
  profiles: readonly ProfileMapping[],
): TelemetrySettings {
  return {
    tags: Object.entries(tags).map(([name, value]) => ({ name, value })),
    deviceTags: telemetry.device_tags,
    profiles,
  };
}
