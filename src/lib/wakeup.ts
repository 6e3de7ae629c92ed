import { once, timerMs } from "./abort.ts";

/**
 * "Something changed, look again": waiters are woken, nothing is queued. A consumer checks its own
 * condition first and waits only when there is nothing to do, so a wake-up between two checks is kept.
 */
export class Wakeup {
  #version = 0;
  readonly #waiters = new Set<() => void>();

  notify(): void {
    this.#version += 1;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  /** Read this before checking the condition, and pass it to `changedSince`. */
  get version(): number {
    return this.#version;
  }

  /** Resolves when `notify` was called after `version` was read, at `timeoutMs`, or on abort. */
  async changedSince(version: number, signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (this.#version !== version || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(done, timerMs(timeoutMs));
      const waiters = this.#waiters;
      const stopListening = once(signal, done);
      waiters.add(done);
      function done(): void {
        clearTimeout(timer);
        stopListening();
        waiters.delete(done);
        resolve();
      }
    });
  }
}
