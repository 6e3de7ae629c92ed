import type * as Koffi from "koffi";
import { createRequire } from "node:module";

/** `adjtimex` returns this while the kernel clock is not disciplined by anyone (TIME_ERROR, timex.h). */
const timeError = 5;
/** struct timex is 208 bytes on 64-bit Linux; the kernel writes no further. */
const timexBytes = 512;

/**
 * A function that says whether the kernel considers its clock synchronised (NTP, PTP, GPS: whoever calls
 * adjtimex). It answers undefined where the kernel cannot be asked. systemd's own mark
 * (/run/systemd/timesync/synchronized) would miss chrony, ntpd and gpsd.
 */
export function clockSyncProbe(): () => boolean | undefined {
  let adjtimex: (buffer: Buffer) => unknown;
  try {
    // Loaded only here: a build without the native library must start all the same.
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    adjtimex = koffi.load("libc.so.6").func("int adjtimex(void *timex)");
  } catch {
    return () => undefined;
  }
  return () => {
    // All zero: mode 0 reads and changes nothing.
    const state = adjtimex(Buffer.alloc(timexBytes));
    return typeof state === "number" && state >= 0 ? state !== timeError : undefined;
  };
}
