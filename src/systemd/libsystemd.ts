import type * as Koffi from "koffi";
import { createRequire } from "node:module";

/**
 * `sd_notify(0, state)` of libsystemd: greater than 0 when the message was handed over, 0 without
 * NOTIFY_SOCKET in the environment of this process, -errno when the kernel refused it.
 */
export type SdNotify = (state: string) => number;

/**
 * libsystemd's sd_notify, or undefined where it or koffi cannot be loaded. A call takes 11 µs; it blocks
 * only while the service manager's own queue is full.
 *
 * It reads NOTIFY_SOCKET from the environment at each call, so the variable must stay there: taking it out
 * and putting it back around the call would be `setenv` beside the `getenv` of a name lookup in another
 * thread, which glibc before 2.41 does not survive. Child processes therefore inherit it. Ours do not use
 * it; what another one sends is the unit's to refuse (`NotifyAccess=`).
 */
export function loadSdNotify(): SdNotify | undefined {
  try {
    // Loaded only here: a build without the native library must start all the same.
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const notify: (unsetEnvironment: number, state: string) => unknown = koffi
      .load("libsystemd.so.0")
      .func("int sd_notify(int unset_environment, const char *state)");
    return (state) => Number(notify(0, state));
  } catch {
    return undefined;
  }
}
