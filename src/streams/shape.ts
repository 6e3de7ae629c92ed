/** Checks of shapes. The process that answers is small, and a schema library would be a tenth of it. Pure. */

export type Check = (value: unknown) => boolean;

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const isText: Check = (value) => typeof value === "string";

export const isBoolean: Check = (value) => typeof value === "boolean";

/** A number of something: finite, and not negative. */
export const isCount: Check = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0;

export function nothingOr(check: Check): Check {
  return (value) => value === undefined || check(value);
}

export function oneOf(...texts: readonly string[]): Check {
  return (value) => typeof value === "string" && texts.includes(value);
}

export function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every((item) => check(item));
}

export function recordOf(check: Check): Check {
  return (value) => isObject(value) && Object.values(value).every((item) => check(item));
}

/** An object with these properties; others may be there. */
export function shape(checks: Readonly<Record<string, Check>>): Check {
  const entries = Object.entries(checks);
  return (value) => isObject(value) && entries.every(([name, check]) => check(value[name]));
}

export function every(...checks: readonly Check[]): Check {
  return (value) => checks.every((check) => check(value));
}
