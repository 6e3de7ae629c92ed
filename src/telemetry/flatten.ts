/**
 * The decoded payload of a device as columns. Nested keys join with `_`, array items with their index
 * (`grid_0_temp`). Numbers are floats, always: a codec cannot say integer, and `25.0` arrives as 25. Null
 * and what is not finite is skipped. A quantity, `{"value": 21.4, "unit": "°C"}`, is its value.
 *
 * Names: control characters and leading underscores (InfluxDB's own) are removed; an empty name is
 * `value`; a name that is taken, by `time`, a tag, one of our columns or an earlier key, gets a `_`, and
 * another until it is free. All this depends on the rules and the payload only, in its order of keys. A
 * sentinel keeps its name taken: what collides with it must not move whenever a probe is unplugged.
 *
 * `drop` and `rename` speak of paths: keys joined, before anything of the above is done to them.
 */
import type { JsonObject, JsonValue } from "../chirpstack/event.ts";
import { leafValue, type LeafRules, type Scalar } from "./leaf-rules.ts";
import { cleanName, cleanString } from "./names.ts";
import type { Field } from "./point.ts";

const maxArrayItems = 64;
/** The decoder keeps less; here it bounds the stack for every caller. */
const maxDepth = 64;
/** Leaves room for the underscores of 200 collisions below the 512 of `cleanName`. */
const maxNameLength = 256;
/** Of a path on the way to its leaf: a huge key above many leaves is not copied for each of them. */
const maxPathLength = 512;
/** Of what was left out. */
const maxNames = 20;
const maxLeftOutNameLength = 100;

export interface FlattenOptions {
  readonly rules: LeafRules;
  /** Names that no leaf may have. */
  readonly reserved: Iterable<string>;
  readonly maxFields: number;
  /** A key of the object itself that is passed over. */
  readonly skip: string | undefined;
  /** Shown every array before its items are: the indexes of those that become rows of their own. */
  readonly explode: ((path: string, items: readonly JsonValue[]) => ReadonlySet<number>) | undefined;
  readonly trace: Trace | undefined;
}

export interface Flattened {
  readonly fields: readonly Field[];
  /** How many paths found no room: leaves beyond `maxFields`, the rest of a long array (as one). */
  readonly leftOutCount: number;
  /** The first of them; an ellipsis stands for what is below or behind (`grid_64…`). */
  readonly leftOut: readonly string[];
}

/** For somebody who wants to know what becomes of every key. */
export interface Trace {
  leaf(leaf: TracedLeaf): void;
  skipped(path: string, raw: JsonValue, reason: SkipReason): void;
  /** Each array, and how many of its items became rows of their own. */
  array(path: string, items: readonly JsonValue[], rows: number): void;
  /** The trace of those rows. */
  inside(path: string): Trace;
}

export type SkipReason = "null" | "empty" | "not finite" | "dropped" | "no room" | "time of the row";

export interface TracedLeaf {
  readonly path: string;
  readonly raw: Scalar;
  readonly isQuantity: boolean;
  /** The name that it was to have, and the one that was free. */
  readonly wanted: string;
  readonly name: string;
  /** `undefined`: a sentinel, or too large once scaled. */
  readonly value: Scalar | undefined;
}

interface Walk extends FlattenOptions {
  readonly fields: Field[];
  readonly leftOut: string[];
  leftOutCount: number;
  readonly taken: Set<string>;
  readonly hasDrop: boolean;
  readonly hasRename: boolean;
}

export function flatten(object: JsonObject, options: FlattenOptions): Flattened {
  const { rules, reserved, maxFields, skip, explode, trace } = options;
  const walk: Walk = {
    rules,
    reserved,
    maxFields,
    skip,
    explode,
    trace,
    fields: [],
    leftOut: [],
    leftOutCount: 0,
    taken: new Set(reserved),
    hasDrop: rules.drop.size > 0,
    hasRename: rules.rename.size > 0,
  };
  for (const key of Object.keys(object)) {
    const value = object[key] ?? null;
    if (key === skip) trace?.skipped(key, value, "time of the row");
    else visit(walk, key, value, 1);
  }
  return walk;
}

