import { spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { once } from "../lib/abort.ts";
import type { Fault } from "../lib/fault.ts";
import { foundDamage } from "./faults.ts";

export type CheckResult = "sound" | "damaged" | "unfinished";

/**
 * SQLite's `quick_check` of a file that is in use, in a process of its own: the check blocks for as long as
 * it takes, seconds for a large journal on an SD card, and nothing but a signal ends it. At a low
 * priority; killed after `timeoutMs` or when the signal aborts, which is "unfinished".
 */
export async function quickCheck(file: string, timeoutMs: number, signal: AbortSignal): Promise<CheckResult> {
  if (signal.aborted) return "unfinished";
  const { promise, resolve } = Promise.withResolvers<CheckResult>();
  // The same file in src and in dist, as what this one is: TypeScript or JavaScript.
  const program = new URL(`./quick-check-process${extname(import.meta.filename)}`, import.meta.url);
  const child = spawn(process.execPath, [fileURLToPath(program), file, String(process.pid)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  const timer = setTimeout(kill, timeoutMs);
  const stopListening = once(signal, kill);
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(0, 1000);
  });
  child.on("error", () => {
    resolve("unfinished");
  });
  child.on("close", () => {
    const word = said.trim();
    resolve(word === "sound" || word === "damaged" ? word : "unfinished");
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}

/** What a check has found. The file is marked: see `foundDamage`. */
export function damagedFault(file: string): Fault {
  return foundDamage(file, "found by quick_check");
}
