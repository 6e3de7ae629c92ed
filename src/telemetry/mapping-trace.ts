/**
 * What becomes of every key of a payload, in words: `flightline mapping show` prints it. The words are about
 * what the mapping itself reports on its way (`Trace`): there is no second mapping here that could
 * differ from the first. Pure.
 */
import type { JsonObject, JsonValue, Uplink } from "../chirpstack/event.ts";
import { isPlausibleTime } from "./explode.ts";
import { orderedKeys } from "./flatten.ts";
import type { SkipReason, Trace, TracedLeaf } from "./flatten-trace.ts";
import { type KnownColumns, type Place, tracedRows, type TracedRow } from "./mapping-columns.ts";
import { maxStringLength } from "./names.ts";
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
  /** How many more there are, which nothing is kept of. */
  readonly untraced: number;
}

export interface KeyTrace {
  /** As `rename` and `drop` speak of it. */
  readonly path: string;
  /** The exploded array in whose items it is; `path` begins inside of them. */
  readonly inside: string | undefined;
  /** As the payload has them (`"Infinity"` for 1e400): one, or one for each exploded item that has the key and met the same fate. */
  readonly values: readonly JsonValue[];
  readonly fate: Fate;
  /** What was done to a field on its way. */
  readonly rules: readonly Rule[];
  /** As rules speak of it; `undefined` when there is none, as is the type. */
  readonly column: string | undefined;
  /** The one that it is written to; `undefined` also where that depends on what the table will have by then. */
  readonly written: string | undefined;
  readonly type: FieldType | undefined;
  /** Of an array of objects that is not exploded: the member that looks like each item's time. */
  readonly timeMember: string | undefined;
  /** All of it in words: "column temperature, float; renamed from temp". About the first of the values. */
  readonly outcome: string;
}

/**
 * "no value": a sentinel, or too large once scaled. "no column": the table has none for it. "array": its items
 * have entries of their own.
 */
export type Fate = "field" | "no value" | "no column" | "exploded" | "array" | SkipReason;
export type Rule =
  | "renamed"
  | "value of quantity"
  | "text made number"
  | "scaled"
  | "text cut"
  | "suffix added";
export type FieldType = Extract<ColumnType, "float" | "string" | "boolean">;

type MutableKey = KeyTrace & { readonly values: JsonValue[] };

/** Bounds what a trace keeps; the mapping itself may look at more. */
const maxKeys = 2000;

/** `known`: the columns of the table; `undefined` where nobody knows. */
export function explainPayload(
  uplink: Uplink,
  timeNs: bigint,
  layout: TagLayout,
  profiles: readonly ProfileMapping[],
  known?: KnownColumns,
): MappingTrace {
  const mapping = mappingOf(uplink.device, profiles);
  const rows = tracedRows(uplink, timeNs, layout, profiles, known);
  const collector = new Collector(mapping, timeNs, rows, known);
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
    untraced: collector.untraced,
  };
}

class Collector {
  readonly keys = new Map<string, MutableKey>();
  readonly #mapping: ProfileMapping;
  readonly #timeNs: bigint;
  readonly #rows: readonly TracedRow[];
  readonly #known: KnownColumns | undefined;
  readonly #beyond = new Set<string>();
  #begun = 0;

  /** `rows`: those of this payload, in the order in which they are traced. */
  constructor(
    mapping: ProfileMapping,
    timeNs: bigint,
    rows: readonly TracedRow[],
    known: KnownColumns | undefined,
  ) {
    this.#mapping = mapping;
    this.#timeNs = timeNs;
    this.#rows = rows;
    this.#known = known;
  }

  get untraced(): number {
    return this.#beyond.size;
  }

