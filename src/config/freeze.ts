/** Freezes plain data and everything below it. Class instances (`Secret`) are frozen, not entered. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  Object.freeze(value);
  if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
    for (const item of Object.values(value)) deepFreeze<unknown>(item);
  }
  return value;
}
