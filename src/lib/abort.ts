/** Longer timers would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** What `setTimeout` can wait for: 0 to 24.8 days. */
export function timerMs(delayMs: number): number {
  return Math.min(maxTimerMs, Math.max(0, delayMs));
}

/** Into how many parts a delay of `afterDelay` is cut for the sake of standstills. */
const usualSlices = 8;

/**
 * Calls `listener` when `delayMs` (24.8 days at most) are over, after all that has arrived by then; returns the way to
 * take that back.
 *
 * Node.js looks at its timers before it reads: after a standstill of this process, a plain timer is first even where
 * the answer that it waits for has long been there. And what takes several round trips went on for none of them
 * meanwhile: so a standstill counts for one of `slices` parts of the delay at most.
 */
export function afterDelay(delayMs: number, listener: () => void, slices = usualSlices): () => void {
  const sliceMs = timerMs(delayMs) / slices;
  let left = slices;
  let last: NodeJS.Immediate | undefined;
  let timer = setTimeout(next, sliceMs);
  function next(): void {
    left -= 1;
    if (left > 0) timer = setTimeout(next, sliceMs);
    else last = setImmediate(listener);
  }
  return () => {
    clearTimeout(timer);
    clearImmediate(last);
  };
}

/** Calls `listener` once when the signal aborts; returns the way to take that back. */
export function once(signal: AbortSignal, listener: () => void): () => void {
  signal.addEventListener("abort", listener, { once: true });
  return () => {
    signal.removeEventListener("abort", listener);
  };
}

/** Resolves after `delayMs` (24.8 days at most) or as soon as the signal aborts; never rejects. */
export async function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const stopListening = once(signal, done);
    const timer = setTimeout(done, timerMs(delayMs));
    function done(): void {
      clearTimeout(timer);
      stopListening();
      resolve();
    }
  });
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    once(signal, resolve);
  });
}

/** True when the promise settled within the time; false when it is still pending. Its rejection is passed on. */
export async function settledWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let stopWaiting: (() => void) | undefined;
  const late = new Promise<false>((resolve) => {
    stopWaiting = afterDelay(timeoutMs, () => resolve(false), 1);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    stopWaiting?.();
  }
}
