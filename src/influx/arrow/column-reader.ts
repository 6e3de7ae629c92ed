/**
 * What the readers of single types have in common.
 *
 * A reader is compiled once per schema (`Bind`) and bound to the buffers of each batch (`Get`). Batches are as decoder.ts
 * makes them: every buffer long enough, every offset, view, index and type id in bounds, every text UTF-8. So
 * any index from 0 to `data.length - 1` is read without another look, which is why elements of typed arrays are taken
 * `as number` in these files; that a batch belongs to the schema is asserted when it is bound.
 *
 * A slice of a batch has its typed arrays cut to it; only bitmaps (validity, Bool) still begin `data.offset` bits before.
 */
import type { Data } from "apache-arrow";
import { assert } from "../../lib/fault.ts";
import type { Value } from "./values.ts";

export type Get = (index: number) => Value;
export type Bind = (data: Data) => Get;

/** A column without rows may lack its buffers: nothing is bound, and nobody asks for a value. */
export function unlessEmpty(bind: Bind): Bind {
  return (data) => (data.length === 0 ? () => null : bind(data));
}

/** Nulls are told apart here, for all types but unions. */
export function nullable(bind: Bind): Bind {
  return (data) => {
    const get = bind(data);
    if (data.nullCount <= 0) return get;
    const { nullBitmap, offset } = data;
    return (index) => (isSet(nullBitmap, offset + index) ? get(index) : null);
  };
}

export function isSet(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >> 3] as number) & (1 << (bit & 7))) !== 0;
}

/** The typed array of a column with `stride` elements for each row. */
export function valuesOf<Values extends ArrayBufferView & { readonly length: number }>(
  data: Data,
  kind: abstract new (...args: never[]) => Values,
  stride = 1,
): Values {
  const values: unknown = data.values;
  assert(
    values instanceof kind && values.length >= data.length * stride,
    "a column has the values of its type",
  );
  return values;
}

/** Where each value begins, and one more for the end of the last. Those of 64 bits fit 32: so does what they point into. */
export function offsetsOf(data: Data): Int32Array {
  const offsets: unknown = data.valueOffsets;
  if (offsets instanceof BigInt64Array) return Int32Array.from(offsets, Number);
  assert(offsets instanceof Int32Array, "a column has the offsets of its type");
  return offsets;
}

export function childOf(data: Data, index: number): Data {
  const child = data.children[index];
  assert(child !== undefined, "a column has the children of its type");
  return child;
}
