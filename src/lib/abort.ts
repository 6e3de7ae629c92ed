/** Longer timers would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** What `setTimeout` can wait for: 0 to 24.8 days. */
export function timerMs(delayMs: number): number {
  return Math.min(maxTimerMs, Math.max(0, delayMs));
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
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timerMs(timeoutMs), false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
