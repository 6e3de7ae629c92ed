import { Secret } from "../lib/secret.ts";

/**
 * Whether two parts of configurations say the same. Not `isDeepStrictEqual`, which cannot look into a `Secret`
 * and takes any two of them for equal. Two objects that cannot be looked into differ.
 */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (one instanceof Secret) return other instanceof Secret && one.reveal() === other.reveal();
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (one instanceof Map || one instanceof Set) {
    return other instanceof one.constructor && isSame([...one], [...(other as typeof one)]);
  }
  if (!isPlain(one) || !isPlain(other) || Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isSame(valueOf(one, key), valueOf(other, key)))
  );
}

/** Whether its keys say all of it. */
function isPlain(object: object): boolean {
  return Array.isArray(object) || Object.getPrototypeOf(object) === Object.prototype;
}

function valueOf(object: object, key: string): unknown {
  return (object as Readonly<Record<string, unknown>>)[key];
}
