/**
 * `[[profile]]`: how the payloads of some devices are mapped. `rename` and `drop` speak of keys as the payload
 * has them, everything else of columns as the table has them.
 */
import { z } from "zod";
import { complain, evenIfBroken, flag, table, text } from "../lib/schema.ts";
import { commonTags, telemetryColumns } from "./own-columns.ts";
import { defaultMapping } from "./profile-match.ts";
import type { Linear, ProfileMapping } from "./settings.ts";
import { ownTables } from "./table.ts";
import { knownUnits, unitConversion } from "./unit-conversions.ts";

/** Of one table below `[[profile]]`, and of one list. */
const maxEntries = 500;
const maxSentinels = 50;

const tablePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
/** A rename onto one of these would come out with a `_`. */
const ownNames: ReadonlySet<string> = new Set([...commonTags, ...telemetryColumns]);

const nameOf = (what: string, description: string) =>
  text(`the name of ${what}`, /^[^\p{Cc}]{1,256}$/u, description);

const key = () => nameOf("a payload key", "A key as the payload has it; nested ones joined with _");
const column = () => nameOf("a column", "A column as the table has it");

/** `{ name = value, … }` */
function entries<Value extends z.ZodType>(value: Value, description: string) {
  return z
    .record(z.string(), value, { error: "expected a table" })
    .superRefine((all, context) => {
      const names = Object.keys(all);
      if (names.length > maxEntries) complain(context, { message: `expected at most ${maxEntries} entries` });
      if (names.includes("")) complain(context, { path: [""], message: "a name is empty" });
    }, evenIfBroken)
    .prefault({})
    .describe(description);
}

function list(item: z.ZodType<string, string>, what: string, description: string) {
  return z
    .array(item, { error: `expected a list of ${what}` })
    .max(maxEntries, { error: `expected at most ${maxEntries} ${what}` })
    .default([])
    .describe(description);
}

const number = (what: string) => z.number({ error: `expected ${what}` });

const factor = number("a number other than 0").refine((value) => value !== 0, {
  error: "a factor of 0 makes every value the same: expected another number",
});

const scaleRule = z.union(
  [factor, table({ factor: factor.default(1), offset: number("a number").default(0) })],
  {
    error: "expected a factor other than 0, or { factor = …, offset = … }",
  },
);

const unitRule = z
  .string({ error: 'expected two units, such as "mV to V"' })
  .refine((conversion) => unitConversion(conversion) !== undefined, {
    error: `expected two units of one kind, such as "mV to V" (known: ${knownUnits})`,
    params: { showFound: true },
  });

const sentinelRule = z
  .array(z.union([number("a number"), z.string()], { error: "expected a number or a text" }), {
    error: "expected a list of numbers and texts, such as [327.67]",
  })
  .min(1, { error: "expected at least one value that means no measurement" })
  .max(maxSentinels, { error: `expected at most ${maxSentinels} values` });

const deviceTags = z.record(z.string(), z.string({ error: "expected a string" }), {
  error: "expected a table of names and strings",
});

const match = table({
  profile: nameOf("a device profile", "Name or id of the device profile").optional(),
  application: nameOf("an application", "Name or id of the application").optional(),
  tags: deviceTags.prefault({}).describe("Tags that the device has in ChirpStack"),
})
  .superRefine((given, context) => {
    const tags: unknown = given.tags;
    const hasTags = typeof tags === "object" && tags !== null && Object.keys(tags).length > 0;
    if (given.profile === undefined && given.application === undefined && !hasTags) {
      complain(context, {
        message: "expected profile, application or tags: what the devices have in common",
      });
    }
  }, evenIfBroken)
  .describe("Which devices: all that is given must fit; the first [[profile]] that fits a device is its own");

