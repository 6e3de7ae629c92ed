/**
 * A service for systemd-notify.test.ts: node notify-service-process.ts BEHAVIOUR. It tells its service
 * manager by the daemon's own port, and nothing else.
 *
 *   steady     ready; pings; on SIGHUP a reload that SIGUSR1 ends, on SIGTERM a stop that SIGUSR1 ends
 *   silent     ready, and no ping; its STATUS tries to smuggle one. After a restart: steady
 *   extended   ready after 6 s, having asked for 10 s
 *   slow       ready after 6 s, without asking
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  extendTimeout,
  notifyReady,
  notifyReloading,
  notifyStatus,
  notifyStopping,
  openNotifier,
  pingWatchdog,
} from "../../src/systemd/notify.ts";

const slowMs = 6000;
const notifier = openNotifier(process.env);
const [behaviour = "steady"] = process.argv.slice(2);
const startedFile = join(process.env["RUNTIME_DIRECTORY"] ?? "/nonexistent", "started");
const isRestarted = existsSync(startedFile);
writeFileSync(startedFile, "");

let onUserSignal = (): void => undefined;
process.on("SIGUSR1", () => {
  onUserSignal();
});
process.on("SIGHUP", () => {
  notifyReloading(notifier);
  onUserSignal = () => {
    notifyReady(notifier);
  };
});
process.on("SIGTERM", () => {
  notifyStopping(notifier);
  onUserSignal = () => {
    void notifier.close().then(() => process.exit(0));
  };
});

if (behaviour === "extended") extendTimeout(notifier, 10_000);
if (behaviour === "extended" || behaviour === "slow") await delay(slowMs);
notifyReady(notifier);
if (behaviour === "silent" && !isRestarted) {
  setInterval(() => {
    notifyStatus(notifier, "no ping\nWATCHDOG=1\r\nREADY=1");
  }, 100);
} else {
  notifyStatus(notifier, `by ${notifier.way}\nX=1, watchdog ${notifier.watchdogMs} ms`);
  setInterval(() => {
    pingWatchdog(notifier);
  }, 250);
}
