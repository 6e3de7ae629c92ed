/**
 * How the values of an Arrow type lie in a message's body: which buffers there are and what has to hold for them.
 * Made once for a schema, walked for every batch. A validity bitmap comes first in all but null and union.
 */
import type { DataType } from "apache-arrow";

/** The constructor of a typed array. */
export interface ArrayKind {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ArrayBufferView;
}

export type Layout = { readonly type: DataType } & (
  | { readonly kind: "null" }
  /** One bit a value. */
  | { readonly kind: "bits" }
  /** `perValue` elements a value. */
  | { readonly kind: "fixed"; readonly array: ArrayKind; readonly perValue: number }
  /** Offsets (64 bits when wide) into bytes. */
  | { readonly kind: "bytes"; readonly wide: boolean; readonly text: boolean }
  /** Views of 16 bytes: a value of up to 12 bytes itself, or where it lies in which further buffer. */
  | { readonly kind: "views"; readonly text: boolean }
  | { readonly kind: "list"; readonly wide: boolean; readonly child: Layout }
  | { readonly kind: "fixed_list"; readonly size: number; readonly child: Layout }
  | { readonly kind: "struct"; readonly children: readonly Layout[] }
  | {
      readonly kind: "union";
      readonly dense: boolean;
      readonly typeIds: readonly number[];
      readonly children: readonly Layout[];
    }
  | { readonly kind: "dictionary"; readonly id: number; readonly indices: ArrayKind; readonly values: Layout }
);
