/** Values that mean "no measurement", as far as the values of a column can show it. Pure. */
import { type KeyHistory, maxFindings, sample } from "./mapping-findings.ts";
import type { Flip } from "./mapping-flips.ts";

export interface SentinelFinding {
  readonly path: string;
  readonly column: string;
  readonly values: readonly (number | string)[];
  readonly why: string;
  /** Seen once, or a text that may say something: for a person to decide. */
  readonly isDoubtful: boolean;
}

/** What remains of 0x7fff, 0x8000 and 0xffff in hundredths and tenths: nobody measures these. */
const clearSentinels: ReadonlySet<number> = new Set([327.67, -327.68, 655.35, 3276.7, -3276.8, 6553.5]);
const minClearDistance = 5;
/**
 * These can be measured, so they have to occur twice and to stand out, by so much: the same in ones, which a
 * counter passes on its way, and −1 in hundredths, which is a temperature of any winter.
 */
const possibleSentinels: ReadonlyMap<number, number> = new Map([
  [32_767, 16_384],
  [-32_768, 16_384],
  [65_535, 32_768],
  [-0.01, 10],
]);
/** What has occurred once may have been measured after all. */
const minCount = 2;

/** Those of one column together, the doubtful ones after the others and with them. */
export function findSentinels(keys: readonly KeyHistory[], flips: readonly Flip[]): SentinelFinding[] {
  const flipOf = new Map(flips.map((flip) => [flip.path, flip]));
  return keys.flatMap((key) => sentinelsOf(key, flipOf.get(key.path))).slice(0, maxFindings);
}

function sentinelsOf({ path, column, values }: KeyHistory, flip: Flip | undefined): SentinelFinding[] {
  const sure: (number | string)[] = [];
  const doubtful: (number | string)[] = [];
  const whySure: string[] = [];
  const whyDoubtful: string[] = [];

  const numbers = (values.get("float") ?? []).map(Number);
  const { twice, once, others } = numericSentinels(numbers);
  if (twice.length > 0) {
    sure.push(...twice);
    whySure.push(`${describe(twice, numbers)}; ${others}`);
  }
  if (once.length > 0) {
    doubtful.push(...once);
    whyDoubtful.push(`${describe(once, numbers)}; ${others}`);
  }
  if (flip?.advice === "sentinel") {
    sure.push(...flip.texts);
    whySure.push(flip.why);
  } else if (flip?.advice === "maybe sentinel") {
    doubtful.push(...flip.texts);
    whyDoubtful.push(flip.why);
  }

  const found: SentinelFinding[] = [];
  if (sure.length > 0) found.push({ path, column, values: sure, why: whySure.join("; "), isDoubtful: false });
  if (doubtful.length > 0) {
    const list = doubtful.map(sample).join(" and ");
    const why = `if ${list} means no measurement: ${whyDoubtful.join("; ")}`;
    found.push({ path, column, values: [...sure, ...doubtful], why, isDoubtful: true });
  }
  return found;
}

interface NumericSentinels {
  readonly twice: readonly number[];
  readonly once: readonly number[];
  /** In words. */
  readonly others: string;
}

function numericSentinels(numbers: readonly number[]): NumericSentinels {
  const counts = new Map<number, number>();
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of numbers) {
    if (clearSentinels.has(value) || possibleSentinels.has(value)) {
      counts.set(value, (counts.get(value) ?? 0) + 1);
      continue;
    }
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const chosen = [...counts].filter(([value]) => standsOut(value, low, high));
  return {
    twice: chosen.filter(([, count]) => count >= minCount).map(([value]) => value),
    once: chosen
      .filter(([value, count]) => count < minCount && clearSentinels.has(value))
      .map(([value]) => value),
    others: describeOthers(low, high),
  };
}

function describeOthers(low: number, high: number): string {
  if (low > high) return "there are no others";
  return low === high ? `the others are ${low}` : `the others are from ${low} to ${high}`;
}

/** Farther from all others than they are from each other, and than it takes to be sure. */
function standsOut(value: number, low: number, high: number): boolean {
  const minDistance = possibleSentinels.get(value);
  if (low > high) return minDistance === undefined;
  const distance = value > high ? value - high : low - value;
  return distance >= Math.max(high - low, minDistance ?? minClearDistance);
}

function describe(chosen: readonly number[], numbers: readonly number[]): string {
  const count = numbers.filter((value) => chosen.includes(value)).length;
  return `${chosen.join(" and ")}: ${count} of ${numbers.length} values`;
}
