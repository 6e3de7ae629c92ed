/**
 * Runs inside of a machine, for systemd-notify.test.ts: starts services that use the port of notify.ts, does
 * things to them, and writes what systemd says of them to /results/facts.json. It judges nothing.
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { waitFor } from "./wait.ts";

const run = promisify(execFile);
const program = join(import.meta.dirname, "notify-service-process.ts");
const properties = "ActiveState,SubState,StatusText,NRestarts,MainPID";
const watchdogMs = 3000;

export type Way = "libsystemd" | "systemd-notify";

/** What `systemctl show` says at one moment. */
export type Shown = Readonly<Record<string, string>>;

interface StartOptions {
  readonly way: Way;
  readonly behaviour: string;
  readonly settings?: readonly string[];
}

/** Starts a transient unit; its exit code is that of the start job, 0 once READY=1 was seen. */
async function start(unit: string, { way, behaviour, settings = [] }: StartOptions): Promise<number> {
  const all = [
    "Type=notify",
    "User=nobody",
    `NotifyAccess=${way === "libsystemd" ? "main" : "all"}`,
    `RuntimeDirectory=${unit}`,
    "RuntimeDirectoryPreserve=restart",
    "TimeoutStartSec=20",
    "TimeoutStopSec=10",
    "ExecReload=/bin/kill -HUP $MAINPID",
    // Not a knob of the port: the library is not there.
    ...(way === "libsystemd" ? [] : ["InaccessiblePaths=-/usr/lib/x86_64-linux-gnu/libsystemd.so.0"]),
    ...(way === "libsystemd" ? [] : ["InaccessiblePaths=-/usr/lib/aarch64-linux-gnu/libsystemd.so.0"]),
    ...settings,
  ];
  const args = [`--unit=${unit}`, "--quiet", ...all.map((setting) => `--property=${setting}`)];
  return await run("systemd-run", [...args, process.execPath, program, behaviour]).then(
    () => 0,
    () => 1,
  );
}

async function show(unit: string): Promise<Shown> {
  const { stdout } = await run("systemctl", ["show", `--property=${properties}`, unit]);
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
  );
}

/** What is shown once it has this value; at the deadline, what is shown then. */
async function shownWith(unit: string, key: string, value: string): Promise<Shown> {
  await waitFor(async () => (await show(unit))[key]?.includes(value), {
    timeoutMs: 10_000,
    everyMs: 50,
    what: `${key} ${value}`,
  }).catch(() => undefined);
  return await show(unit);
}

async function steady(way: Way, user: string): Promise<Readonly<Record<string, Shown>>> {
  const unit = `steady-${way}-${user}`;
  await start(unit, { way, behaviour: "steady", settings: [`User=${user}`, `WatchdogSec=${watchdogMs}ms`] });
  const ready = await shownWith(unit, "StatusText", "by");
  await delay(2.5 * watchdogMs);
  const afterTwoPeriods = await show(unit);
  // It lasts as long as the reload does: until the second signal.
  const reload = run("systemctl", ["kill", "--kill-whom=main", "--signal=HUP", unit]);
  const reloading = await shownWith(unit, "ActiveState", "reloading");
  await reload;
  await run("systemctl", ["kill", "--kill-whom=main", "--signal=USR1", unit]);
  const reloaded = await shownWith(unit, "ActiveState", "active");
  await run("systemctl", ["kill", "--kill-whom=main", "--signal=TERM", unit]);
  const stopping = await shownWith(unit, "ActiveState", "deactivating");
  await run("systemctl", ["kill", "--kill-whom=main", "--signal=USR1", unit]);
  return { ready, afterTwoPeriods, reloading, reloaded, stopping };
}

async function silent(way: Way): Promise<Readonly<Record<string, Shown>>> {
  const unit = `silent-${way}`;
  const settings = [`WatchdogSec=${watchdogMs}ms`, "Restart=always", "RestartSec=100ms"];
  await start(unit, { way, behaviour: "silent", settings });
  const smuggling = await shownWith(unit, "StatusText", "no ping");
  const restarted = await shownWith(unit, "StatusText", "by");
  await delay(1.5 * watchdogMs);
  return { smuggling, restarted, later: await show(unit) };
}

async function observe(way: Way) {
  const brief = { way, settings: ["TimeoutStartSec=4", "TimeoutStopSec=1"] };
  const [asRoot, asUser, watchdog, extended, slow, refused] = await Promise.all([
    steady(way, "root"),
    steady(way, "nobody"),
    silent(way),
    start(`extended-${way}`, { ...brief, behaviour: "extended" }),
    start(`slow-${way}`, { ...brief, behaviour: "slow" }),
    start(`refused-${way}`, {
      way,
      behaviour: "steady",
      settings: ["TimeoutStartSec=8", "TimeoutStopSec=1", "NotifyAccess=main"],
    }),
  ]);
  return { asRoot, asUser, watchdog, starts: { extended, slow, refused } };
}

export type Facts = Readonly<Record<Way, Awaited<ReturnType<typeof observe>>>>;

const [libsystemd, byProgram] = await Promise.all([observe("libsystemd"), observe("systemd-notify")]);
const facts: Facts = { libsystemd, "systemd-notify": byProgram };
writeFileSync("/results/facts.json", JSON.stringify(facts));
// Some of them wait for a second signal, and the end of the machine with them.
await run("systemctl", ["kill", "--signal=KILL", "*-libsystemd*", "*-systemd-notify*"]);
