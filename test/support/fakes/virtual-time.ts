/**
 * Time that only moves when a test says so: a `Clock`, and the global setTimeout that goes with it.
 * `setImmediate` stays real, so code under test runs as it would; between two timers everything that can
 * run does. `timersFired` counts wake-ups.
 */
import type { TestContext } from "node:test";
import type { Clock } from "../../../src/lib/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/** Turns of the event loop after which whoever could run has run: a chunk of the forwarder takes one. */
const turnsToSettle = 6;

export class VirtualTime implements Clock {
  readonly #startWallMs: number;
  readonly #timers = new Map<number, Timer>();
  #uptimeMs = 1000;
  #nextId = 1;
  timersFired = 0;

  constructor(startWallMs = Date.UTC(2026, 0, 1)) {
    this.#startWallMs = startWallMs;
  }

  /** Replaces setTimeout and clearTimeout until the test ends. */
  static install(t: TestContext, startWallMs?: number): VirtualTime {
    const time = new VirtualTime(startWallMs);
    const set = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): number => {
      const id = time.#nextId;
      time.#nextId += 1;
      // As Node does: what is below 1 or above 2^31 − 1 becomes 1.
      const delay = delayMs >= 1 && delayMs < 2 ** 31 ? Math.trunc(delayMs) : 1;
      time.#timers.set(id, { atMs: time.#uptimeMs + delay, fire: () => callback(...args) });
      return id;
    };
    t.mock.method(globalThis, "setTimeout", set as unknown as typeof setTimeout);
    t.mock.method(globalThis, "clearTimeout", (id: unknown) => time.#timers.delete(Number(id)));
    return time;
  }

  nowMs(): number {
    return this.#startWallMs + Math.floor(this.#uptimeMs);
  }

  uptimeMs(): number {
    return this.#uptimeMs;
  }

  /** Timers that are set and have not fired. */
  get timersSet(): number {
    return this.#timers.size;
  }

  /** Lets everything run that can without time passing. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < turnsToSettle; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async advance(byMs: number): Promise<void> {
    const endMs = this.#uptimeMs + byMs;
    await this.settle();
    while (await this.#fireNext(endMs)) await this.settle();
    this.#uptimeMs = endMs;
  }

  /** Lets time pass until the condition holds; fails when it does not within `withinMs` of this time. */
  async until(condition: () => boolean, withinMs: number, what: string): Promise<void> {
    const endMs = this.#uptimeMs + withinMs;
    // Work that needs no time may take many turns: only a standstill ends the wait.
    for (let idleTurns = 0; !condition();) {
      await this.settle();
      if (condition()) return;
      idleTurns = (await this.#fireNext(endMs)) ? 0 : idleTurns + 1;
      if (idleTurns > 50) throw new Error(`${what}: not within ${withinMs} ms of virtual time`);
    }
  }

  async #fireNext(endMs: number): Promise<boolean> {
    let due: [number, Timer] | undefined;
    for (const entry of this.#timers) if (due === undefined || entry[1].atMs < due[1].atMs) due = entry;
    if (due === undefined || due[1].atMs > endMs) return false;
    const [id, timer] = due;
    this.#timers.delete(id);
    this.#uptimeMs = Math.max(this.#uptimeMs, timer.atMs);
    this.timersFired += 1;
    timer.fire();
    await Promise.resolve();
    return true;
  }
}
