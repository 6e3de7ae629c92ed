/**
 * What some payloads, mapped alike, have under each key, and what becomes of it.
 *
 * A column has one type in the database. Where that type is not known, and payloads have several for the column,
 * those that most of them do not have are told with the column beside it, to which `fit` moves what the column
 * does not take; where none has most payloads, all are.
 */
import type { JsonValue } from "../chirpstack/event.ts";
import { nameBeside } from "../telemetry/fit.ts";
import type { FieldType, KeyTrace, MappingTrace } from "../telemetry/mapping-trace.ts";

export interface KeySummary {
  readonly path: string;
  /** The exploded array in whose items it is. */
  readonly inside: string | undefined;
  /** In how many payloads it is. */
  readonly payloads: number;
  /** More than one where payloads differ in type, or in what was done. */
  readonly outcomes: readonly OutcomeSummary[];
}

export interface OutcomeSummary extends Pick<
  KeyTrace,
  "fate" | "rules" | "column" | "written" | "type" | "outcome"
> {
  readonly payloads: number;
  /** The newest different values, as the payloads have them. */
  readonly samples: readonly JsonValue[];
  /** Where it goes instead: because `column` has another type, or in case it has. */
  readonly columnBeside: string | undefined;
}

interface GrowingOutcome extends Omit<OutcomeSummary, "payloads" | "columnBeside">, Counter {
  readonly samples: JsonValue[];
  readonly sampleTexts: Set<string>;
}

interface Counter {
  payloads: number;
  /** A payload may have a key in each of its items. */
  lastTrace: MappingTrace | undefined;
}

interface GrowingKey extends Omit<KeySummary, "payloads" | "outcomes">, Counter {
  readonly outcomes: GrowingOutcome[];
  readonly byId: Map<string, GrowingOutcome>;
}

const maxSamples = 3;

/** `traces`: the newest first. Keys in the order in which the newest payload that has them is mapped, those in items last. */
export function summariseKeys(traces: readonly MappingTrace[]): KeySummary[] {
  const keys = new Map<string, GrowingKey>();
  for (const trace of traces) for (const key of trace.keys) addKey(keys, key, trace);
  const usual = usualTypes([...keys.values()].flatMap((key) => key.outcomes));
  const all = [...keys.values()].map(({ path, inside, payloads, outcomes }) => ({
    path,
    inside,
    payloads,
    outcomes: outcomes.map((outcome) => finish(outcome, usual)),
  }));
  return [...all.filter((key) => key.inside === undefined), ...all.filter((key) => key.inside !== undefined)];
}

/** Keys that are in no trace: those of the payload that has the most. Others may have other ones. */
export function untoldOf(traces: readonly MappingTrace[]): number {
  return traces.reduce((most, { untraced }) => Math.max(most, untraced), 0);
}

function addKey(keys: Map<string, GrowingKey>, traced: KeyTrace, trace: MappingTrace): void {
  const { path, inside, fate, rules, column, written, type, outcome } = traced;
  const keyId = JSON.stringify([inside ?? null, path]);
  const key = keys.get(keyId) ?? {
    path,
    inside,
    payloads: 0,
    lastTrace: undefined,
    outcomes: [],
    byId: new Map<string, GrowingOutcome>(),
  };
  keys.set(keyId, key);
  count(key, trace);
  // Not by the outcome's words, which may speak of one payload's value.
  const outcomeId = JSON.stringify([fate, rules, column ?? null, written ?? null, type ?? null]);
  let summary = key.byId.get(outcomeId);
  if (summary === undefined) {
    const nothing = { payloads: 0, lastTrace: undefined, samples: [], sampleTexts: new Set<string>() };
    summary = { fate, rules, column, written, type, outcome, ...nothing };
    key.byId.set(outcomeId, summary);
    key.outcomes.push(summary);
  }
  count(summary, trace);
  for (const value of traced.values) addSample(summary, value);
}

function count(counter: Counter, trace: MappingTrace): void {
  if (counter.lastTrace !== trace) counter.payloads += 1;
  counter.lastTrace = trace;
}

function addSample({ samples, sampleTexts }: GrowingOutcome, value: JsonValue): void {
  if (samples.length >= maxSamples) return;
  const text = JSON.stringify(value);
  if (sampleTexts.has(text)) return;
  sampleTexts.add(text);
  samples.push(value);
}

/** By column: the type that more payloads have than any other, or `undefined` where there is none such. */
type UsualTypes = ReadonlyMap<string, FieldType | undefined>;

function usualTypes(outcomes: readonly GrowingOutcome[]): UsualTypes {
  const counts = new Map<string, Map<FieldType, number>>();
  for (const { column, type, payloads } of outcomes) {
    if (column === undefined || type === undefined) continue;
    const byType = counts.get(column) ?? new Map<FieldType, number>();
    counts.set(column, byType);
    byType.set(type, (byType.get(type) ?? 0) + payloads);
  }
  return new Map(
    [...counts].map(([column, byType]) => {
      const most = Math.max(...byType.values());
      const [first, ...others] = [...byType].filter(([, count]) => count === most);
      return [column, others.length === 0 ? first?.[0] : undefined];
    }),
  );
}

function finish(summary: GrowingOutcome, usual: UsualTypes): OutcomeSummary {
  const { fate, rules, column, written, type, outcome, payloads, samples } = summary;
  const told = { fate, rules, column, written, type, payloads, samples };
  if (column === undefined || type === undefined) return { ...told, columnBeside: undefined, outcome };
  if (written !== undefined || fate !== "field") {
    return { ...told, columnBeside: written === column ? undefined : written, outcome };
  }
  if (usual.get(column) === type) return { ...told, columnBeside: undefined, outcome };
  const columnBeside = nameBeside(column, type);
  const words = `${outcome} (${columnBeside} where the column has another type)`;
  return { ...told, columnBeside, outcome: words };
}
