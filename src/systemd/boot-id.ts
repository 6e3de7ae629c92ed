import { readFileSync } from "node:fs";

/** The kernel's name for this boot: uptimes compare only within one. */
export function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
