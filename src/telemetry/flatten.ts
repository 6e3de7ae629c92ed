/**
 * The decoded payload of a device as columns. Nested keys join with `_`, array items with their index
 * (`grid_0_temp`). Numbers are floats, always: a codec cannot say integer, and `25.0` arrives as 25. Null
 * is skipped; what is not finite is left out and counted. A quantity, `{"value": 21.4, "unit": "°C"}`, is its value.
 *
 * Order: the keys of an object have none. ChirpStack keeps them in a hash map and sends them in another
 * order each time. So they are visited in that of their UTF-16 code units, array items in their own: which
 * leaves find room and what they are called depends on what the payload says and on the rules, never on
 * the order that it came in.
 *
 * Names: control characters and leading underscores (InfluxDB's own) are removed; an empty name is
 * `value`. Where several leaves want one name, it is given to the one that was renamed to it, or else to the
 * key that is called so by itself, and only then to one that came to it by joining or cleaning (`a.b` to
 * `a_b`, `_type` to `type`). The others, and whoever wants `time`, the name of a tag or one of our columns,
 * get a `_`, and another until it is free. A sentinel keeps its name taken, and its room: what collides with
 * it must not move whenever a probe is unplugged.
 *
 * `drop` and `rename` speak of paths: keys joined, before anything of the above is done to them.
 */
import type { JsonObject, JsonValue } from "../chirpstack/event.ts";
import type { SkipReason, Trace } from "./flatten-trace.ts";
import { leafValue, type LeafRules, type Scalar } from "./leaf-rules.ts";
import { cleanName, cleanString } from "./names.ts";
import type { Field } from "./point.ts";
import { isQuantity } from "./quantity.ts";

const maxArrayItems = 64;
/** Of objects and arrays in each other. */
const maxDepth = 32;
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
  /**
   * Shown every array before its items are. What becomes of each item, where they are to be rows of their
   * own: none of them is a column then. `undefined`: an array like any other.
   */
  readonly explode:
    | ((path: string, items: readonly JsonValue[]) => readonly ItemFate[] | undefined)
    | undefined;
  readonly trace: Trace | undefined;
}

export type ItemFate = "row" | "no time" | "no room";

export interface Flattened {
  readonly fields: readonly Field[];
  /**
   * How many paths found no room: leaves beyond `maxFields`, numbers beyond a double, what lies too deep (as
   * one), the rest of a long array (as one), and items beyond those that could be rows (each as one).
   */
  readonly leftOutCount: number;
  /** The first of them; an ellipsis stands for what is below or behind: `grid_64…`. */
  readonly leftOut: readonly string[];
  /** Items that were to be rows and have no time that can be right: how many, and the first (`history_0`). */
  readonly untimed: { readonly count: number; readonly names: readonly string[] };
}

/** Who comes first where a name is wanted twice. */
const ranks = { renamedKey: 0, renamedPath: 1, ownKey: 2, derived: 3 } as const;
const ranksInOrder = Object.values(ranks);
type Rank = (typeof ranksInOrder)[number];

interface Leaf {
  readonly path: string;
  readonly raw: Scalar;
  readonly isQuantity: boolean;
  readonly rank: Rank;
  readonly wanted: string;
  name: string;
  value: Scalar | undefined;
}

interface Walk extends FlattenOptions {
  readonly leaves: Leaf[];
  readonly leftOut: string[];
  leftOutCount: number;
  readonly untimed: { count: number; readonly names: string[] };
  readonly hasDrop: boolean;
  readonly hasRename: boolean;
  /** For the trace: a leaf has its name and value only when all leaves are found. */
  readonly told: (() => void)[];
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
    leaves: [],
    leftOut: [],
    leftOutCount: 0,
    untimed: { count: 0, names: [] },
    hasDrop: rules.drop.size > 0,
    hasRename: rules.rename.size > 0,
    told: [],
  };
  for (const key of orderedKeys(object)) {
    const value = object[key] ?? null;
    if (key === skip) skipped(walk, key, value, "time of the row");
    else visit(walk, key, value, 1);
  }
  claimNames(walk.leaves, reserved);
  const fields = fieldsOf(walk.leaves, rules);
  for (const tell of walk.told) tell();
  return { fields, leftOut: walk.leftOut, leftOutCount: walk.leftOutCount, untimed: walk.untimed };
}

/** In the order of their UTF-16 code units. */
export function orderedKeys(object: JsonObject): string[] {
  const keys = Object.keys(object);
  for (let index = 1; index < keys.length; index += 1) {
    if ((keys[index - 1] ?? "") > (keys[index] ?? "")) return keys.sort();
  }
  return keys;
}

function visit(walk: Walk, path: string, value: JsonValue, depth: number): void {
  if (walk.hasDrop && walk.rules.drop.has(path)) skipped(walk, path, value, "dropped");
  else if (value === null) skipped(walk, path, value, "null");
  else if (typeof value !== "object") addLeaf(walk, path, value, depth, false);
  else if (depth >= maxDepth) leaveOut(walk, path, "…", value, "too deep");
  else if (Array.isArray(value)) visitArray(walk, path, value, depth);
  else if (walk.rules.valueUnit && isQuantity(value)) {
    visitQuantity(walk, path, value["value"] ?? null, depth);
  } else {
    const keys = orderedKeys(value);
    for (const key of keys) visit(walk, join(path, key), value[key] ?? null, depth + 1);
    if (keys.length === 0) skipped(walk, path, value, "empty");
  }
}

