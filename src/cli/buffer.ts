/** `flightline buffer`: what is not in InfluxDB, and what is to become of it; beside a daemon or without one. */
import { systemClock as clock } from "../lib/clock.ts";
import { Fault } from "../lib/fault.ts";
import { type Access, ConfigNeeded, type Open, openLook } from "./buffer-access.ts";
import {
  mistake,
  type Parsed,
  parseSelection,
  type Selection,
  type SelectionFlags,
} from "./buffer-arguments.ts";
import { keyText } from "./buffer-keys.ts";
import { counted, listLines, rowToJson, statsLines } from "./buffer-text.ts";
import { walk, type WalkedRow, walkKeys } from "./buffer-walk.ts";
import type { BufferLook } from "../status/buffer-wire.ts";
import { describeFault } from "./describe-fault.ts";
import { exitCode, type Io, type Run } from "./io.ts";
import { harmless } from "./mapping-layout.ts";
import type { FindOptions } from "./status-find.ts";
import { colours, noColours, type Paint } from "./status-layout.ts";

export interface StatsOptions extends FindOptions {
  readonly json: boolean;
}

export const bufferStatsCommand: Run<StatsOptions> = async (options, io) =>
  await withAccess(openLook, options, io, async (access) => {
    const stats = await access.buffer.stats();
    if (options.json) io.out(`${harmless(JSON.stringify({ way: access.way, ...stats }))}\n`);
    else {
      const text = statsLines({ stats, way: access.way, nowMs: clock.nowMs(), paint: paintFor(io) });
      io.out(`${text.join("\n")}\n`);
    }
    return exitCode.done;
  });

export interface ListOptions extends FindOptions, SelectionFlags {
  readonly limit: number;
  readonly json: boolean;
  /** Of the terminal; undefined: there is none. */
  readonly width: number | undefined;
}

const maxLimit = 100_000;
const widthWithoutTerminal = 160;

export const bufferListCommand: Run<ListOptions> = async (options, io) => {
  const selected = listArguments(options);
  if (!selected.ok) return misused(selected.mistake, io);
  return await withAccess(openLook, options, io, async (access) => {
    const rows = await firstRows(access, selected.value, options.limit + 1);
    const shown = rows.slice(0, options.limit);
    if (options.json) {
      for (const row of shown) io.out(`${harmless(JSON.stringify(rowToJson(row)))}\n`);
      return exitCode.done;
    }
    if (shown.length === 0) io.err("There is nothing.\n");
    else io.out(`${listLines(shown, options.width ?? widthWithoutTerminal, paintFor(io)).join("\n")}\n`);
    if (rows.length > shown.length) io.err(`There is more: ${moreText(shown, selected.value)}\n`);
    return exitCode.done;
  });
};

function listArguments(options: ListOptions): Parsed<Selection> {
  if (options.limit < 1 || options.limit > maxLimit) return mistake(`--limit: expected 1 to ${maxLimit}.`);
  return parseSelection(options);
}

async function firstRows({ buffer }: Access, selection: Selection, count: number): Promise<WalkedRow[]> {
  const rows: WalkedRow[] = [];
  const take = async (found: AsyncIterable<WalkedRow>): Promise<void> => {
    for await (const row of found) {
      // A list needs no bytes.
      rows.push({ ...row, row: { ...row.row, payload: undefined } });
      if (rows.length >= count) return;
    }
  };
  if (selection.keys.length > 0) await take(walkKeys(buffer, selection, true));
  const { device, code, kinds } = selection;
  for (const kind of selection.keys.length > 0 ? [] : kinds) {
    if (rows.length >= count) break;
    const after = selection.after.get(kind) ?? 0;
    const left = count - rows.length;
    await take(walk(buffer, { kind, after, device, code, content: false, withDevice: true, count: left }));
  }
  return rows;
}

function moreText(shown: readonly WalkedRow[], { after }: Selection): string {
  const last = new Map<WalkedRow["kind"], number>(after);
  for (const { kind, row } of shown) last.set(kind, row.key);
  return [...last].map(([kind, key]) => `--after ${keyText(kind, key)}`).join(" ");
}

/** What was done is on standard error beside the rows, so that standard output can go on to another program. */
export async function withAccess<Buffer extends BufferLook>(
  open: Open<Buffer>,
  options: FindOptions,
  io: Io,
  use: (access: Access<Buffer>) => Promise<number>,
): Promise<number> {
  if (options.socket === "") return misused("--socket: expected the path of a daemon's control socket.", io);
  try {
    const access = await open(options, io);
    let code: number;
    try {
      code = await use(access);
    } catch (error) {
      // What was done is made durable; what made it end is what is told.
      await access.close().catch(() => undefined);
      throw error;
    }
    await access.close();
    return code;
  } catch (error) {
    if (io.signal.aborted) return exitCode.failed;
    if (error instanceof ConfigNeeded) {
      io.err(error.message);
      return exitCode.config;
    }
    if (!(error instanceof Fault)) throw error;
    io.err(describeFault(error));
    return exitCode.failed;
  }
}

export function misused(sentence: string, io: Io): number {
  io.err(`${sentence}\n`);
  return exitCode.usage;
}

/** https://no-color.org */
function paintFor({ isTerminal, env }: Io): Paint {
  return isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb" ? colours : noColours;
}

/** Of what was left where it is. */
export function leftText(withoutBytes: number, spared: number): string[] {
  return [
    ...(withoutBytes === 0
      ? []
      : [`${stay(withoutBytes, "dead")}: the bytes had left the full journal before.`]),
    ...(spared === 0
      ? []
      : [
          `${stay(spared, "quarantined")}: this has killed the daemon, which would not look at it again. ` +
            "Stop the daemon, requeue, start it.",
        ]),
  ];
}

function stay(count: number, kind: "dead" | "quarantined"): string {
  return `${counted(count, kind)} ${count === 1 ? "stays" : "stay"}`;
}
