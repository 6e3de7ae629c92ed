import type { Interval, IntervalSet } from "../lib/intervals.ts";

/** What the log is looked at by: small beside a step of the quota, large beside a page. */
const windowPages = 8;
/** Of a row beside topic and payload: the other columns, its header and its place in the page. */
export const rowOverheadBytes = 32;
/** SQLite joins a page with its neighbours when two thirds of it are free. A little more makes sure of that. */
const sparseShare = 0.7;

export interface WindowRow {
  readonly seq: number;
  /** Of payload and topic. */
  readonly bytes: number;
}

/** Rows that follow each other in the file, settled or not. */
export interface Window {
  readonly first: number;
  readonly last: number;
  readonly rowCount: number;
  readonly settledCount: number;
  /** Ranges in which every row is settled. */
  readonly settledRuns: readonly Interval[];
  /**
   * Whether SQLite gets whole pages back when the settled rows are deleted: because a row has pages of its own,
   * because a run must cover a page, or because so few rows are left that their pages are joined.
   */
  readonly freesPages: boolean;
}

/** Takes rows until they fill the window. Undefined: there are none. */
export function readWindow(
  rows: Iterable<WindowRow>,
  settled: IntervalSet,
  pageBytes: number,
): Window | undefined {
  const runs: { lo: number; hi: number; sharedBytes: number }[] = [];
  const all = { count: 0, ownPages: 0, sharedBytes: 0 };
  const ofSettled = { count: 0, ownPages: 0, sharedBytes: 0 };
  let first: number | undefined;
  let last = 0;
  let interval: Interval | undefined;
  let isInRun = false;
  for (const { seq, bytes } of rows) {
    first ??= seq;
    last = seq;
    // What is longer than a page has pages for itself, and a rest that shares one.
    const ownPages = Math.floor(bytes / pageBytes);
    const sharedBytes = bytes - ownPages * pageBytes + rowOverheadBytes;
    add(all, ownPages, sharedBytes);
    if (interval === undefined || interval.hi < seq) interval = settled.atOrAfter(seq) ?? nothing;
    const isSettled = interval.lo <= seq;
    if (isSettled) {
      add(ofSettled, ownPages, sharedBytes);
      const run = isInRun ? runs.at(-1) : undefined;
      if (run === undefined) runs.push({ lo: seq, hi: seq, sharedBytes });
      else {
        run.hi = seq;
        run.sharedBytes += sharedBytes;
      }
    }
    isInRun = isSettled;
    if (all.ownPages * pageBytes + all.sharedBytes >= windowPages * pageBytes) break;
  }
  if (first === undefined) return undefined;
  const isSparse =
    ofSettled.sharedBytes >= pageBytes && ofSettled.sharedBytes >= sparseShare * all.sharedBytes;
  return {
    first,
    last,
    rowCount: all.count,
    settledCount: ofSettled.count,
    settledRuns: runs,
    freesPages:
      ofSettled.ownPages > 0 || isSparse || runs.some(({ sharedBytes }) => sharedBytes >= 2 * pageBytes),
  };
}

/** Stands for the interval after the last one. */
const nothing: Interval = { lo: Infinity, hi: Infinity };

interface Content {
  count: number;
  ownPages: number;
  sharedBytes: number;
}

function add(content: Content, ownPages: number, sharedBytes: number): void {
  content.count += 1;
  content.ownPages += ownPages;
  content.sharedBytes += sharedBytes;
}
