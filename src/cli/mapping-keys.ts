/** What some payloads, mapped alike, have under each key, and what becomes of it. */
import type { JsonValue } from "../chirpstack/event.ts";
import type { KeyTrace, MappingTrace } from "../telemetry/mapping-trace.ts";

export interface KeySummary {
  readonly path: string;
  /** The exploded array in whose items it is. */
  readonly inside: string | undefined;
  /** In how many payloads it is. */
  readonly payloads: number;
  /** More than one where payloads differ in type, or in what was done. */
  readonly outcomes: readonly OutcomeSummary[];
}

export interface OutcomeSummary extends Pick<KeyTrace, "fate" | "rules" | "column" | "type" | "outcome"> {
  readonly payloads: number;
  /** The newest different values, as the payloads have them. */
  readonly samples: readonly JsonValue[];
}

interface GrowingOutcome extends Omit<OutcomeSummary, "payloads">, Counter {
  readonly samples: JsonValue[];
  readonly sampleTexts: Set<string>;
}

interface Counter {
  payloads: number;
  /** A payload may have a key in each of its items. */
  lastTrace: MappingTrace | undefined;
}

interface GrowingKey extends Omit<KeySummary, "payloads">, Counter {
  readonly outcomes: GrowingOutcome[];
  readonly byId: Map<string, GrowingOutcome>;
}

const maxSamples = 3;

/** `traces`: the newest first. Keys in the order of the newest payload that has them, those in items last. */
export function summariseKeys(traces: readonly MappingTrace[]): KeySummary[] {
  const keys = new Map<string, GrowingKey>();
  for (const trace of traces) for (const key of trace.keys) addKey(keys, key, trace);
  const all = [...keys.values()].map(({ path, inside, payloads, outcomes }) => ({
    path,
    inside,
    payloads,
    outcomes: outcomes.map(withoutWorkings),
  }));
  return [...all.filter((key) => key.inside === undefined), ...all.filter((key) => key.inside !== undefined)];
}

function addKey(keys: Map<string, GrowingKey>, traced: KeyTrace, trace: MappingTrace): void {
  const { path, inside, fate, rules, column, type, outcome } = traced;
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
  const outcomeId = JSON.stringify([fate, rules, column ?? null, type ?? null]);
  let summary = key.byId.get(outcomeId);
  if (summary === undefined) {
    const nothing = { payloads: 0, lastTrace: undefined, samples: [], sampleTexts: new Set<string>() };
    summary = { fate, rules, column, type, outcome, ...nothing };
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

function withoutWorkings(summary: GrowingOutcome): OutcomeSummary {
  const { fate, rules, column, type, outcome, payloads, samples } = summary;
  return { fate, rules, column, type, outcome, payloads, samples };
}
