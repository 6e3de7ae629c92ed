/**
 * What becomes of every key of a payload, in words: `flightline mapping show` prints it. The words are about
 * what the mapping itself reports on its way (`Trace`): there is no second mapping here that could
 * differ from the first. Pure.
 */
import type { JsonObject, JsonValue, Uplink } from "../chirpstack/event.ts";
import { isPlausibleTime } from "./explode.ts";
import { orderedKeys } from "./flatten.ts";
import type { SkipReason, Trace, TracedLeaf } from "./flatten-trace.ts";
import { payloadRows, payloadTable } from "./payload-rows.ts";
import type { ColumnType } from "./column-types.ts";
import { mappingOf } from "./profile-match.ts";
import type { ProfileMapping } from "./settings.ts";
import type { TagLayout } from "./tags.ts";

export interface MappingTrace {
  readonly devEui: string;
  readonly deviceName: string;
  readonly profileName: string;
  readonly profileId: string;
  readonly applicationName: string;
  readonly applicationId: string;
  readonly timeNs: bigint;
  /** Which `[[profile]]` applies, counted from 1 in the order of the file; `undefined`: the defaults. */
  readonly mapping: number | undefined;
  readonly table: string;
  /** In the order in which they are mapped; those inside exploded items after all others. */
  readonly keys: readonly KeyTrace[];
}

export interface KeyTrace {
  /** As `rename` and `drop` speak of it. */
  readonly path: string;
  /** The exploded array in whose items it is; `path` begins inside of them. */
  readonly inside: string | undefined;
  /** As the payload has them: one, or one for each exploded item that has the key and met the same fate. */
  readonly values: readonly JsonValue[];
  readonly fate: Fate;
  /** What was done to a field on its way. */
  readonly rules: readonly Rule[];
  /** `undefined` when there is none, as is the type. */
  readonly column: string | undefined;
  readonly type: FieldType | undefined;
  /** Of an array of objects that is not exploded: the member that looks like each item's time. */
  readonly timeMember: string | undefined;
  /** All of it in words: "column temperature, float; renamed from temp". About the first of the values. */
  readonly outcome: string;
}

/** "no value": a sentinel, or too large once scaled. "array": its items have entries of their own. */
export type Fate = "field" | "no value" | "exploded" | "array" | SkipReason;
export type Rule = "renamed" | "value of quantity" | "text made number" | "scaled" | "suffix added";
export type FieldType = Extract<ColumnType, "float" | "string" | "boolean">;

type MutableKey = KeyTrace & { readonly values: JsonValue[] };

/** Bounds what a trace keeps; the mapping itself may look at more. */
const maxKeys = 2000;

export function explainPayload(
  uplink: Uplink,
  timeNs: bigint,
  layout: TagLayout,
  profiles: readonly ProfileMapping[],
): MappingTrace {
  const mapping = mappingOf(uplink.device, profiles);
  const collector = new Collector(mapping, timeNs);
  payloadRows(uplink, timeNs, [], layout, profiles, collector.trace(undefined));
  const { devEui, deviceName, profileName, profileId, applicationName, applicationId } = uplink.device;
  const index = profiles.indexOf(mapping);
  return {
    devEui,
    deviceName,
    profileName,
    profileId,
    applicationName,
    applicationId,
    timeNs,
    mapping: index === -1 ? undefined : index + 1,
    table: payloadTable(uplink, mapping),
    keys: [...collector.keys.values()],
  };
}

class Collector {
  readonly keys = new Map<string, MutableKey>();
  readonly #mapping: ProfileMapping;
  readonly #timeNs: bigint;

  constructor(mapping: ProfileMapping, timeNs: bigint) {
    this.#mapping = mapping;
    this.#timeNs = timeNs;
  }

