import { spawn } from "node:child_process";
import { errorText } from "../lib/fault.ts";

/**
 * Sends notifications by the program `systemd-notify`, for systems where libsystemd cannot be loaded. One
 * process at a time and in order: READY must not overtake RELOADING. What waits behind a running one is
 * bounded, and only the newest of each value that replaces itself is kept.
 *
 * The program is another process, so its messages count only where the unit says `NotifyAccess=all`. It
 * ends with 0 when the service manager disregarded it: nobody but the service manager knows.
 */
export interface NotifyProgram {
  /** Lines of KEY=value. Never throws. */
  send(lines: readonly string[]): void;
  /** Resolves when all of it has been sent, or has been given up at the deadline. */
  close(): Promise<void>;
}

export interface NotifyProgramOptions {
  /** Also its arguments in front of ours: `["systemd-notify"]`. */
  readonly command: readonly [string, ...string[]];
  /** What became of each message: undefined when it was sent, or why it was not. */
  readonly onSent: (problem: string | undefined) => void;
  readonly timeoutMs: number;
  readonly closeTimeoutMs: number;
}

/** READY, RELOADING and STOPPING alternate seldom; more waiting than this is a program that hangs. */
const maxWaiting = 8;
/** An older one of these says nothing beside a newer one. */
const replaceable = new Set(["STATUS", "WATCHDOG", "EXTEND_TIMEOUT_USEC"]);

export function notifyProgram(options: NotifyProgramOptions): NotifyProgram {
  let waiting: readonly (readonly string[])[] = [];
  let running: Promise<void> | undefined;
  const deadline = new AbortController();

  const drain = async (): Promise<void> => {
    for (let next = waiting[0]; next !== undefined && !deadline.signal.aborted; next = waiting[0]) {
      waiting = waiting.slice(1);
      options.onSent(await runOnce(options, next, deadline.signal));
    }
    running = undefined;
  };
  return {
    send: (lines) => {
      const queued = enqueue(waiting, lines);
      waiting = queued.slice(-maxWaiting);
      if (queued.length > maxWaiting) {
        options.onSent("it takes longer than messages come, and the oldest of them was given up");
      }
      running ??= drain();
    },
    close: async () => {
      const timer = setTimeout(() => {
        deadline.abort();
      }, options.closeTimeoutMs);
      await running;
      clearTimeout(timer);
    },
  };
}

/** What waits after one more message: pure. */
export function enqueue(
  waiting: readonly (readonly string[])[],
  lines: readonly string[],
): (readonly string[])[] {
  const renewed = new Set(lines.map(keyOf).filter((key) => replaceable.has(key)));
  const older = waiting.map((message) => message.filter((line) => !renewed.has(keyOf(line))));
  return [...older.filter((message) => message.length > 0), lines];
}

function keyOf(line: string): string {
  return line.split("=", 1)[0] ?? "";
}

/** Resolves with what went wrong, or undefined. */
async function runOnce(
  { command: [program, ...args], timeoutMs }: NotifyProgramOptions,
  lines: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  try {
    const child = spawn(program, [...args, "--", ...lines], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      signal,
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(0, 300);
    });
    child.on("error", (error) => {
      resolve(errorText(error));
    });
    child.on("close", (code, killedBy) => {
      if (code === 0) resolve(undefined);
      else resolve(said.trim().replaceAll("\n", "; ") || `it ended with ${code ?? killedBy ?? "nothing"}`);
    });
  } catch (error) {
    resolve(errorText(error));
  }
  return await promise;
}
