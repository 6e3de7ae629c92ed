import type Database from "better-sqlite3";
import { statfsSync } from "node:fs";

const defaultQuotaBytes = 2 * 1024 ** 3;
const defaultDiskShare = 0.2;

/** The smaller of 2 GiB and 20 % of the disk that holds `dir`. */
export function automaticQuotaBytes(dir: string): number {
  const disk = statfsSync(dir);
  return Math.min(defaultQuotaBytes, Math.floor(disk.blocks * disk.bsize * defaultDiskShare));
}

/** `max_page_count`: at the quota INSERT fails and DELETE still works, unlike on a full disk. */
export function applyQuota(database: Database.Database, quotaBytes: number): void {
  const pageBytes = Number(database.pragma("page_size", { simple: true }));
  database.pragma(`max_page_count = ${Math.max(64, Math.floor(quotaBytes / pageBytes))}`);
}
