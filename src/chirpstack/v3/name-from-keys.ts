/** Which event a v3 JSON payload is, where the topic does not say: by the keys that only that one has. */
import type { JsonObject } from "../event.ts";

/**
 * The first row whose keys are all present names the event. Most telling first: an uplink of `json` also
 * has a `devAddr`, which else marks a join; a location also has an `fCnt`. A downlink command has an
 * `fPort`, but no `fCnt`.
 */
const marks: readonly (readonly [name: string, ...keys: string[]])[] = [
  ["up", "fCnt", "fPort"],
  ["ack", "acknowledged"],
  ["log", "error"],
  ["status", "margin"],
  ["status", "batteryLevel"],
  ["location", "location"],
  ["integration", "integrationName"],
  ["txack", "gatewayID"],
  ["join", "devAddr"],
];

export function formerNameFromKeys(json: JsonObject): string | undefined {
  return marks.find(([, ...keys]) => keys.every((key) => Object.hasOwn(json, key)))?.[0];
}