  trace(inside: string | undefined): Trace {
    const row = this.#rows[this.#begun];
    this.#begun += 1;
    return {
      leaf: (leaf) => {
        this.#addLeaf(leaf, inside, row?.places.get(leaf.name));
      },
      skipped: (path, raw, reason) => {
        this.#add({ path, inside, fate: reason, outcome: skipWords[reason] }, raw);
      },
      array: (path, items, rows) => {
        // Items that could not be rows are told one by one.
        if (rows === 0) return;
        if (rows !== undefined) {
          const written = this.#rows.filter((item) => item.inside === path && item.hasValue).length;
          this.#add({ path, inside, fate: "exploded", outcome: describeRows(rows, written) }, [...items]);
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

  #addLeaf(leaf: TracedLeaf, inside: string | undefined, place: Place | undefined): void {
    const { path, raw, value, name: column } = leaf;
    const rules = rulesOf(leaf, this.#mapping);
    const type = value === undefined ? undefined : fieldTypes[typeof value as keyof typeof fieldTypes];
    const isPlaced = typeof place === "object";
    const isSettled = isPlaced && (place.column !== column || this.#known?.has(column) === true);
    const written = isSettled ? place.column : undefined;
    const outcome = describeLeaf(leaf, rules, this.#mapping, place, this.#known?.get(column));
    let fate: Fate = value === undefined ? "no value" : "field";
    if (place !== undefined && !isPlaced) fate = "no column";
    this.#add({ path, inside, fate, rules, column, written, type, outcome }, raw);
  }

  /** Items of an exploded array have the same keys: those of one fate are one entry. */
  #add(
    key: Pick<KeyTrace, "path" | "inside" | "fate" | "outcome"> & Partial<KeyTrace>,
    value: JsonValue,
  ): void {
    const id = JSON.stringify([
      key.inside ?? null,
      key.path,
      key.fate,
      key.column ?? null,
      key.type ?? null,
      key.written ?? null,
    ]);
    const before = this.keys.get(id);
    // JSON has no word for it, and `null` would be another value.
    const shown = typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
    if (before !== undefined) before.values.push(shown);
    else if (this.keys.size < maxKeys) {
      const nothing = { rules: [], column: undefined, written: undefined, type: undefined };
      this.keys.set(id, { timeMember: undefined, ...nothing, ...key, values: [shown] });
    } else this.#beyond.add(id);
  }
}

const noColumnWords = {
  full: "the table is full and makes no new column; counted in fields_left_out",
  taken: "its column is of another type, and so are those beside it; counted in fields_left_out",
} as const;

const fieldTypes = { number: "float", string: "string", boolean: "boolean" } as const;

const skipWords: Readonly<Record<SkipReason, string>> = {
  null: "null: no field",
  empty: "empty: no field",
  "not finite": "not a number that a double can hold: left out and counted in fields_left_out",
  "too deep": "deeper than 32 levels: left out and counted in fields_left_out",
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
  if (typeof value === "string" && value.length > maxStringLength) rules.push("text cut");
  if (name !== wanted) rules.push("suffix added");
  return rules;
}

function describeRows(rows: number, written: number): string {
  const words = `exploded into ${written} ${written === 1 ? "row" : "rows"} of their own time`;
  const empty = rows - written;
  return empty === 0 ? words : `${words}; ${empty} without a value made none`;
}

/** `place`: in the table, if that is known. `taken`: the type that the column has there. */
function describeLeaf(
  leaf: TracedLeaf,
  rules: readonly Rule[],
  mapping: ProfileMapping,
  place: Place | undefined,
  taken: ColumnType | undefined,
): string {
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
    "text cut": `cut to its first ${maxStringLength} characters`,
    "suffix added": `${wanted} is taken or reserved, suffix added`,
  };
  const type = fieldTypes[typeof value as keyof typeof fieldTypes];
  if (place === "full" || place === "taken") return `no field: ${noColumnWords[place]}`;
  const column = place?.column ?? name;
  const why =
    column === name ? [] : [`${name} is ${taken === undefined ? "taken" : `of type ${taken}`} there`];
  return [`column ${column}, ${type}`, ...why, ...rules.map((rule) => words[rule])].join("; ");
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
