/** `flightline buffer stats` and `list` for a person. Pure. */
import { formatBytes } from "../lib/units.ts";
import type { BufferKind, BufferStats, KeptStats, MovedJournal, RowWait } from "../status/buffer-wire.ts";
import { keyText } from "./buffer-keys.ts";
import type { WalkedRow } from "./buffer-walk.ts";
import { harmless } from "./mapping-layout.ts";
import { type Cell, columns, duration, labelWidth, moment, number, type Paint } from "./status-layout.ts";

export interface StatsText {
  readonly stats: BufferStats;
  readonly way: "daemon" | "files";
  readonly nowMs: number;
  readonly paint: Paint;
}

const statsWidth = 100;

export function statsLines({ stats, way, nowMs, paint }: StatsText): string[] {
  const { pending, quarantined, dead, settled, journal } = stats;
  const rows: Cell[][] = [
    label("journal", `${formatBytes(journal.bytes)} of ${formatBytes(journal.maxBytes)}`),
    label("pending", `${number(pending.count)}${since(pending.oldestReceivedMs, nowMs)}`),
    ...(pending.oldestWait === undefined
      ? []
      : [label("", `  the oldest waits: ${pending.oldestWait.reason} (${waitText(pending.oldestWait)})`)]),
    ...lost(pending.evicted, pending.purged, pending.evictedMinor),
    ...ifAny(pending.unreadable, "could not be read in a damaged journal, ever"),
    label("quarantined", kept(quarantined, nowMs)),
    ...counts(quarantined.byCode),
    ...lost(quarantined.evicted, quarantined.purged),
    label("dead lines", kept(dead, nowMs)),
    ...counts(dead.byCode),
    ...counts(dead.byDatabase, "in "),
    ...lost(dead.evicted, dead.purged),
    label(
      "settled",
      settled.atMost === 0
        ? "none is kept"
        : `up to ${number(settled.atMost)} kept for resend${since(settled.oldestReceivedMs, nowMs)}`,
    ),
  ];
  const foot = way === "daemon" ? "as the daemon has it" : "no daemon runs: as the files have it";
  const moved = journal.moved.flatMap((one) => ["", ...movedLines(one, way, paint)]);
  return [...columns(rows, statsWidth, paint), ...moved, "", paint("faint", foot)];
}

const movedTexts: Readonly<Record<MovedJournal["state"], { readonly what: string; readonly todo: string }>> =
  {
    unread: {
      what: "was moved aside, and messages in it may still be put back",
      todo: "start flightline: it reads the file to its end",
    },
    newer: {
      what: "was moved aside, for a newer Flightline wrote it: what waits in it is not sent",
      todo: "install the newer version again, which sends it; or delete the file, if nobody needs it",
    },
    foreign: {
      what: "was moved aside, for it is another program's: nothing of Flightline is in it",
      todo: "see whose it is and which program wrote it there; then delete it, or take it away",
    },
  };

function movedLines({ file, state }: MovedJournal, way: StatsText["way"], paint: Paint): string[] {
  const { what, todo } = movedTexts[state];
  const isBeingRead = state === "unread" && way === "daemon";
  const next = isBeingRead ? "the daemon is reading it: nothing need be done" : todo;
  return [paint("bad", harmless(`${file} ${what}`)), `  ${next}`];
}

function label(name: string, text: string): Cell[] {
  return [{ text: name.padEnd(labelWidth) }, { text }];
}

function kept({ count, bytes, maxBytes, oldestReceivedMs }: KeptStats, nowMs: number): string {
  const room = `${formatBytes(bytes)} of ${formatBytes(maxBytes)}`;
  return `${number(count)}${since(oldestReceivedMs, nowMs)}, ${room}`;
}

function since(atMs: number | undefined, nowMs: number): string {
  if (atMs === undefined) return "";
  return `, the oldest ${duration(Math.max(0, nowMs - atMs))} ago (${moment(atMs)})`;
}

function counts(byName: Readonly<Record<string, number>>, before = ""): Cell[][] {
  return Object.entries(byName).map(([name, count]) => label("", `  ${number(count)} ${before}${name}`));
}

/** `minor`: of those that were evicted. */
function lost(evicted: number, purged: number, minor = 0): Cell[][] {
  const ofThem = minor === 0 ? "" : `; ${number(minor)} of them logs, txacks and statistics`;
  return [
    ...ifAny(evicted, `evicted for newer ones, ever${ofThem}`),
    ...(purged === 0 ? [] : [label("", `  ${number(purged)} purged, ever`)]),
  ];
}

function ifAny(count: number, text: string): Cell[][] {
  return count === 0 ? [] : [[{ text: "" }, badCell(`  ${number(count)} ${text}`)]];
}

function badCell(text: string): Cell {
  return { text, tone: "bad" };
}

const head: readonly Cell[] = ["KEY", "RECEIVED", "DEVICE", "BYTES", "REASON", "WHAT"].map((text) => ({
  text,
  tone: "faint",
}));

/** `width`: of the terminal. */
export function listLines(rows: readonly WalkedRow[], width: number, paint: Paint): string[] {
  return columns([head, ...rows.map(rowCells)], width, paint);
}

function rowCells({ kind, row, device = "", wait }: WalkedRow): Cell[] {
  const { aside } = row;
  return [
    { text: keyText(kind, row.key) },
    { text: moment(row.receivedMs) },
    { text: device },
    { text: number(row.payloadBytes) },
    { text: aside?.code ?? waitText(wait), tone: aside === undefined ? "plain" : "doubtful" },
    { text: whatOf(row, wait) },
  ];
}

function waitText(wait: RowWait | undefined): string {
  if (wait === undefined) return "";
  return wait.sinceMs === undefined ? wait.code : `${wait.code} since ${moment(wait.sinceMs)}`;
}

function whatOf({ aside, topic }: WalkedRow["row"], wait: RowWait | undefined): string {
  if (aside === undefined) return wait === undefined ? topic : `${wait.reason}: ${topic}`;
  const where = aside.letter === undefined ? topic : aside.letter.database;
  return `${where}: ${aside.reason}`;
}

/** A line of `--json`. Times are ms since 1970. */
export function rowToJson({ kind, row, device, wait }: WalkedRow): object {
  const { aside } = row;
  return {
    key: keyText(kind, row.key),
    kind,
    source: row.source,
    topic: row.topic,
    received_ms: row.receivedMs,
    bytes: row.payloadBytes,
    device,
    ...(wait === undefined
      ? {}
      : { waits_for: wait.code, message: wait.reason, waits_since_ms: wait.sinceMs }),
    ...(aside === undefined ? {} : { reason: aside.code, message: aside.reason, aside_ms: aside.atMs }),
    ...(aside?.letter === undefined ? {} : { database: aside.letter.database, line: aside.letter.line }),
  };
}

const nouns: Readonly<Record<BufferKind, readonly [string, string]>> = {
  pending: ["pending message", "pending messages"],
  quarantined: ["quarantined message", "quarantined messages"],
  dead: ["dead line", "dead lines"],
  settled: ["settled message", "settled messages"],
};

/** "3 dead lines". */
export function counted(count: number, kind: BufferKind): string {
  const [one, many] = nouns[kind];
  return `${number(count)} ${count === 1 ? one : many}`;
}
