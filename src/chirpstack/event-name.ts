/**
 * Which event a message is. The topic says so in its last level, whatever stands before it: the topic
 * template is configurable, so positions mean nothing, and ids are never taken from here. Where the
 * topic is silent (a template without `{{event}}`, free text), the keys of a JSON payload tell.
 */
import type { JsonObject } from "./event.ts";

const deviceEvents: ReadonlySet<string> = new Set([
  "up",
  "join",
  "ack",
  "txack",
  "log",
  "status",
  "location",
  // Up to v4.14.
  "integration",
]);

/** `gateway/<id>/event/<name>` at any prefix; `raw` and `exec` come from the Gateway Bridge only. */
const gatewayEvents: ReadonlySet<string> = new Set(["stats", "up", "ack", "mesh", "raw", "exec"]);
const eui = /^[0-9a-f]{16}$/i;

/** Last levels of v1 to v3.10, of topics like `application/<id>/device/<EUI>/rx` and `…/node/<EUI>/rx`. */
const formerLevels: ReadonlyMap<string, string> = new Map([
  ["rx", "up"],
  ["error", "log"],
]);

/**
 * `…/command/<name>`, to devices and to gateways. Any other is "command/other", as names have to be few, and one
 * only where it is said to whom: else it is free text.
 */
const commands: ReadonlySet<string> = new Set(["down", "config", "exec", "raw", "mesh"]);

/**
 * "up", "join", "gateway/stats", "gateway/other", "command/down", "tx"; `undefined` when the topic does not say.
 */
export function nameFromTopic(topic: string): string | undefined {
  const levels = topic.split("/");
  const last = levels.at(-1) ?? "";
  const command = commandName(levels, last);
  if (command !== undefined) return command;
  const branch = levels.at(-4) === "gateway" ? levels.at(-2) : undefined;
  if (branch === "event" && gatewayEvents.has(last)) return `gateway/${last}`;
  if (branch === "state" && last === "conn") return "gateway/conn";
  const known = deviceEvents.has(last) ? last : formerLevels.get(last);
  // What gateways may say besides, now or later. Its keys would not tell it from other things.
  const isOther = (branch === "event" || branch === "state") && eui.test(levels.at(-3) ?? "");
  return known ?? (isOther ? "gateway/other" : undefined);
}

/** What a device or a gateway was to be sent or told. */
function commandName(levels: readonly string[], last: string): string | undefined {
  const [owner, id = "", branch = ""] = [levels.at(-4), levels.at(-3), levels.at(-2)];
  if (branch === "command") {
    if (commands.has(last)) return `command/${last}`;
    return (owner === "device" || owner === "gateway") && eui.test(id) ? "command/other" : undefined;
  }
  // v1 to v3.10: `device/<EUI>/tx`.
  return last === "tx" && (id === "device" || id === "node") && eui.test(branch) ? "tx" : undefined;
}

/** Whether a name of `nameFromTopic` is a command's. */
export function isCommand(name: string): boolean {
  return name === "tx" || name.startsWith("command/");
}

/**
 * The first row whose keys are all present names the event. Most telling first: an `up` also has
 * `devAddr`, which else marks a `join`; a `txack` has an `fCntDown` as an `ack` has.
 */
const deviceMarks: readonly (readonly [name: string, ...keys: string[]])[] = [
  ["up", "fCnt"],
  ["up", "rxInfo"],
  ["ack", "acknowledged"],
  ["txack", "downlinkId"],
  ["log", "code"],
  ["log", "level"],
  ["status", "margin"],
  ["status", "batteryLevel"],
  ["integration", "integrationName"],
  ["location", "location"],
  ["join", "devAddr"],
];

/**
 * Without `deviceInfo`, but with a gateway's id; most telling first, as a mesh event has a `time` too.
 */
const gatewayMarks: readonly (readonly [name: string, ...keys: string[]])[] = [
  ["gateway/mesh", "relayId"],
  ["gateway/ack", "downlinkId"],
  ["gateway/stats", "rxPacketsReceived"],
  ["gateway/stats", "time"],
];

/** A `conn` that says OFFLINE has only the id, in one of its forms: with any other key it is something else. */
const connKeys: ReadonlySet<string> = new Set([
  "gatewayId",
  "gateway_id",
  "gatewayID",
  "gatewayIdLegacy",
  "gateway_id_legacy",
  "state",
]);

export function nameFromKeys(json: JsonObject): string | undefined {
  if (hasKey(json, "deviceInfo")) return firstMatch(json, deviceMarks);
  // Gateway Bridge 3 writes gatewayID.
  if (hasKey(json, "gatewayId") || hasKey(json, "gatewayID")) {
    const isConn = Object.keys(json).every((key) => connKeys.has(key));
    return isConn ? "gateway/conn" : firstMatch(json, gatewayMarks);
  }
  return hasKey(json, "phyPayload") ? "gateway/up" : undefined;
}

function firstMatch(json: JsonObject, marks: typeof deviceMarks): string | undefined {
  return marks.find(([, ...keys]) => keys.every((key) => hasKey(json, key)))?.[0];
}

function hasKey(json: JsonObject, camelCase: string): boolean {
  if (Object.hasOwn(json, camelCase)) return true;
  return Object.hasOwn(
    json,
    camelCase.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
}
