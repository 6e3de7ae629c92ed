/** What a row is made of, and how it may be asked for. */

export interface RowOptions {
  /** "ns" (default): nanoseconds since 1970 as bigint. "iso": `2026-11-22T08:00:00.123456789Z`, always nine digits. */
  readonly times?: "ns" | "iso";
}

/** 64-bit integers are bigint; decimals, dates, times of day and intervals are text; a struct is an object, a map an array of pairs. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [name: string]: Value };

export type Row = Readonly<Record<string, Value>>;