function visitArray(walk: Walk, path: string, items: readonly JsonValue[], depth: number): void {
  const { explode, trace } = walk;
  const fates = explode?.(path, items);
  if (trace !== undefined) {
    const rows = fates?.filter((fate) => fate === "row").length;
    walk.told.push(() => {
      trace.array(path, items, rows);
    });
  }
  if (fates !== undefined) leaveOutItems(walk, path, items, fates);
  else visitItems(walk, path, items, depth);
}

function visitItems(walk: Walk, path: string, items: readonly JsonValue[], depth: number): void {
  const end = Math.min(items.length, maxArrayItems);
  for (let index = 0; index < end; index += 1) {
    visit(walk, join(path, String(index)), items[index] ?? null, depth + 1);
  }
  if (items.length === 0) skipped(walk, path, [], "empty");
  else if (end < items.length) leaveOut(walk, `${path}_${end}`, "…", null, "no room");
}

/** A device whose clock says 1970 must not make columns for each place of its history. */
function leaveOutItems(
  walk: Walk,
  path: string,
  items: readonly JsonValue[],
  fates: readonly ItemFate[],
): void {
  for (const [index, fate] of fates.entries()) {
    if (fate === "row") continue;
    const item = items[index] ?? null;
    const itemPath = join(path, String(index));
    if (walk.hasDrop && walk.rules.drop.has(itemPath)) skipped(walk, itemPath, item, "dropped");
    else if (item === null) skipped(walk, itemPath, item, "null");
    else {
      if (fate === "no time") {
        walk.untimed.count += 1;
        addName(walk.untimed.names, itemPath, "");
      } else countLeftOut(walk, itemPath, "…");
      skipped(walk, path, item, fate);
    }
  }
}

function visitQuantity(walk: Walk, path: string, value: JsonValue, depth: number): void {
  if (value === null || typeof value === "object") skipped(walk, path, value, "null");
  else addLeaf(walk, path, value, depth, true);
}

function addLeaf(walk: Walk, path: string, raw: Scalar, depth: number, isQuantity: boolean): void {
  const { trace } = walk;
  if (typeof raw === "number" && !Number.isFinite(raw)) {
    leaveOut(walk, path, "", raw, "not finite");
    return;
  }
  if (walk.leaves.length >= walk.maxFields) {
    leaveOut(walk, path, "", raw, "no room");
    return;
  }
  const renamed = walk.hasRename ? walk.rules.rename.get(path) : undefined;
  const wanted = columnName(renamed ?? path);
  let rank: Rank;
  if (renamed !== undefined) rank = depth === 1 ? ranks.renamedKey : ranks.renamedPath;
  else rank = depth === 1 && wanted === path ? ranks.ownKey : ranks.derived;
  const leaf: Leaf = { path, raw, isQuantity, rank, wanted, name: wanted, value: undefined };
  walk.leaves.push(leaf);
  if (trace !== undefined) {
    walk.told.push(() => {
      trace.leaf(leaf);
    });
  }
}

/** Each has the name that it wants: true of nearly all payloads, and then ranks do not matter. */
function claimNames(leaves: readonly Leaf[], reserved: Iterable<string>): void {
  const taken = new Set(reserved);
  for (const { wanted } of leaves) {
    if (taken.has(wanted)) {
      claimByRank(leaves, new Set(reserved));
      return;
    }
    taken.add(wanted);
  }
}

/** Nobody who can have the name that he wants loses it to a `_` of somebody else's. */
function claimByRank(leaves: readonly Leaf[], taken: Set<string>): void {
  const losers: Leaf[] = [];
  for (const rank of ranksInOrder) {
    for (const leaf of leaves) {
      if (leaf.rank !== rank) continue;
      if (taken.has(leaf.wanted)) losers.push(leaf);
      else taken.add(leaf.wanted);
    }
  }
  for (const leaf of losers) {
    leaf.name = freeName(leaf.wanted, taken);
    taken.add(leaf.name);
  }
}

function fieldsOf(leaves: readonly Leaf[], rules: LeafRules): Field[] {
  const fields: Field[] = [];
  for (const leaf of leaves) {
    const { name } = leaf;
    const value = leafValue(rules, name, leaf.raw);
    leaf.value = value;
    if (typeof value === "number") fields.push({ name, type: "float", value });
    else if (typeof value === "string") fields.push({ name, type: "string", value: cleanString(value) });
    else if (value !== undefined) fields.push({ name, type: "boolean", value });
  }
  return fields;
}

function leaveOut(walk: Walk, path: string, ellipsis: string, raw: JsonValue, reason: SkipReason): void {
  countLeftOut(walk, path, ellipsis);
  skipped(walk, `${path}${ellipsis}`, raw, reason);
}

function countLeftOut(walk: Walk, path: string, ellipsis: string): void {
  walk.leftOutCount += 1;
  addName(walk.leftOut, path, ellipsis);
}

function addName(names: string[], path: string, ellipsis: string): void {
  if (names.length < maxNames) names.push(`${cleanName(path, maxLeftOutNameLength)}${ellipsis}`);
}

function skipped({ trace, told }: Walk, path: string, raw: JsonValue, reason: SkipReason): void {
  if (trace === undefined) return;
  told.push(() => {
    trace.skipped(path, raw, reason);
  });
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