  trace(inside: string | undefined): Trace {
    return {
      leaf: (leaf) => {
        const { path, raw, value, name } = leaf;
        const rules = rulesOf(leaf, this.#mapping);
        const outcome = describeLeaf(leaf, rules, this.#mapping);
        const type = value === undefined ? undefined : fieldTypes[typeof value as keyof typeof fieldTypes];
        const fate = value === undefined ? "no value" : "field";
        this.#add({ path, inside, fate, rules, column: name, type, outcome }, raw);
      },
      skipped: (path, raw, reason) => {
        this.#add({ path, inside, fate: reason, outcome: skipWords[reason] }, raw);
      },
      array: (path, items, rows) => {
        // Items that could not be rows are told one by one.
        if (rows === 0) return;
        if (rows !== undefined) {
          const outcome = `exploded into ${rows} ${rows === 1 ? "row" : "rows"} of their own time`;
          this.#add({ path, inside, fate: "exploded", outcome }, [...items]);
          return;
        }
        const timeMember = inside === undefined ? timeMemberOf(items, this.#timeNs) : undefined;
        if (timeMember === undefined) return;
        const outcome = `flattened; its items have a time each, in ${timeMember}`;
        this.#add({ path, inside, fate: "array", timeMember, outcome }, [...items]);
      },
      inside: (path) => this.trace(path),
    };
  }

  /** Items of an exploded array have the same keys: those of one fate are one entry. */
  #add(
    key: Pick<KeyTrace, "path" | "inside" | "fate" | "outcome"> & Partial<KeyTrace>,
    value: JsonValue,
  ): void {
    const id = JSON.stringify([key.inside ?? null, key.path, key.fate, key.column ?? null, key.type ?? null]);
    const before = this.keys.get(id);
    if (before !== undefined) before.values.push(value);
    else if (this.keys.size < maxKeys) {
      const nothing = { rules: [], column: undefined, type: undefined, timeMember: undefined };
      this.keys.set(id, { ...nothing, ...key, values: [value] });
    }
  }
}

const fieldTypes = { number: "float", string: "string", boolean: "boolean" } as const;

const skipWords: Readonly<Record<SkipReason, string>> = {
  null: "null: no field",
  empty: "empty: no field",
  "not finite": "not a finite number: no field",
  dropped: "dropped",
  "no room": "no room: left out and counted in fields_left_out",
  "no time": "no time that can be right: left out and counted in fields_left_out",
  "time of the row": "the time of its row",
};

function rulesOf(leaf: TracedLeaf, mapping: ProfileMapping): Rule[] {
  const { path, raw, isQuantity, wanted, name, value } = leaf;
  const rules: Rule[] = [];
  if (mapping.rename.has(path)) rules.push("renamed");
  if (isQuantity) rules.push("value of quantity");
  if (typeof raw === "string" && typeof value === "number") rules.push("text made number");
  if (typeof value === "number" && mapping.linear.has(name)) rules.push("scaled");
  if (name !== wanted) rules.push("suffix added");
  return rules;
}

function describeLeaf(leaf: TracedLeaf, rules: readonly Rule[], mapping: ProfileMapping): string {
  const { path, wanted, name, value } = leaf;
  if (value === undefined) {
    const why = mapping.sentinels.has(name) ? "sentinel" : "too large once scaled";
    return `${why}: no field in column ${name}`;
  }
  const words: Readonly<Record<Rule, string>> = {
    renamed: `renamed from ${path}`,
    "value of quantity": "value of {value, unit}",
    "text made number": "text made number",
    scaled: `scaled to ${String(value)}`,
    "suffix added": `${wanted} is taken or reserved, suffix added`,
  };
  const type = fieldTypes[typeof value as keyof typeof fieldTypes];
  return [`column ${name}, ${type}`, ...rules.map((rule) => words[rule])].join("; ");
}

const timeNames = /time|date|epoch|^ts$|_ts$|^utc$/i;

/** The member that every item has, is called like a time and holds a plausible one. */
function timeMemberOf(items: readonly JsonValue[], uplinkNs: bigint): string | undefined {
  const [first] = items;
  if (!isObject(first)) return undefined;
  return orderedKeys(first).find(
    (key) =>
      timeNames.test(key) && items.every((item) => isObject(item) && isPlausibleTime(item[key], uplinkNs)),
  );
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
