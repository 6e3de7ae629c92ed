/** A part of an event that did not fit has its zero there, which nobody measured: `undefined` then. Pure. */
export function known<T>(
  event: { readonly dropped: readonly string[] },
  part: string,
  value: T,
): T | undefined {
  return event.dropped.length > 0 && event.dropped.includes(part) ? undefined : value;
}
