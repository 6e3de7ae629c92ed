/** A server may ask for patience, not for a day off: longer waits are cut to this. */
const maxRetryAfterMs = 10 * 60_000;

/**
 * `Retry-After` (RFC 9110 §10.2.3), seconds or an HTTP date → milliseconds from `nowMs`, at most ten
 * minutes; a date in the past is 0, what is neither is undefined. Pure.
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const value = header.trim();
  if (/^\d+(?:\.\d+)?$/.test(value)) return Math.min(Number(value) * 1000, maxRetryAfterMs);
  // Every HTTP date names its month; Date.parse alone would take "-5" or "1 2" for one, too.
  if (!/[a-z]{3}/i.test(value)) return undefined;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.min(Math.max(0, atMs - nowMs), maxRetryAfterMs);
}
