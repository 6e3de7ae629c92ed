import { createRequire } from "node:module";
import type * as Koffi from "koffi";

/**
 * For `process.on("exit")`: where a name is still being looked up, the process ends here and now, with this code.
 *
 * The system's lookup (getaddrinfo) cannot be stopped, and the end of a process waits for it: half a minute with
 * three DNS servers that do not answer. A lookup has nothing to lose, and nobody wants its result any more. Where
 * koffi cannot be loaded, the process ends as it would without this.
 */
export function leaveLookups(code: number): void {
  if (!process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap")) return;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const end: unknown = koffi.load("libc.so.6").func("void _exit(int status)");
    if (typeof end === "function") end(code);
  } catch {
    // The lookup ends by itself.
  }
}
