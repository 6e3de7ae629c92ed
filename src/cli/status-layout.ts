/** Words, numbers and columns of `flightline status`. Pure. */
import type { FaultStatus } from "../status/daemon-status.ts";
import { cut, harmless, widthOf, wrap } from "./mapping-layout.ts";

export const screenWidth = 80;
/** Of the labels on the left, with the space around them. */
export const labelWidth = 13;
export const bodyWidth = screenWidth - labelWidth;
const maxFaultLines = 4;

export interface TextOptions {
  /** What is usually of no interest, too. */
  readonly all: boolean;
  readonly paint: Paint;
  /** Wall clock. */
  readonly nowMs: number;
}

export type Tone = "good" | "bad" | "doubtful" | "faint" | "plain";
export type Paint = (tone: Tone, text: string) => string;

const sgr: Readonly<Record<Exclude<Tone, "plain">, number>> = { good: 32, bad: 31, doubtful: 33, faint: 2 };

export const colours: Paint = (tone, text) =>
  tone === "plain" || text === "" ? text : `\u001b[${sgr[tone]}m${text}\u001b[0m`;

export const noColours: Paint = (_tone, text) => text;

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

/** Rows in columns, of `width` columns of the terminal at most; what has no room is cut. */
export function columns(rows: readonly (readonly Cell[])[], width: number, paint: Paint): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...rows.map((row) => widthOf(harmless(row[column]?.text ?? "")))),
  );
  return rows.map((row) => {
    const line: string[] = [];
    let used = 0;
    for (const [column, { text, tone = "plain" }] of row.entries()) {
      const room = width - used;
      if (room < 1) break;
      const shown = cut(harmless(text), room);
      const cellWidth = Math.min(room, widths[column] ?? 0);
      line.push(paint(tone, shown) + " ".repeat(cellWidth - widthOf(shown)));
      used += cellWidth + 2;
    }
    return line.join("  ").trimEnd();
  });
}

/** Indented, below what it belongs to. */
export function faultLines(fault: FaultStatus | undefined, paint: Paint): string[] {
  if (fault === undefined) return [];
  const text = harmless(`${fault.message} [${fault.code}]`);
  return wrap(text, bodyWidth - 2, maxFaultLines).map((line) => `  ${paint("doubtful", line)}`);
}

/** 1204 → "1,204". */
export function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function plural(value: number, what: string): string {
  return `${number(value)} ${what}${value === 1 ? "" : "s"}`;
}

/** Two units at most: "340 ms", "3.2 s", "12 s", "12 min", "3 h 12 min", "3 d 4 h". */
export function duration(ms: number): string {
  if (ms < 999.5) return `${ms < 9.95 && ms > 0 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 59_500) return `${Math.round(ms / 1000)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return joined(`${hours} h`, minutes % 60, "min");
  const wholeHours = Math.round(ms / 3_600_000);
  return joined(`${Math.floor(wholeHours / 24)} d`, wholeHours % 24, "h");
}

function joined(large: string, small: number, unit: string): string {
  return small === 0 ? large : `${large} ${small} ${unit}`;
}

/** "2026-03-01 10:22 UTC". */
export function moment(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
