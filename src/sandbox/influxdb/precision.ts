/**
 * The unit of a line's timestamp. `auto` looks at the magnitude: below 5e9 it is seconds, below 5e12
 * milliseconds, below 5e15 microseconds, else nanoseconds. Pure.
 */

export type Precision = "auto" | "second" | "millisecond" | "microsecond" | "nanosecond";

const namesOf: ReadonlyMap<string, Precision> = new Map<string, Precision>([
  ["auto", "auto"],
  ["second", "second"],
  ["s", "second"],
  ["millisecond", "millisecond"],
  ["ms", "millisecond"],
  ["microsecond", "microsecond"],
  ["us", "microsecond"],
  ["u", "microsecond"],
  ["nanosecond", "nanosecond"],
  ["ns", "nanosecond"],
  ["n", "nanosecond"],
]);

const nanosecondsPer: Readonly<Record<Exclude<Precision, "auto">, bigint>> = {
  second: 1_000_000_000n,
  millisecond: 1_000_000n,
  microsecond: 1000n,
  nanosecond: 1n,
};

export const minInt64 = -(2n ** 63n);
export const maxInt64 = 2n ** 63n - 1n;

/** Every spelling that the `precision` parameter takes; v2 has no `auto`. */
export function precisionNames(withAuto: boolean): string[] {
  return [...namesOf.keys()].filter((name) => withAuto || name !== "auto");
}

export function precisionNamed(name: string, withAuto: boolean): Precision | undefined {
  const precision = namesOf.get(name);
  return precision === "auto" && !withAuto ? undefined : precision;
}

/** A timestamp as written → nanoseconds since 1970; undefined when it leaves the range of an i64. */
export function toNanoseconds(timestamp: bigint, precision: Precision): bigint | undefined {
  const ns = timestamp * nanosecondsPer[precision === "auto" ? guess(timestamp) : precision];
  return ns < minInt64 || ns > maxInt64 ? undefined : ns;
}

/** The time of a line without a timestamp: now, rounded down to the precision. */
export function truncateNow(nowNs: bigint, precision: Precision): bigint {
  const unit = precision === "auto" ? 1n : nanosecondsPer[precision];
  return (nowNs / unit) * unit;
}

function guess(timestamp: bigint): Exclude<Precision, "auto"> {
  const billions = (timestamp < 0n ? -timestamp : timestamp) / 1_000_000_000n;
  if (billions < 5n) return "second";
  if (billions < 5000n) return "millisecond";
  return billions < 5_000_000n ? "microsecond" : "nanosecond";
}