const shape = {
  match,
  table: text(
    "a table name: 1 to 64 letters, digits and _, beginning with a letter",
    tablePattern,
    "The table; default: telemetry_ and the device profile's name",
  )
    .refine((name) => !ownTables.includes(name), {
      error: "is a table of ours: choose another name",
    })
    .optional(),
  rename: entries(column(), "Payload key → column"),
  drop: list(key(), "payload keys", "Payload keys to leave out, with everything below them"),
  scale: entries(scaleRule, "Column → factor, or { factor, offset }: value · factor + offset"),
  unit: entries(unitRule, 'Column → conversion, such as "mV to V"'),
  sentinel: entries(sentinelRule, "Column → values that mean no measurement, as they come (before scaling)"),
  numeric_text: flag(true, 'A text that is a plain decimal ("21.50") becomes a number'),
  text: list(column(), "columns", "Columns whose texts stay texts, whatever they look like"),
  value_unit: flag(true, '{ "value": 21.4, "unit": "°C" } becomes its value'),
  explode: z
    .record(z.string(), nameOf("a member", "The member of each item that holds its time"), {
      error: "expected a table",
    })
    .prefault(Object.fromEntries(defaultMapping.explode))
    .describe("Array of objects → the member that holds each one's time; {} turns it off"),
};

export const profileSchema = table(shape).superRefine((raw, context) => {
  // It runs although something is wrong already: nothing here is what it should be for sure.
  const rename = textsOf(raw.rename);
  checkRename(rename, Array.isArray(raw.drop) ? raw.drop : [], context);
  for (const name of keysOf(raw.unit)) {
    if (!keysOf(raw.scale).includes(name)) continue;
    complain(context, { path: ["unit", name], message: "the column is in scale too: keep one of the two" });
  }
  const texts: readonly unknown[] = Array.isArray(raw.text) ? raw.text : [];
  checkTexts(texts, { unit: raw.unit, scale: raw.scale }, context);
  const mentions = [
    ...[raw.scale, raw.unit, raw.sentinel].flatMap((rules, index) =>
      keysOf(rules).map((name) => ({ name, path: [["scale", "unit", "sentinel"][index] ?? "", name] })),
    ),
    ...texts.map((name, index) => ({ name, path: ["text", index] })),
  ];
  const targets = new Set(rename.values());
  for (const { name, path } of mentions) {
    const target = typeof name === "string" && !targets.has(name) ? rename.get(name) : undefined;
    if (target === undefined || target === name) continue;
    const message = `"${String(name)}" is renamed to "${target}", so there is no such column`;
    complain(context, { path, message, hint: `say "${target}" here: this is about columns, after renaming` });
  }
}, evenIfBroken);

/** A column whose numbers are scaled, and whose texts with the same numbers are not, is a mistake. */
function checkTexts(
  texts: readonly unknown[],
  linear: Readonly<Record<"unit" | "scale", unknown>>,
  context: z.RefinementCtx,
): void {
  const inUnit = new Set(keysOf(linear.unit));
  const inScale = new Set(keysOf(linear.scale));
  for (const [index, name] of texts.entries()) {
    if (typeof name !== "string" || !(inUnit.has(name) || inScale.has(name))) continue;
    const table = inUnit.has(name) ? "unit" : "scale";
    const message = `"${name}" is in ${table} too, and a text that stays one is not converted: keep one of the two`;
    complain(context, { path: ["text", index], message });
  }
}

function checkRename(
  rename: ReadonlyMap<string, string>,
  dropped: readonly unknown[],
  context: z.RefinementCtx,
): void {
  const seen = new Map<string, string>();
  for (const [from, to] of rename) {
    const path = ["rename", from];
    const before = seen.get(to);
    seen.set(to, from);
    if (dropped.includes(from))
      complain(context, { path, message: "the key is in drop too: keep one of the two" });
    else if (ownNames.has(to))
      complain(context, { path, message: `"${to}" is a column of ours: choose another name` });
    else if (to.startsWith("_"))
      complain(context, {
        path,
        message: "a column cannot begin with _: InfluxDB keeps such names for itself",
      });
    else if (before !== undefined)
      complain(context, {
        path,
        message: `"${before}" is renamed to "${to}" already: a column has one source`,
      });
  }
}

