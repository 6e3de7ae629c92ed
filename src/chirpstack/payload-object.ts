/**
 * Bounds on `object`, the free JSON that a device profile's codec made. It comes from a script, so
 * anything may be in it. The tree is changed in place (the decoder owns it):
 * - what lies deeper than 32 levels is replaced by null, and listed;
 * - a number that is not finite (1e400) becomes null, and is listed.
 *
 * A key `__proto__` is an own property here, as `JSON.parse` and protobuf-es made it; assigning to an own
 * property never reaches the prototype.
 */
import type { DroppedParts } from "./dropped.ts";
import type { JsonObject, JsonValue } from "./event.ts";
import { isJsonObject } from "./lenient-json.ts";

const maxDepth = 32;

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
    if (value === undefined) continue;
    const step = (): string => `.${key.slice(0, 64)}`;
    if (!isBounded(value, depth, way, step, dropped)) object[key] = null;
  }
}

function boundItems(items: JsonValue[], depth: number, way: Way | undefined, dropped: DroppedParts): void {
  for (let index = 0; index < items.length; index += 1) {
    const value = items[index];
    if (value === undefined) continue;
    if (!isBounded(value, depth, way, () => `[${index}]`, dropped)) items[index] = null;
  }
}

/** `depth` is the container's: 1 for `object` itself. False: the value has to go; it is listed. */
function isBounded(
  value: JsonValue,
  depth: number,
  way: Way | undefined,
  step: () => string,
  dropped: DroppedParts,
): boolean {
  const isContainer = typeof value === "object" && value !== null;
  const fits = isContainer ? depth < maxDepth : typeof value !== "number" || Number.isFinite(value);
  if (!fits) dropped.addNamed("object", () => pathOf(way) + step());
  else if (isContainer) {
    const here: Way = { parent: way, step: step() };
    if (Array.isArray(value)) boundItems(value, depth + 1, here, dropped);
    else boundMembers(value, depth + 1, here, dropped);
  }
  return fits;
}

function pathOf(way: Way | undefined): string {
  let path = "";
  for (let link = way; link !== undefined; link = link.parent) path = link.step + path;
  return `object${path}`;
}
