/** What the mapping of a payload tells about each key, for whoever asks. */
import type { JsonValue } from "../chirpstack/event.ts";
import type { Scalar } from "./leaf-rules.ts";

/** Called in the order in which `flatten` visits the keys. */
export interface Trace {
  leaf(leaf: TracedLeaf): void;
  /** Items that could not be rows have the path of their array. */
  skipped(path: string, raw: JsonValue, reason: SkipReason): void;
  /** Each array, and how many of its items became rows of their own where they were to. */
  array(path: string, items: readonly JsonValue[], rows: number | undefined): void;
  /** The trace of those rows. */
  inside(path: string): Trace;
}

export type SkipReason =
  | "null"
  | "empty"
  | "not finite"
  | "too deep"
  | "dropped"
  | "no room"
  | "no time"
  | "time of the row";

export interface TracedLeaf {
  readonly path: string;
  readonly raw: Scalar;
  readonly isQuantity: boolean;
  /** The name that it was to have, and the one that was free. */
  readonly wanted: string;
  readonly name: string;
  /** `undefined`: a sentinel, or too large once scaled. */
  readonly value: Scalar | undefined;
}
