/**
 * Which settled messages `resend` means. A message that was put back (`requeue`) is in the log twice, and its newest
 * copy stands for all; one that was quarantined or has dead lines is for `requeue` itself.
 */
import { againFlag } from "../journal/message.ts";
import type { BufferRow } from "../status/buffer-wire.ts";
import type { Access } from "./buffer-access.ts";
import { type Walk, walk } from "./buffer-walk.ts";

type Asked = Pick<Walk, "sinceMs" | "untilMs" | "device"> & { readonly kind: "settled" };

const rowsAtOnce = 500;
const bare = { after: 0, content: false, withDevice: false, count: rowsAtOnce } as const;

/** Their keys, in parts that one request takes; the others are counted. */
export async function* onlyHere(
  { buffer }: Access,
  asked: Asked,
  leftOut: { count: number },
): AsyncGenerator<readonly number[]> {
  const { sinceMs, untilMs } = asked;
  const range = { sinceMs, untilMs };
  const elsewhere = await asideIn(buffer, range);
  const newest = await newestCopies(buffer, range);
  let keys: number[] = [];
  for await (const { row } of walk(buffer, { ...bare, ...asked })) {
    const name = nameOf(row);
    if (elsewhere.has(name) || (newest.get(name) ?? 0) > row.key) {
      leftOut.count += 1;
      continue;
    }
    keys.push(row.key);
    if (keys.length < rowsAtOnce) continue;
    yield keys;
    keys = [];
  }
  if (keys.length > 0) yield keys;
}

type Range = Pick<Walk, "sinceMs" | "untilMs">;

async function asideIn(
  buffer: Access["buffer"],
  { sinceMs = -Infinity, untilMs = Infinity }: Range,
): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const kind of ["quarantined", "dead"] as const) {
    for await (const { row } of walk(buffer, { ...bare, kind })) {
      if (row.receivedMs >= sinceMs && row.receivedMs < untilMs) names.add(nameOf(row));
    }
  }
  return names;
}

/** The seqs of the newest copies, wherever they are: a copy keeps the receive time. */
async function newestCopies(buffer: Access["buffer"], range: Range): Promise<ReadonlyMap<string, number>> {
  const newest = new Map<string, number>();
  for (const kind of ["settled", "pending"] as const) {
    for await (const { row } of walk(buffer, { ...bare, ...range, kind })) {
      if ((row.flags & againFlag) === 0) continue;
      const name = nameOf(row);
      newest.set(name, Math.max(row.key, newest.get(name) ?? 0));
    }
  }
  return newest;
}

/** Of a message and of its copies. */
function nameOf({ source, topic, receivedMs, place }: BufferRow): string {
  return JSON.stringify([source, topic, receivedMs, place]);
}
