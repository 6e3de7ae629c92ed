/**
 * Objects of one shape with names that a server chose.
 *
 * Each name becomes an own property, whatever it is: "__proto__" too is defined on a model object once, and copies of
 * that model have it from the beginning, so that a later assignment sets it and nothing else. A copy keeps the model's
 * shape, which is what makes reading the rows fast.
 */
import type { Value } from "./values.ts";

export type Writable = Record<string, Value>;

/** A function that makes objects with these properties, all null. */
export function objectsWith(names: readonly string[]): () => Writable {
  const model: Writable = {};
  for (const name of names) {
    Object.defineProperty(model, name, { value: null, writable: true, enumerable: true, configurable: true });
  }
  return () => ({ ...model });
}

/**
 * The names as keys of one object. A join may give two columns of one name: the second `time` becomes `time_2`, the
 * third `time_3`, or the next such name that no column has.
 */
export function distinctNames(names: readonly string[]): string[] {
  const taken = new Set(names);
  const counts = new Map<string, number>();
  return names.map((name) => {
    let count = counts.get(name);
    let next = name;
    while (count !== undefined && taken.has(next)) {
      count += 1;
      next = `${name}_${count}`;
    }
    counts.set(name, count ?? 1);
    return next;
  });
}
