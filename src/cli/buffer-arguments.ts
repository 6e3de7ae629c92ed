/** The command line of `flightline buffer`: what is chosen, or the first thing that is wrong with it. Pure. */
import { parseDurationMs } from "../lib/units.ts";
import { type Key, type ListedKind, listedKinds, parseKey } from "./buffer-keys.ts";

/** As commander gives them. */
export interface SelectionFlags {
  readonly pending?: boolean;
  readonly quarantined?: boolean;
  readonly dead?: boolean;
  readonly device?: string | undefined;
  readonly reason?: string | undefined;
  /** Of rows. */
  readonly key?: readonly string[] | undefined;
  /** Keys, one for each kind at most. */
  readonly after?: readonly string[] | undefined;
}

export interface Selection {
  readonly kinds: readonly ListedKind[];
  /** EUI, in lower case. */
  readonly device: string | undefined;
  /** Fault code. */
  readonly code: string | undefined;
  /** When given, nothing else counts. */
  readonly keys: readonly Key[];
  readonly after: ReadonlyMap<ListedKind, number>;
}

export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  /** One sentence. */
  | { readonly ok: false; readonly mistake: string };

/** `possible`: what the command is for. */
export function parseSelection(
  flags: SelectionFlags,
  possible: readonly ListedKind[] = listedKinds,
): Parsed<Selection> {
  const named = listedKinds.filter((kind) => flags[kind] === true);
  const keys = parseKeys(flags.key ?? [], possible);
  if (!keys.ok) return keys;
  const after = parseKeys(flags.after ?? [], possible);
  if (!after.ok) return after;
  const device = flags.device === undefined ? undefined : euiOf(flags.device);
  if (device === "")
    return mistake(`--device: expected an EUI of 16 hex digits, not "${flags.device ?? ""}".`);
  const code = flags.reason;
  if (code !== undefined && !/^[a-z0-9_]+$/.test(code)) {
    return mistake(`--reason: expected a code such as write_refused, not "${code}": list shows them.`);
  }
  if (code !== undefined && named.includes("pending")) {
    return mistake("--reason: pending messages have none.");
  }
  if (keys.value.length > 0 && (named.length > 0 || device !== undefined || code !== undefined)) {
    return mistake("--key names the rows: nothing else can be chosen beside it.");
  }
  const kinds = named.length > 0 ? named : possible;
  const value = {
    kinds: code === undefined ? kinds : kinds.filter((kind) => kind !== "pending"),
    device,
    code,
    keys: keys.value,
    after: new Map(after.value.map(({ kind, key }) => [kind, key])),
  };
  return { ok: true, value };
}

/** It would be everything. */
export function choosesAll({ device, reason, key = [], ...flags }: SelectionFlags): boolean {
  const isNamed = listedKinds.some((kind) => flags[kind] === true);
  return !isNamed && device === undefined && reason === undefined && key.length === 0;
}

/** An ISO time, or a duration: so long ago. */
export function parseTime(name: string, text: string, nowMs: number): Parsed<number> {
  const agoMs = parseDurationMs(text);
  if (agoMs !== undefined) return { ok: true, value: Math.round(nowMs - agoMs) };
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs) || atMs < 0) {
    return mistake(
      `${name}: expected a time such as 2026-03-01T06:00:00Z, or a duration such as 2h, not "${text}".`,
    );
  }
  return { ok: true, value: atMs };
}

export function mistake(text: string): { readonly ok: false; readonly mistake: string } {
  return { ok: false, mistake: text };
}

function parseKeys(texts: readonly string[], possible: readonly ListedKind[]): Parsed<readonly Key[]> {
  const keys: Key[] = [];
  for (const text of texts) {
    const key = parseKey(text);
    if (key === undefined) return mistake(`"${text}" is no key: list shows them, as p12, q7 or d3.`);
    if (!possible.includes(key.kind)) return mistake(`${text} is ${key.kind}: this is not for it.`);
    keys.push(key);
  }
  return { ok: true, value: keys };
}

/** "": it is none. */
export function euiOf(text: string): string {
  const eui = text.toLowerCase().replaceAll(/[-:]/g, "");
  return /^[0-9a-f]{16}$/.test(eui) ? eui : "";
}