function visit(walk: Walk, path: string, value: JsonValue, depth: number): void {
  if (walk.hasDrop && walk.rules.drop.has(path)) walk.trace?.skipped(path, value, "dropped");
  else if (value === null) walk.trace?.skipped(path, value, "null");
  else if (typeof value !== "object") addLeaf(walk, path, value, false);
  else if (depth >= maxDepth) leaveOut(walk, path, "…", value);
  else if (Array.isArray(value)) visitItems(walk, path, value, depth);
  else if (walk.rules.valueUnit && isQuantity(value)) visitQuantity(walk, path, value["value"] ?? null);
  else {
    const keys = Object.keys(value);
    for (const key of keys) visit(walk, join(path, key), value[key] ?? null, depth + 1);
    if (keys.length === 0) walk.trace?.skipped(path, value, "empty");
  }
}

function visitItems(walk: Walk, path: string, items: readonly JsonValue[], depth: number): void {
  const rows = walk.explode?.(path, items);
  walk.trace?.array(path, items, rows?.size ?? 0);
  if (items.length === 0) walk.trace?.skipped(path, [], "empty");
  const count = Math.min(items.length, maxArrayItems);
  let done = rows?.size ?? 0;
  for (let index = 0; index < count; index += 1) {
    if (rows?.has(index) === true) continue;
    visit(walk, join(path, String(index)), items[index] ?? null, depth + 1);
    done += 1;
  }
  if (done < items.length) leaveOut(walk, `${path}_${count}`, "…", null);
}

function visitQuantity(walk: Walk, path: string, value: JsonValue): void {
  if (value === null || typeof value === "object") walk.trace?.skipped(path, value, "null");
  else addLeaf(walk, path, value, true);
}

/**
 * `{value, unit}` and texts beside them. Decentlab gives a `displayName` to each, and what has no unit has
 * nothing but that.
 */
function isQuantity(object: JsonObject): boolean {
  if (typeof object["unit"] !== "string" && typeof object["displayName"] !== "string") return false;
  const value = object["value"];
  if (value === undefined || (typeof value === "object" && value !== null)) return false;
  return Object.keys(object).every((key) => key === "value" || typeof object[key] === "string");
}

function addLeaf(walk: Walk, path: string, raw: Scalar, isQuantity: boolean): void {
  const { rules, taken, trace } = walk;
  if (typeof raw === "number" && !Number.isFinite(raw)) {
    trace?.skipped(path, raw, "not finite");
    return;
  }
  if (walk.fields.length >= walk.maxFields) {
    leaveOut(walk, path, "", raw);
    return;
  }
  const wanted = columnName(walk.hasRename ? (rules.rename.get(path) ?? path) : path);
  const name = freeName(wanted, taken);
  taken.add(name);
  const value = leafValue(rules, name, raw);
  if (typeof value === "number") walk.fields.push({ name, type: "float", value });
  else if (typeof value === "string") walk.fields.push({ name, type: "string", value: cleanString(value) });
  else if (value !== undefined) walk.fields.push({ name, type: "boolean", value });
  trace?.leaf({ path, raw, isQuantity, wanted, name, value });
}

function leaveOut(walk: Walk, path: string, ellipsis: string, raw: JsonValue): void {
  walk.leftOutCount += 1;
  if (walk.leftOut.length < maxNames) {
    walk.leftOut.push(`${cleanName(path, maxLeftOutNameLength)}${ellipsis}`);
  }
  walk.trace?.skipped(`${path}${ellipsis}`, raw, "no room");
}

function join(path: string, key: string): string {
  return `${path}_${key}`.slice(0, maxPathLength);
}

function columnName(path: string): string {
  const clean = cleanName(path, maxNameLength);
  const name = clean.startsWith("_") ? clean.replace(/^_+/, "") : clean;
  return name === "" ? "value" : name;
}

/** `name`, or the first of `name_`, `name__`, … that is not taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  while (taken.has(free)) free += "_";
  return free;
}
