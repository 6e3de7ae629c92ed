/** What the kernel counts for a process: /proc/PID (Linux, proc(5)). */
import { readFileSync } from "node:fs";

/** USER_HZ, in which the kernel shows times: 100 on every Linux that runs Node. */
const msPerTick = 10;

/** User and system time of all threads since the start, ms. */
export function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Behind the name, which may itself hold spaces and brackets: field 3 is the first.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
}

/** Resident set, MB of 1,000,000 bytes. */
export function residentMb(pid: number): number {
  return (numberAfter(`/proc/${pid}/status`, "VmRSS:") * 1024) / 1e6;
}

/**
 * Bytes that this process made dirty and the kernel has to write to a disk. Not in it: the file system's
 * own journal, and what the flash's controller makes of it.
 */
export function writtenBytes(pid: number): number {
  return numberAfter(`/proc/${pid}/io`, "write_bytes:");
}

function numberAfter(file: string, key: string): number {
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((candidate) => candidate.startsWith(key));
  const value = Number.parseInt(line?.slice(key.length) ?? "", 10);
  if (Number.isNaN(value)) throw new Error(`${file} does not say ${key}`);
  return value;
}
