/**
 * What the daemon tells its service manager: sd_notify(3). Through libsystemd, or by the program
 * `systemd-notify` where that cannot be loaded; nothing without NOTIFY_SOCKET.
 *
 * Telling never throws and never stops the daemon: a message that could not be handed over is a fault that
 * is kept. One that was handed over and then disregarded (`NotifyAccess=`) leaves no trace here: the service
 * manager does not answer.
 */
import { getSystemErrorMessage } from "node:util";
import { Fault } from "../lib/fault.ts";
import { loadSdNotify, type SdNotify } from "./libsystemd.ts";
import { notifyProgram, type NotifyProgramOptions } from "./notify-program.ts";

export interface Notifier {
  /** "none": there is no service manager that wants to hear. */
  readonly way: "libsystemd" | "systemd-notify" | "none";
  /** Variables of sd_notify(3) in one message. The functions below spell them; nobody else should. */
  send(assignments: Readonly<Record<string, string>>): void;
  /** Why the newest message did not get out (notify_failed); undefined again after one that did. */
  readonly lastFault: Fault | undefined;
  /** How long the service manager waits for `pingWatchdog`; undefined when it does not wait for any. */
  readonly watchdogMs: number | undefined;
  /** Resolves when everything has been sent or given up (2 s at most); what comes after it is not sent. */
  close(): Promise<void>;
}

export interface NotifierDeps {
  readonly loadSdNotify?: () => SdNotify | undefined;
  /** Instead of the program of that name in PATH. */
  readonly program?: NotifyProgramOptions["command"];
  readonly pid?: number;
  /** One run of the program: it waits until the service manager has read its message. */
  readonly programTimeoutMs?: number;
  readonly closeTimeoutMs?: number;
}

/** systemd disregards a message above 4096 bytes; a character of these takes at most 3. */
const maxLineChars = 1000;

/** The environment must be that of this process: libsystemd reads NOTIFY_SOCKET from there. */
export function openNotifier(env: NodeJS.ProcessEnv, deps: NotifierDeps = {}): Notifier {
  const { NOTIFY_SOCKET: socket = "" } = env;
  if (socket === "") return silentNotifier;
  let lastFault: Fault | undefined;
  let isClosed = false;
  const sent = (problem: string | undefined): void => {
    lastFault = problem === undefined ? undefined : notifyFault(way, problem);
  };
  const sdNotify = (deps.loadSdNotify ?? loadSdNotify)();
  const way = sdNotify === undefined ? "systemd-notify" : "libsystemd";
  const carrier =
    sdNotify === undefined
      ? notifyProgram({
          command: deps.program ?? ["systemd-notify"],
          onSent: sent,
          timeoutMs: deps.programTimeoutMs ?? 5000,
          closeTimeoutMs: deps.closeTimeoutMs ?? 2000,
        })
      : libraryCarrier(sdNotify, sent);
  return {
    way,
    send: (assignments) => {
      if (!isClosed) carrier.send(Object.entries(assignments).map(([key, value]) => lineOf(key, value)));
    },
    get lastFault() {
      return lastFault;
    },
    watchdogMs: watchdogMs(env, deps.pid ?? process.pid),
    close: async () => {
      isClosed = true;
      await carrier.close();
    },
  };
}

/** Where no service manager wants to hear. */
export const silentNotifier: Notifier = {
  way: "none",
  send: () => undefined,
  lastFault: undefined,
  watchdogMs: undefined,
  close: async () => {
    await Promise.resolve();
  },
};

interface Carrier {
  send(lines: readonly string[]): void;
  close(): Promise<void>;
}

function libraryCarrier(sdNotify: SdNotify, sent: (problem: string | undefined) => void): Carrier {
  return {
    send: (lines) => {
      const result = sdNotify(lines.join("\n"));
      if (result > 0) sent(undefined);
      else if (result === 0) sent("NOTIFY_SOCKET is no longer in the environment");
      else sent(getSystemErrorMessage(result));
    },
    close: async () => {
      await Promise.resolve();
    },
  };
}

/** A line break would start an assignment of its own, WATCHDOG=1 for one. */
function lineOf(key: string, value: string): string {
  return `${key}=${value}`
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")
    .slice(0, maxLineChars)
    .toWellFormed();
}

/** WATCHDOG_USEC, where it is meant for this process: WATCHDOG_PID may name another one. */
function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { WATCHDOG_USEC: periodUs = "", WATCHDOG_PID: watched = "" } = env;
  if (watched !== "" && watched !== String(pid)) return undefined;
  return /^[1-9]\d{0,15}$/.test(periodUs) ? Number(periodUs) / 1000 : undefined;
}

function notifyFault(way: string, problem: string): Fault {
  return new Fault({
    code: "notify_failed",
    layer: "host",
    disposition: "drop",
    message: `the service manager could not be told (${way}): ${problem}`,
    hint: "see that the unit has Type=notify, and that the service may reach the socket named by NOTIFY_SOCKET",
  });
}

/** Start-up is complete, or a reload is. */
export function notifyReady(notifier: Notifier): void {
  notifier.send({ READY: "1" });
}

/** One line for `systemctl status`. */
export function notifyStatus(notifier: Notifier, text: string): void {
  notifier.send({ STATUS: text });
}

export function notifyStopping(notifier: Notifier): void {
  notifier.send({ STOPPING: "1" });
}

/** A reload begins; `notifyReady` ends it. */
export function notifyReloading(notifier: Notifier): void {
  // CLOCK_MONOTONIC, by which the service manager tells this reload's READY from an older one.
  notifier.send({ RELOADING: "1", MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) });
}

export function pingWatchdog(notifier: Notifier): void {
  notifier.send({ WATCHDOG: "1" });
}

/** Starting or stopping goes on: the service manager waits that much longer, from now. */
export function extendTimeout(notifier: Notifier, timeoutMs: number): void {
  notifier.send({ EXTEND_TIMEOUT_USEC: String(Math.ceil(timeoutMs * 1000)) });
}
