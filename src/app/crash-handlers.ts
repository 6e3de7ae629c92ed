/**
 * What becomes of an exception that nobody catches and of a rejection that nobody handles: a record in the
 * data directory, one message on standard error, exit code 1. The state of the program is unknown then, so
 * nothing else is tried: no draining, no database.
 *
 * Deaths that run no JavaScript leave no record: V8's abort when its heap is full, SIGSEGV, SIGKILL. Their
 * trace is a start whose end is unknown (`state/starts.ts`).
 */
import { writeSync } from "node:fs";
import type { Clock } from "../lib/clock.ts";
import { withoutControls } from "../lib/one-line.ts";
import type { Start } from "../state/starts.ts";
import { type CrashRecord, crashRecord, type Redact, writeCrash } from "./crash-record.ts";

export interface CrashOptions {
  /** It need not exist. */
  readonly dir: string;
  /** As it is told to `Starts.begin`. */
  readonly start: Start;
  /** The part whose code runs (`runningPart` of supervision/child-run.ts). */
  readonly part: () => string | undefined;
  readonly redact: Redact;
  readonly clock: Clock;
  /** systemd reads standard error and the log is in its plain format: each line begins with "<3>". */
  readonly isForJournald: boolean;
  /** Ends the process at once: process.exit, which only main.ts may call. */
  readonly exit: (code: number) => void;
}

export interface CrashHandlers extends Disposable {
  /**
   * For a failure that was caught and ends the process all the same, as that of a critical part. The first
   * record of a run stays: what fails later fails because of it. Never throws, prints nothing.
   */
  readonly record: (thrown: unknown, part: string | undefined) => void;
}

/** Until it is disposed of. */
export function installCrashRecord(options: CrashOptions): CrashHandlers {
  const { dir, start, redact, clock, exit } = options;
  let isRecorded = false;
  const save = (
    thrown: unknown,
    part: string | undefined,
  ): { record: CrashRecord; failure?: string | undefined } => {
    const now = { uptimeMs: clock.uptimeMs(), nowMs: clock.nowMs(), nodeVersion: process.version };
    const record = crashRecord({ thrown, part, start, ...now }, redact);
    if (isRecorded) return { record };
    isRecorded = true;
    return { record, failure: writeCrash(dir, record) };
  };
  const die = (thrown: unknown): void => {
    try {
      const { record, failure } = save(thrown, options.part());
      print(crashText(record, failure), options.isForJournald);
    } finally {
      leave(exit);
    }
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
  return {
    record: (thrown, part) => {
      save(thrown, part);
    },
    [Symbol.dispose]: () => {
      process.off("uncaughtException", die);
      process.off("unhandledRejection", die);
    },
  };
}

/** A listener of "exit" that throws interrupts process.exit, and would make it code 7; the second call asks nobody. */
function leave(exit: CrashOptions["exit"]): void {
  try {
    exit(1);
  } catch {
    exit(1);
  }
}

function crashText({ code, part, message, stack }: CrashRecord, failure: string | undefined): string {
  const where = part === undefined ? "" : ` in the part "${part}"`;
  const unwritten = failure === undefined ? "" : `\nthis crash could not be recorded (${failure})`;
  return `flightline crashed${where} [${code}]: ${stack === "" ? message : stack}${unwritten}`;
}

/** sd-daemon(3): journald takes the priority from the beginning of each line; 3 is an error. */
function print(text: string, isForJournald: boolean): void {
  const lines = text.split("\n").map(withoutControls);
  const prefix = isForJournald ? "<3>" : "";
  try {
    writeSync(2, lines.map((line) => `${prefix}${line}\n`).join(""));
  } catch {
    // Nobody reads it: the record is in the file.
  }
}
