/**
 * Rows that Flightline makes itself (sums, the registry, its own health) travel as messages of the journal,
 * under a source that no broker can have: durable before they are sent, sent and settled like any uplink.
 * A row that is made again after a crash is the same row, and InfluxDB keeps one.
 *
 * The payload is JSON with few bytes around the columns: a row of `flightline_node` is written each minute,
 * and twenty-five times `{"name":…,"type":…,"value":…}` would be two thirds of it. Facts that are "" are left
 * out.
 *
 *     {"version":1,"facts":{"source":"mqtt"},
 *      "points":[["gateway_stats","1767225600000000000",[["gateway_id","00…"]],[["rx_received","i",7]]]]}
 */
import { Fault } from "../lib/fault.ts";
import { failed, ok, type Result } from "../lib/result.ts";
import type { Field, Point, Tag } from "../telemetry/point.ts";
import { noFacts, type RouteFacts } from "./route.ts";

/** `[[mqtt]]` tables may not be called so. */
export const ownSource = "flightline";
export const ownTopic = "flightline/rows";

export interface OwnMessage {
  readonly points: readonly Point[];
  /** Where the rows go: as an event with these facts would. */
  readonly facts: RouteFacts;
}

const version = 1;
const typeLetters = { integer: "i", float: "f", string: "s", boolean: "b" } as const;

export function packOwn({ points, facts }: OwnMessage): Uint8Array {
  const said = Object.entries(facts).filter(([, value]) => value !== "");
  const stored = { version, facts: Object.fromEntries(said), points: points.map(packPoint) };
  return Buffer.from(JSON.stringify(stored));
}

/** The time as text: an i64 does not fit a JSON number. `openFrom` stands at the end, where there is one. */
function packPoint({ table, tags, fields, timeNs, openFrom }: Point): unknown[] {
  const packedTags = tags.map(({ name, value }) => [name, value]);
  const packedFields = fields.map(({ name, type, value }) => [name, typeLetters[type], value]);
  const packed = [table, String(timeNs), packedTags, packedFields];
  return openFrom === undefined ? packed : [...packed, openFrom];
}

/**
 * For messages of `ownSource`. Fails for what we have not written: a damaged disk, or another version of
 * Flightline, must not stop what reads the log. Faults: own_row_unreadable (quarantine).
 */
export function unpackOwn(payload: Uint8Array): Result<OwnMessage> {
  let stored: unknown;
  try {
    stored = JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    return unreadable("it is no JSON");
  }
  const { version: found, facts, points } = membersOf(stored);
  if (found !== version) return unreadable("it was written by another version of Flightline");
  const unpacked = Array.isArray(points) ? points.map(unpackPoint) : [undefined];
  const complete = unpacked.filter((point) => point !== undefined);
  if (complete.length < unpacked.length) return unreadable("its rows have another form");
  return ok({ points: complete, facts: unpackFacts(membersOf(facts)) });
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function unpackFacts(said: Readonly<Record<string, unknown>>): RouteFacts {
  const text = (name: keyof RouteFacts): string => {
    const value = said[name];
    return typeof value === "string" ? value : noFacts[name];
  };
  return {
    source: text("source"),
    tenantId: text("tenantId"),
    tenantName: text("tenantName"),
    applicationId: text("applicationId"),
    applicationName: text("applicationName"),
  };
}

/** Undefined: it is none. */
function unpackPoint(stored: unknown): Point | undefined {
  if (!Array.isArray(stored)) return undefined;
  const [table, time, storedTags, storedFields, openFrom] = stored as unknown[];
  if (typeof table !== "string" || typeof time !== "string" || !/^-?\d{1,19}$/.test(time)) return undefined;
  const timeNs = BigInt(time);
  if (BigInt.asIntN(64, timeNs) !== timeNs) return undefined;
  if (!Array.isArray(storedTags) || !Array.isArray(storedFields)) return undefined;
  const tags = storedTags.map(unpackTag).filter((tag) => tag !== undefined);
  const fields = storedFields.map(unpackField).filter((field) => field !== undefined);
  if (tags.length < storedTags.length || fields.length < storedFields.length) return undefined;
  const point = { table, tags, fields, timeNs };
  return typeof openFrom === "number" ? { ...point, openFrom } : point;
}

function unpackTag(stored: unknown): Tag | undefined {
  const [name, value] = Array.isArray(stored) ? (stored as unknown[]) : [];
  return typeof name === "string" && typeof value === "string" ? { name, value } : undefined;
}

function unpackField(stored: unknown): Field | undefined {
  const [name, letter, value] = Array.isArray(stored) ? (stored as unknown[]) : [];
  if (typeof name !== "string") return undefined;
  if (letter === "i" && typeof value === "number") return { name, type: "integer", value };
  if (letter === "f" && typeof value === "number") return { name, type: "float", value };
  if (letter === "s" && typeof value === "string") return { name, type: "string", value };
  if (letter === "b" && typeof value === "boolean") return { name, type: "boolean", value };
  return undefined;
}

function unreadable(why: string): ReturnType<typeof failed> {
  return failed(
    new Fault({
      code: "own_row_unreadable",
      layer: "journal",
      disposition: "quarantine",
      message: `a message with rows of our own cannot be read: ${why}; it is quarantined`,
      hint: "after a change of version this may happen once; otherwise check the disk that holds [journal] dir",
    }),
  );
}
