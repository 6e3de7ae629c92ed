import { createRequire } from "node:module";
import type * as Koffi from "koffi";

/**
 * For `process.on("exit")`: the process ends here and now, with this code. Everything that must last is written by
 * then, and what Node does after it may never end:
 *
 * - it waits for threads that look up a name (getaddrinfo), which nobody can stop: half a minute with three DNS
 *   servers that do not answer;
 * - it waits for V8's compiler threads, and one of those may wait for a collection that only the main thread
 *   makes, which has ended. Seen once with Node 24.21, by gdb: a daemon that stood there for minutes after SIGTERM.
 *
 * Where koffi cannot be loaded, the process ends as it would without this. `--cpu-prof` and the like write nothing.
 */
export function endNow(code: number): void {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const end: unknown = koffi.load("libc.so.6").func("void _exit(int status)");
    if (typeof end === "function") end(code);
  } catch {
    // Node's own end is the usual one, after all.
  }
}
