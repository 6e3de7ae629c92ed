/** Durations and sizes as people write them in a configuration file. Pure. */

const durationUnitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const sizeUnitsBytes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  KB: 1000,
  KiB: 1024,
  MB: 1e6,
  MiB: 1024 ** 2,
  GB: 1e9,
  GiB: 1024 ** 3,
};

/** "250ms", "7d", "1h 30m" → milliseconds; undefined when the text is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  return parseSum(text, durationUnitsMs);
}

/** "64KiB", "2GiB" → bytes; undefined when the text is not a size. */
export function parseSizeBytes(text: string): number | undefined {
  const bytes = parseSum(text, sizeUnitsBytes);
  return bytes === undefined ? undefined : Math.round(bytes);
}

function parseSum(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const parts = text.trim().split(/(?<=[a-zA-Z])\s*(?=\d)/);
  let sum = 0;
  for (const part of parts) {
    const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]+)$/.exec(part);
    const unit = match?.[2] === undefined || !Object.hasOwn(units, match[2]) ? undefined : units[match[2]];
    if (match?.[1] === undefined || unit === undefined) return undefined;
    sum += Number(match[1]) * unit;
  }
  return Number.isFinite(sum) ? sum : undefined;
}

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${value.toFixed(1)} ${units[index] ?? ""}`;
}
