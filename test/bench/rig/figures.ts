/** Medians, percentiles and a table of them. */

/** 0 < share ≤ 1. NaN when there is no sample. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** A total that grew: how much by when. */
export interface Progress {
  /** `monotonicMs()`. */
  readonly atMs: number;
  /** Since the start. */
  readonly total: number;
}

/**
 * Per second, between the moments at which a twentieth and nineteen twentieths of the last total were
 * reached: the start (windows are empty) and the end (the last group waits for company) are not the rate.
 */
export function middleRatePerSecond(samples: readonly Progress[]): number {
  const last = samples.at(-1)?.total ?? 0;
  const from = samples.find(({ total }) => total >= last / 20);
  const to = samples.find(({ total }) => total >= (last * 19) / 20);
  if (from === undefined || to === undefined || to.atMs <= from.atMs) return Number.NaN;
  return (1000 * (to.total - from.total)) / (to.atMs - from.atMs);
}

/** CLOCK_MONOTONIC: the same in every process of the machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The first column to the left, the others to the right. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    process.stdout.write(`${cells.join("  ").trimEnd()}\n`);
  }
}

export function printNote(text: string): void {
  process.stdout.write(`${text}\n`);
}
