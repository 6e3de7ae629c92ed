/**
 * Bounds on `object`, the free JSON that a device profile's codec made. It comes from a script, so anything may be
 * in it. Which values become columns is telemetry's to say and to count; here only the stack is bounded, of
 * everybody who walks the tree: what lies deeper than 64 levels, twice of what telemetry takes, is replaced by
 * null, and listed. The tree is changed in place (the decoder owns it). A number may be infinite (1e400).
 *
 * A key `__proto__` is an own property here, as `JSON.parse` and protobuf-es made it; assigning to an own
 * property never reaches the prototype.
 */
import type { DroppedParts } from "./dropped.ts";
import type { JsonObject, JsonValue } from "./event.ts";
import { isJsonObject } from "./lenient-json.ts";

const maxDepth = 64;

/** The way to a container, as a chain: the text is only made for a part that is dropped. */
interface Way {
  readonly parent: Way | undefined;
  readonly step: string;
}

/** An event's `object`, bounded. What is there and is none is listed. */
export function toObject(object: JsonValue | undefined, dropped: DroppedParts): JsonObject | undefined {
  if (isJsonObject(object)) {
    boundMembers(object, 1, undefined, dropped);
    return object;
  }
  if (object !== undefined && object !== null) dropped.add("object");
  return undefined;
}

function boundMembers(object: JsonObject, depth: number, way: Way | undefined, dropped: DroppedParts): void {
  for (const key of Object.keys(object)) {
    const value = object[key];
    const step = (): string => `.${key.slice(0, 64)}`;
    if (isContainer(value) && !isBounded(value, depth, way, step, dropped)) object[key] = null;
  }
}

function boundItems(items: JsonValue[], depth: number, way: Way | undefined, dropped: DroppedParts): void {
  for (let index = 0; index < items.length; index += 1) {
    const value = items[index];
    const step = (): string => `[${index}]`;
    if (isContainer(value) && !isBounded(value, depth, way, step, dropped)) items[index] = null;
  }
}

type Container = JsonObject | JsonValue[];

function isContainer(value: JsonValue | undefined): value is Container {
  return typeof value === "object" && value !== null;
}

/** `depth` is that of what holds it: 1 for `object` itself. False: it has to go; it is listed. */
function isBounded(
  value: Container,
  depth: number,
  way: Way | undefined,
  step: () => string,
  dropped: DroppedParts,
): boolean {
  if (depth >= maxDepth) {
    dropped.addNamed("object", () => pathOf(way) + step());
    return false;
  }
  const here: Way = { parent: way, step: step() };
  if (Array.isArray(value)) boundItems(value, depth + 1, here, dropped);
  else boundMembers(value, depth + 1, here, dropped);
  return true;
}

function pathOf(way: Way | undefined): string {
  let path = "";
  for (let link = way; link !== undefined; link = link.parent) path = link.step + path;
  return `object${path}`;
}
