/**
 * What the last payloads of a device profile show that a `[[profile]]` could tidy. Each finding says why, with
 * figures from the payloads. Only what is well known of codecs: a guess in a configuration file would stay
 * there for years. Pure.
 */
import type { JsonValue } from "../chirpstack/event.ts";
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
const maxFindings = 50;

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
      history.values.set(type, [...(history.values.get(type) ?? []), ...key.values]);
      for (const rule of key.rules) history.rules.add(rule);
      for (const value of key.values) addConstant(history.constants, trace.devEui, value);
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

/** Ends of keys, without underscores and in small letters. */
const identityName =
  /(?:version|manufacturer|vendor|brand|serial|serialnumber|serialno|productcode|partnumber|articlenumber|productiondate|model|nodetype|devicetype|deviceid|frequencyband|subband)$|^(?:sn|fw|hw|ver)$/;

/** Keys that are called like what is printed on a device, and never change on any of them. */
export function findIdentities(keys: readonly KeyHistory[]): Identity[] {
  const found: Identity[] = [];
  for (const { path, payloads, constants } of keys) {
    const plainName = path.replaceAll(/[^A-Za-z0-9]/g, "").toLowerCase();
    const [value, ...others] = constants.values();
    // A device that was heard once proves nothing.
    if (payloads <= constants.size || !identityName.test(plainName)) continue;
    if (value === undefined || others.includes(undefined)) continue;
    const isOne = others.every((other) => other === value);
    const where = isOne ? `in all ${payloads} payloads that have it` : "and others, each device its own";
    found.push({ path, why: `${sample(value)} ${where}` });
  }
  return found.slice(0, maxFindings);
}

export interface SentinelFinding {
  readonly path: string;
  readonly column: string;
  readonly values: readonly number[];
  readonly why: string;
}

/** What remains of 0x7fff, 0x8000 and 0xffff in hundredths and tenths: nobody measures these. */
const clearSentinels: ReadonlySet<number> = new Set([327.67, -327.68, 655.35, 3276.7, -3276.8, 6553.5]);
/** These can be measured, so they have to stand out: the same in ones, and −1 in hundredths. */
const possibleSentinels: ReadonlySet<number> = new Set([32_767, -32_768, 65_535, -0.01]);
const minDistance = 5;

/** Well-known values of a missing probe, where all other values of the column are far from them. */
export function findSentinels(keys: readonly KeyHistory[]): SentinelFinding[] {
  const found: SentinelFinding[] = [];
  for (const { path, column, values } of keys) {
    const numbers = (values.get("float") ?? []).map(Number);
    const isCandidate = (value: number): boolean => clearSentinels.has(value) || possibleSentinels.has(value);
    const others = numbers.filter((value) => !isCandidate(value));
    const chosen = [...new Set(numbers)].filter((value) => isCandidate(value) && standsOut(value, others));
    if (chosen.length === 0) continue;
    const count = numbers.filter((value) => chosen.includes(value)).length;
    const low = others.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
    const high = others.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    const rest = others.length === 0 ? "there are no others" : `the others are from ${low} to ${high}`;
    const why = `${chosen.join(" and ")}: ${count} of ${numbers.length} values; ${rest}`;
    found.push({ path, column, values: chosen, why });
  }
  return found.slice(0, maxFindings);
}

/** Farther from all others than they are from each other. */
function standsOut(value: number, others: readonly number[]): boolean {
  if (others.length === 0) return clearSentinels.has(value);
  const low = others.reduce((least, other) => Math.min(least, other));
  const high = others.reduce((most, other) => Math.max(most, other));
  const distance = value > high ? value - high : low - value;
  return distance >= Math.max(high - low, minDistance);
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

export interface Flip {
  readonly column: string;
  /** Every number was written as a text: they can all stay texts. */
  readonly canStayText: boolean;
  readonly why: string;
}

const typeWords: Readonly<Record<FieldType, string>> = { float: "number", string: "text", boolean: "flag" };

/** Keys whose fields are now of one type, now of another. */
export function findFlips(keys: readonly KeyHistory[]): Flip[] {
  const found: Flip[] = [];
  for (const { column, values } of keys) {
    if (values.size < 2) continue;
    const types = [...values].map(
      ([type, items]) => `${typeWords[type]} in ${items.length} (such as ${sample(items[0])})`,
    );
    const numbers = values.get("float") ?? [];
    const canStayText = values.has("string") && numbers.every((value) => typeof value === "string");
    found.push({ column, canStayText, why: `${column} changes its type: ${types.join(", ")}` });
  }
  return found.slice(0, maxFindings);
}

function first(values: KeyHistory["values"]): JsonValue | undefined {
  return values.get("float")?.[0];
}

const maxSampleLength = 40;

function sample(value: JsonValue | undefined): string {
  const text = JSON.stringify(value ?? null);
  return text.length > maxSampleLength ? `${text.slice(0, maxSampleLength)}…` : text;
}
