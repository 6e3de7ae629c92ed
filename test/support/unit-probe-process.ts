/**
 * Runs in the place of the daemon under the shipped unit, for unit-file.test.ts: does what the daemon does
 * and a hardened unit might forbid, and says in $STATE_DIRECTORY/report.json what came of it.
 */
import Database from "better-sqlite3";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { quickCheck } from "../../src/journal/quick-check.ts";
import { readBootId } from "../../src/systemd/boot-id.ts";
import { clockSyncProbe } from "../../src/systemd/clock-sync.ts";
import { notifyReady, openNotifier, pingWatchdog } from "../../src/systemd/notify.ts";
import { readUnits } from "../../src/systemd/units.ts";

const folder = (name: string): string => process.env[name] ?? "/nonexistent";
const state = folder("STATE_DIRECTORY");
const marker = join(folder("RUNTIME_DIRECTORY"), "marker");

function attempt(action: () => unknown): unknown {
  try {
    return action() ?? null;
  } catch (error) {
    return `failed: ${String(error)}`;
  }
}

function commit(): string {
  const database = new Database(join(state, "probe.db"));
  database.exec(
    "PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS probe (a); INSERT INTO probe VALUES (1)",
  );
  database.close();
  return "committed";
}

const never = new AbortController().signal;
const notifier = openNotifier(process.env);
const isRestarted = existsSync(marker);
writeFileSync(marker, "");
const report = {
  way: notifier.way,
  isRestarted,
  uid: process.getuid?.(),
  interfaces: attempt(() => Object.keys(networkInterfaces())),
  bootId: attempt(readBootId),
  clock: attempt(clockSyncProbe()),
  journal: attempt(commit),
  credentials: attempt(() => {
    const credentials = folder("CREDENTIALS_DIRECTORY");
    return Object.fromEntries(
      readdirSync(credentials).map((name) => [name, readFileSync(join(credentials, name), "utf8")]),
    );
  }),
  writeElsewhere: attempt(() => {
    writeFileSync("/etc/flightline/written", "");
  }),
  child: attempt(() => spawnSync(process.execPath, ["-p", "6 * 7"], { encoding: "utf8" }).stdout.trim()),
  quickCheck: await quickCheck(join(state, "probe.db"), 10_000, never),
  units: await readUnits(never),
};
writeFileSync(join(state, `report-${isRestarted ? "second" : "first"}.json`), JSON.stringify(report));
notifyReady(notifier);
setInterval(() => {
  pingWatchdog(notifier);
}, 1000);
