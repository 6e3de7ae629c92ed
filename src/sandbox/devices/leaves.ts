import type { CodecObject, CodecValue } from "./event.ts";

export type Leaf = number | string | boolean;

/** The leaves of a codec's object by column name: `{a: {b: [1, 2]}, c: null}` → a_b_0 = 1, a_b_1 = 2. */
export function leavesOf(object: CodecObject): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  collect(leaves, "", object);
  return leaves;
}

function collect(leaves: Map<string, Leaf>, name: string, value: CodecValue): void {
  if (value === null) return;
  if (typeof value !== "object") {
    leaves.set(name, value);
    return;
  }
  for (const [key, item] of Object.entries(value))
    collect(leaves, name === "" ? key : `${name}_${key}`, item);
}
