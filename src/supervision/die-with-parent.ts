/** For a process of ours that must not outlive the daemon, not even a daemon that was killed. */
import { createRequire } from "node:module";
import type * as Koffi from "koffi";

/** prctl(2): the kernel sends this process a signal when its parent dies. */
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/**
 * From now on this process is killed when `parentPid` dies, also in an endless loop. False: it has died already, and
 * nothing would come. Where koffi cannot be loaded there is no such signal, and the answer is of this moment.
 */
export function dieWithParent(parentPid: number): boolean {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const prctl: unknown = koffi.load("libc.so.6").func("int prctl(int option, unsigned long argument)");
    if (typeof prctl === "function") prctl(PR_SET_PDEATHSIG, SIGKILL);
  } catch {
    // Whoever calls this also ends when its pipe to the parent does, as long as it gets round to it.
  }
  return process.ppid === parentPid;
}
