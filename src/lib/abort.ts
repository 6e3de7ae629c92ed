/** Calls `listener` once when the signal aborts; returns the way to take that back. */
export function once(signal: AbortSignal, listener: () => void): () => void {
  signal.addEventListener("abort", listener, { once: true });
  return () => {
    signal.removeEventListener("abort", listener);
  };
}

/** Resolves after `delayMs` or as soon as the signal aborts; never rejects. */
export async function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const stopListening = once(signal, done);
    const timer = setTimeout(done, Math.max(0, delayMs));
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
    timer = setTimeout(resolve, timeoutMs, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
