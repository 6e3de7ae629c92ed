/**
 * `DaemonStatus` on the control socket: one JSON object, its members as in daemon-status.ts, with `format` in
 * front. Counts by name are objects; what is undefined is left out.
 */
import type { DaemonStatus } from "./daemon-status.ts";

/** Raised when a member changes its meaning or goes: a newer command must not misread an older daemon. */
const statusFormat = 1;

/** Of errors, which `Fault`s are, nothing leaves but code, sentence and hint: neither cause nor stack. */
export function statusToJson(status: DaemonStatus): string {
  return JSON.stringify({ format: statusFormat, ...status }, (_key, value: unknown) => {
    if (value instanceof Map) return Object.fromEntries(value) as object;
    return value instanceof Error ? errorToJson(value) : value;
  });
}

function errorToJson(error: Error & { readonly code?: unknown; readonly hint?: unknown }): object {
  const { code, message, hint } = error;
  return { code, message, hint };
}

/** Undefined: it is none, or one in a format of another version. */
export function statusFromJson(text: string): DaemonStatus | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isOurs(parsed)) return undefined;
  const { snapshot } = parsed;
  const { counters } = snapshot;
  return { ...parsed, snapshot: { ...snapshot, counters: { ...counters, ...mapsOf(counters) } } };
}

/** The counts by name. A daemon of an earlier version has not all of them. */
type CountsByName = "unmapped" | "quarantined" | "deadLines" | "deadMessages";

function mapsOf(counters: Parsed["snapshot"]["counters"]): Record<CountsByName, Map<string, number>> {
  const map = (name: CountsByName): Map<string, number> => new Map(Object.entries(counters[name] ?? {}));
  return {
    unmapped: map("unmapped"),
    quarantined: map("quarantined"),
    deadLines: map("deadLines"),
    deadMessages: map("deadMessages"),
  };
}

/** As it came: with objects where there were maps. */
type Parsed = DaemonStatus & {
  readonly snapshot: { readonly counters: Partial<Record<CountsByName, Record<string, number>>> };
};

function isOurs(value: unknown): value is Parsed {
  return typeof value === "object" && value !== null && "format" in value && value.format === statusFormat;
}