/**
 * A rename onto the name of a tag would come out with a `_`, because the tag has the column. `tagNames`: those
 * of `[tags]` and of device tags, as points have them. `profiles` is what the file has under `profile`, which may
 * be wrong in any way already. Complaints are located from the top of the file.
 */
export function checkRenames(profiles: unknown, tagNames: readonly string[], context: z.RefinementCtx): void {
  if (!Array.isArray(profiles)) return;
  const tags = new Set(tagNames);
  for (const [index, profile] of profiles.entries()) {
    for (const [from, to] of textsOf(tableOf(profile)["rename"])) {
      if (!tags.has(to)) continue;
      const path = ["profile", index, "rename", from];
      complain(context, { path, message: `"${to}" is a tag: choose another name` });
    }
  }
}

/**
 * Every `[[profile]]` can be some device's: none asks for all that one before it asks for. A name and an id may be
 * the same profile or application, which cannot be known here. A match that is wrong already neither covers
 * nor is covered. `profiles` and complaints are as for `checkRenames`.
 */
export function checkProfileOrder(profiles: unknown, context: z.RefinementCtx): void {
  if (!Array.isArray(profiles)) return;
  const seen: { readonly number: number; readonly match: MatchConfig }[] = [];
  for (const [index, profile] of profiles.entries()) {
    const { data } = match.safeParse(tableOf(profile)["match"]);
    if (data === undefined) continue;
    const cover = seen.find((earlier) => covers(earlier.match, data));
    if (cover !== undefined) {
      complain(context, {
        path: ["profile", index, "match"],
        message: `takes nothing: [[profile]] number ${cover.number} before it takes all that fits here`,
        hint: "the first [[profile]] that fits is taken: put the narrower one first, or remove one of the two",
      });
    }
    seen.push({ number: index + 1, match: data });
  }
}

type MatchConfig = z.output<typeof match>;

/** Whether every device that fits `narrow` fits `wide`. */
function covers(wide: MatchConfig, narrow: MatchConfig): boolean {
  return (
    (wide.profile === undefined || wide.profile === narrow.profile) &&
    (wide.application === undefined || wide.application === narrow.application) &&
    Object.entries(wide.tags).every(([key, value]) => narrow.tags[key] === value)
  );
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function keysOf(value: unknown): string[] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

function textsOf(value: unknown): Map<string, string> {
  const texts = new Map<string, string>();
  if (typeof value !== "object" || value === null) return texts;
  for (const [name, item] of Object.entries(value)) if (typeof item === "string") texts.set(name, item);
  return texts;
}

export function compileProfiles(
  profiles: readonly z.output<typeof profileSchema>[],
): readonly ProfileMapping[] {
  return profiles.map((profile) => ({
    match: {
      profile: profile.match.profile,
      application: profile.match.application,
      tags: new Map(Object.entries(profile.match.tags)),
    },
    table: profile.table,
    rename: new Map(Object.entries(profile.rename)),
    drop: new Set(profile.drop),
    linear: compileLinear(profile),
    sentinels: new Map(Object.entries(profile.sentinel).map(([name, values]) => [name, new Set(values)])),
    numericText: profile.numeric_text,
    text: new Set(profile.text),
    valueUnit: profile.value_unit,
    explode: new Map(Object.entries(profile.explode)),
  }));
}

function compileLinear(profile: Pick<z.output<typeof profileSchema>, "scale" | "unit">): Map<string, Linear> {
  const linear = new Map<string, Linear>();
  for (const [name, rule] of Object.entries(profile.scale)) {
    linear.set(name, typeof rule === "number" ? { factor: rule, offset: 0 } : rule);
  }
  for (const [name, conversion] of Object.entries(profile.unit)) {
    const rule = unitConversion(conversion);
    if (rule !== undefined) linear.set(name, rule);
  }
  return linear;
}
