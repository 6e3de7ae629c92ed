/** `{"value": 21.4, "unit": "°C"}`: one measurement, written as an object. Pure. */
import type { JsonObject } from "../chirpstack/event.ts";

/** What may be beside a value: what it is called and measured in, the same in every message. */
const quantityMembers: ReadonlySet<string> = new Set([
  "value",
  "unit",
  "displayName",
  "name",
  "label",
  "description",
]);

/**
 * `{value, unit}`, and texts that describe it. Decentlab gives a `displayName` to each, and what has no unit
 * has nothing but that. With anything else beside them, a status or a time, it is an object as any other:
 * what says something about this value alone must not be lost.
 */
export function isQuantity(object: JsonObject): boolean {
  if (typeof object["unit"] !== "string" && typeof object["displayName"] !== "string") return false;
  const value = object["value"];
  if (value === undefined || (typeof value === "object" && value !== null)) return false;
  return Object.keys(object).every(
    (key) => quantityMembers.has(key) && (key === "value" || typeof object[key] === "string"),
  );
}
