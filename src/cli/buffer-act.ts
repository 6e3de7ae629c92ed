/** What `requeue`, `resend` and `purge` have in common: first what is meant, then acting on it, part by part. */
import { assert, Fault } from "../lib/fault.ts";
import { type ActionResult, type BufferKind, maxKeys } from "../status/buffer-wire.ts";
import type { Access } from "./buffer-access.ts";
import type { Selection } from "./buffer-arguments.ts";
import { walk, walkKeys } from "./buffer-walk.ts";

/** Rows of one kind. */
export interface Meant {
  readonly kind: BufferKind;
  readonly count: number;
  /** The last of them: what comes later is not meant. */
  readonly lastKey: number;
}

const rowsAtOnce = 500;

/** What the selection chooses at this moment; no kind of which there is nothing. */
export async function meantBy({ buffer }: Access, selection: Selection): Promise<readonly Meant[]> {
  const meant: Meant[] = [];
  if (selection.keys.length > 0) {
    const counts = new Map<BufferKind, { count: number; lastKey: number }>();
    for await (const { kind, row } of walkKeys(buffer, selection, false)) {
      const { count, lastKey } = counts.get(kind) ?? { count: 0, lastKey: 0 };
      counts.set(kind, { count: count + 1, lastKey: Math.max(lastKey, row.key) });
    }
    return [...counts].map(([kind, counted]) => ({ kind, ...counted }));
  }
  const { device, code } = selection;
  for (const kind of selection.kinds) {
    const asked = { kind, after: 0, device, code, content: false, withDevice: false, count: rowsAtOnce };
    let count = 0;
    let lastKey = 0;
    for await (const { row } of walk(buffer, asked)) {
      count += 1;
      lastKey = row.key;
    }
    if (count > 0) meant.push({ kind, count, lastKey });
  }
  return meant;
}

/** The keys of what is meant and still there, in parts that one request takes. */
export async function* partsOf(
  { buffer }: Access,
  selection: Selection,
  { kind, lastKey }: Meant,
): AsyncGenerator<readonly number[]> {
  if (selection.keys.length > 0) {
    const keys = selection.keys.filter((one) => one.kind === kind).map(({ key }) => key);
    for (let at = 0; at < keys.length; at += maxKeys) yield keys.slice(at, at + maxKeys);
    return;
  }
  const { device, code } = selection;
  const asked = { kind, after: 0, upTo: lastKey, device, code, content: false, withDevice: false };
  let part: number[] = [];
  for await (const { row } of walk(buffer, { ...asked, count: rowsAtOnce })) {
    part.push(row.key);
    if (part.length < maxKeys) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

/** What has become of all of them; it grows as it goes. */
export type Done = { -readonly [Name in keyof Omit<ActionResult, "fault" | "handled">]: number };

export function nothingDone(): Done {
  return { messages: 0, rows: 0, withoutBytes: 0, spared: 0 };
}

/** Throws the fault that ended it; what was done by then is in `done`. */
export async function actOn(
  keys: readonly number[],
  act: (keys: readonly number[]) => Promise<ActionResult>,
  done: Done,
  signal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < keys.length;) {
    signal.throwIfAborted();
    const { handled, fault, ...result } = await act(keys.slice(at));
    for (const name of ["messages", "rows", "withoutBytes", "spared"] as const) done[name] += result[name];
    if (fault !== undefined) throw new Fault({ ...fault, layer: "journal", disposition: "retry" });
    assert(handled > 0, "an action without a fault goes on");
    at += handled;
  }
}
