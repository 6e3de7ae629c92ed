/**
 * What the last payloads of a device profile show that a `[[profile]]` could tidy. Each finding says why, with
 * figures from the payloads. Only what is well known of codecs: a guess in a configuration file would stay
 * there for years. Pure.
 */
import type { JsonValue } from "../chirpstack/event.ts";
import { identifierKind } from "./identifiers.ts";
import type { FieldType, KeyTrace, MappingTrace } from "./mapping-trace.ts";
import { isWritableName } from "./toml-text.ts";

/** Everything that some payloads have under one key. */
export interface KeyHistory {
  readonly path: string;
  readonly column: string;
  /** What became fields, by the type of the field. */
  readonly values: ReadonlyMap<FieldType, readonly JsonValue[]>;
  readonly rules: ReadonlySet<KeyTrace["rules"][number]>;
  /** In how many payloads it is. */
  readonly payloads: number;
  /** By device: the one value that it always had, or `undefined` where there were others. */
  readonly constants: ReadonlyMap<string, JsonValue | undefined>;
}

interface GrowingHistory extends KeyHistory {
  readonly values: Map<FieldType, JsonValue[]>;
  readonly rules: Set<KeyTrace["rules"][number]>;
  readonly constants: Map<string, JsonValue | undefined>;
  payloads: number;
}

/** A list of proposals that is longer is not read by anybody. */
export const maxFindings = 50;

/** The keys that became fields; those of exploded items together with live ones of the same name. */
export function keyHistories(traces: readonly MappingTrace[]): KeyHistory[] {
  const byPath = new Map<string, GrowingHistory>();
  for (const trace of traces) {
    const here = new Set<string>();
    for (const key of trace.keys) {
      const { path, column, type } = key;
      if (column === undefined || type === undefined || !isWritableName(path)) continue;
      const history = byPath.get(path) ?? emptyHistory(path, column);
      byPath.set(path, history);
      if (!here.has(path)) history.payloads += 1;
      here.add(path);
      for (const rule of key.rules) history.rules.add(rule);
      const values = history.values.get(type) ?? [];
      history.values.set(type, values);
      for (const value of key.values) {
        values.push(value);
        addConstant(history.constants, trace.devEui, value);
      }
    }
  }
  return [...byPath.values()];
}

function emptyHistory(path: string, column: string): GrowingHistory {
  return { path, column, values: new Map(), rules: new Set(), payloads: 0, constants: new Map() };
}

function addConstant(constants: GrowingHistory["constants"], devEui: string, value: JsonValue): void {
  if (!constants.has(devEui)) constants.set(devEui, value);
  else if (constants.get(devEui) !== value) constants.set(devEui, undefined);
}

export interface Identity {
  readonly path: string;
  readonly why: string;
}

/**
 * Keys that are called like what holds for a device as long as it lives, and that have never changed on any of
 * them. Not versions of its programs: that somebody has updated one is worth a row.
 */
export function findIdentities(keys: readonly KeyHistory[]): Identity[] {
  const found: Identity[] = [];
  for (const { path, payloads, constants } of keys) {
    const [value, ...others] = constants.values();
    // A device that was heard once proves nothing.
    if (payloads <= constants.size || identifierKind(path) !== "constant") continue;
    if (value === undefined || others.includes(undefined)) continue;
    const isOne = others.every((other) => other === value);
    const where = isOne ? `in all ${payloads} payloads that have it` : "and others, each device its own";
    found.push({ path, why: `${sample(value)} ${where}` });
  }
  return found.slice(0, maxFindings);
}

export interface ConversionFinding {
  readonly path: string;
  readonly column: string;
  readonly conversion: string;
  readonly why: string;
}

/** The key without its unit; the name that the column gets; the conversion. */
const unitNames: readonly { pattern: RegExp; suffix: string; conversion: string }[] = [
  { pattern: /^(.+?)(?:_m[vV]|mV|Mv)$/, suffix: "_v", conversion: "mV to V" },
  {
    pattern: /^(.*temp(?:erature)?)_?(?:f|degf|fahrenheit)$/i,
    suffix: "_c",
    conversion: "°F to °C",
  },
];

/** Keys that say mV or °F, which no other device's column is in. A column that says mV must not hold volts. */
export function findConversions(keys: readonly KeyHistory[]): ConversionFinding[] {
  const columns = new Set(keys.map(({ column }) => column));
  const found: ConversionFinding[] = [];
  for (const { path, values, rules } of keys) {
    if (rules.has("renamed") || rules.has("scaled") || !values.has("float")) continue;
    for (const { pattern, suffix, conversion } of unitNames) {
      const stem = pattern.exec(path)?.[1]?.replace(/^_+/, "");
      if (stem === undefined || stem === "" || columns.has(`${stem}${suffix}`)) continue;
      const column = `${stem}${suffix}`;
      columns.add(column);
      found.push({
        path,
        column,
        conversion,
        why: `${path} says its unit, such as ${sample(first(values))}`,
      });
    }
  }
  return found.slice(0, maxFindings);
}

function first(values: KeyHistory["values"]): JsonValue | undefined {
  return values.get("float")?.[0];
}

const maxSampleLength = 40;

export function sample(value: JsonValue | undefined): string {
  const text = JSON.stringify(value ?? null);
  return text.length > maxSampleLength ? `${text.slice(0, maxSampleLength)}…` : text;
}
