/** Waiting for things instead of sleeping, free ports, and folders that clean up after themselves. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
  /** Named when time runs out: "waited 5000 ms for <what>". */
  readonly what: string;
}

/** Asks again and again until the condition gives something truthy; throws at the deadline. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const { timeoutMs = 5000, everyMs = 10, what } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined | 0 | "">;
    if (performance.now() >= deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await delay(everyMs);
  }
}

/** A loopback port that nobody listens on just now. Prefer port 0 where the server takes it. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  return port;
}

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
  remove(): Promise<void>;
}

/** `await using folder = await temporaryFolder("journal")`, or call `remove` in an `after`. */
export async function temporaryFolder(name: string): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), `flightline-${name}-`));
  const remove = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true });
  };
  return { path, remove, [Symbol.asyncDispose]: remove };
}
