/**
 * The decoded payload of a device as columns. Nested keys join with `_`, array items with their index
 * (`history_0_temp`). Numbers are floats, always: a codec cannot say integer, and `25.0` arrives as 25.
 * Null and what is not finite is skipped.
 *
 * Names: control characters and leading underscores (InfluxDB's own) are removed; an empty name is
 * `value`; a name that is taken, by `time`, a tag, one of our columns or an earlier key, gets a `_`, and
 * another until it is free. All this depends on the payload only, in its order of keys.
 */
import type { JsonObject, JsonValue } from "../chirpstack/event.ts";
import { cleanName, cleanString } from "./names.ts";
import type { Field } from "./point.ts";

const maxArrayItems = 64;
/** The decoder keeps less; here it bounds the stack for every caller. */
const maxDepth = 64;
/** Leaves room for the underscores of 200 collisions below the 512 of `cleanName`. */
const maxNameLength = 256;
/** Of a path on the way to its leaf: a huge key above many leaves is not copied for each of them. */
const maxPathLength = 512;

export interface Flattened {
  readonly fields: readonly Field[];
  /** Paths that found no room: leaves beyond `maxFields`, the rest of a long array (`grid_64…`). */
  readonly leftOut: readonly string[];
}

interface Walk {
  readonly fields: Field[];
  readonly leftOut: string[];
  readonly taken: Set<string>;
  readonly maxFields: number;
}

export function flatten(object: JsonObject, reserved: Iterable<string>, maxFields: number): Flattened {
  const walk: Walk = { fields: [], leftOut: [], taken: new Set(reserved), maxFields };
  for (const key of Object.keys(object)) visit(walk, key, object[key] ?? null, 1);
  return walk;
}

function visit(walk: Walk, name: string, value: JsonValue, depth: number): void {
  if (value === null) return;
  if (typeof value !== "object") addLeaf(walk, name, value);
  else if (depth >= maxDepth) walk.leftOut.push(`${name}…`);
  else if (Array.isArray(value)) {
    const count = Math.min(value.length, maxArrayItems);
    for (let index = 0; index < count; index += 1)
      visit(walk, join(name, String(index)), value[index] ?? null, depth + 1);
    if (value.length > count) walk.leftOut.push(`${name}_${count}…`);
  } else {
    for (const key of Object.keys(value)) visit(walk, join(name, key), value[key] ?? null, depth + 1);
  }
}

function addLeaf(walk: Walk, path: string, value: number | boolean | string): void {
  if (typeof value === "number" && !Number.isFinite(value)) return;
  if (walk.fields.length >= walk.maxFields) {
    walk.leftOut.push(path);
    return;
  }
  const name = freeName(columnName(path), walk.taken);
  walk.taken.add(name);
  if (typeof value === "number") walk.fields.push({ name, type: "float", value });
  else if (typeof value === "boolean") walk.fields.push({ name, type: "boolean", value });
  else walk.fields.push({ name, type: "string", value: cleanString(value) });
}

function join(path: string, key: string): string {
  return `${path}_${key}`.slice(0, maxPathLength);
}

function columnName(path: string): string {
  const name = cleanName(path, maxNameLength).replace(/^_+/, "");
  return name === "" ? "value" : name;
}

/** `name`, or the first of `name_`, `name__`, … that is not taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  while (taken.has(free)) free += "_";
  return free;
}
