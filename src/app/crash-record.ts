/**
 * The record of a crash: `crash.json` in the data directory, written by the run that dies and taken by the
 * next one, which tells of it, notes it among the starts and keeps it as `crash.last.json`.
 *
 * Writing never throws and changes nothing about the death. After a power cut the file is the old one or the
 * new one, whole. What is read is believed only when it is exactly what this file writes.
 */
import { lstatSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { errorCode, Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import { writeDurably } from "../state/durable-file.ts";
import type { CrashedRun, Start } from "../state/starts.ts";
import { calmAfterMs } from "../supervision/crash-guard.ts";

const fileName = "crash.json";
const lastFileName = "crash.last.json";
/** Of what is no Fault. */
const crashCode = "part_crashed";
const maxCauses = 4;
const maxMessageLength = 1000;
const maxStackLength = 16_000;
/** Of a text before it is searched for secrets: a parser's error may quote megabytes. */
const maxRawLength = 128 * 1024;
/** A secret that was cut in two stays unrecognised: as much as the longest may take is left out at a cut. */
const maxSecretLength = 32 * 1024;
/** What we write stays below half of it, also when every character needs six bytes. */
const maxFileBytes = 256 * 1024;

const text = (maxLength: number): z.ZodString => z.string().max(maxLength + 1);
const name = text(200).min(1);
/** What a Date can hold. */
const ms = z.number().min(0).max(8.64e15);

const crashSchema = z.strictObject({
  format: z.literal(1),
  code: name,
  message: text(maxMessageLength),
  part: name.optional(),
  stack: text(maxStackLength),
  version: name,
  nodeVersion: name,
  bootId: name,
  /** When the run began: ms since boot, and by the wall clock. */
  uptimeMs: ms,
  startedAtMs: ms,
  /** How old it became. */
  ranMs: ms,
  crashedAtMs: ms,
});

export type CrashRecord = Readonly<z.output<typeof crashSchema>>;

export interface Crash {
  /** Whatever it is: it need not be an Error. */
  readonly thrown: unknown;
  readonly part: string | undefined;
  readonly start: Start;
  readonly nodeVersion: string;
  readonly uptimeMs: number;
  readonly nowMs: number;
}

/** Takes secrets out of a text. */
export type Redact = (text: string) => string;

/** Never throws. */
export function crashRecord(crash: Crash, redact: Redact): CrashRecord {
  const { thrown, part, start, nodeVersion, uptimeMs, nowMs } = crash;
  const { code, message, stack } = describe(thrown);
  return {
    format: 1,
    code,
    message: presentable(message, redact, maxMessageLength),
    ...(part === undefined ? {} : { part }),
    stack: presentable(stack, redact, maxStackLength),
    version: start.version,
    nodeVersion,
    bootId: start.bootId,
    uptimeMs: start.uptimeMs,
    startedAtMs: start.startedAtMs,
    ranMs: Math.max(0, uptimeMs - start.uptimeMs),
    crashedAtMs: nowMs,
  };
}

interface Description {
  readonly code: string;
  readonly message: string;
  readonly stack: string;
}

/** What is thrown may be an object that throws when somebody looks at it. */
function describe(thrown: unknown): Description {
  try {
    if (!(thrown instanceof Error)) {
      return { code: crashCode, message: `something that is no Error: ${shown(thrown)}`, stack: "" };
    }
    const code = thrown instanceof Fault ? thrown.code : crashCode;
    return { code, message: thrown.message || thrown.name, stack: stackOf(thrown, maxCauses) };
  } catch {
    return { code: crashCode, message: "something that cannot be shown", stack: "" };
  }
}

/** Not the values in an object: in bytes or in base64 nobody would find a secret again. */
function shown(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  return `an object with the keys ${Object.keys(thrown).slice(0, 20).join(", ") || "(none)"}`;
}

/** With the stacks of the causes; no other property than `code`, for the reason above. */
function stackOf(error: Error, causesLeft: number): string {
  const code = errorCode(error);
  const own = `${error.stack ?? error.message}${code === undefined ? "" : `\n    code: ${code}`}`;
  const errors: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  const cause = error.cause ?? errors;
  if (cause === undefined || causesLeft === 0) return own;
  return `${own}\ncaused by: ${cause instanceof Error ? stackOf(cause, causesLeft - 1) : shown(cause)}`;
}

/** Bounded, and without secrets: they are taken out before it is cut. */
function presentable(raw: string, redact: Redact, maxLength: number): string {
  try {
    const clean = redact(raw.slice(0, maxRawLength));
    const known = raw.length > maxRawLength ? clean.slice(0, -maxSecretLength) : clean;
    return known.length > maxLength ? `${known.slice(0, maxLength)}…` : known;
  } catch {
    return "[not shown: secrets could not be taken out of it]";
  }
}

/** Durable when it returns undefined; else the code of the error for which there is no record. Never throws. */
export function writeCrash(dir: string, record: CrashRecord): string | undefined {
  try {
    writeDurably(join(dir, fileName), `${JSON.stringify(record, undefined, 2)}\n`);
    return undefined;
  } catch (error) {
    return errorCode(error) ?? "unknown error";
  }
}

export interface RecallOptions {
  readonly dir: string;
  /** Where runs are recorded. */
  readonly starts: { endCrash(run: CrashedRun): Fault | undefined };
  readonly log: Log;
}

/**
 * Tells of the crash whose record is in `dir`, if there is one, and notes it in `starts`; before this run is
 * noted there. Reported: previous_crash, crash_record_unusable, and what `endCrash` returns.
 */
export function recallCrash({ dir, starts, log }: RecallOptions): void {
  const file = join(dir, fileName);
  const found = readCrash(file);
  if (found === undefined) return;
  if (typeof found === "string") {
    log.fault(unusableFault(`${file} ${found}: it is ignored`));
  } else {
    const { bootId, uptimeMs, startedAtMs, version, part, message } = found;
    const unrecorded = starts.endCrash({
      bootId,
      uptimeMs,
      startedAtMs,
      version,
      part,
      message,
      faultCode: found.code,
      wasCalm: found.ranMs >= calmAfterMs,
    });
    if (unrecorded !== undefined) log.fault(unrecorded);
    log.fault(previousCrashFault(found, join(dir, lastFileName)), {
      part,
      crash_code: found.code,
      at: firstOwnFrame(found.stack),
      version,
      crashed_at: new Date(found.crashedAtMs).toISOString(),
    });
  }
  try {
    renameSync(file, join(dir, lastFileName));
  } catch (error) {
    log.fault(unusableFault(`${file} cannot be renamed (${errorCode(error)}): it will be told again`));
  }
}

/** A text says why it is no record; undefined: there is none. */
function readCrash(file: string): CrashRecord | string | undefined {
  try {
    const info = lstatSync(file, { throwIfNoEntry: false });
    if (info === undefined) return undefined;
    if (!info.isFile() || info.size > maxFileBytes) return "is no crash record of ours";
    const parsed = crashSchema.safeParse(JSON.parse(readFileSync(file, "utf8")));
    return parsed.success ? parsed.data : "is no crash record of this version";
  } catch (error) {
    return error instanceof SyntaxError ? "is damaged" : `cannot be read (${errorCode(error)})`;
  }
}

/** Where in our code it happened: the first line of the stack that is neither Node's nor a library's. */
function firstOwnFrame(stack: string): string | undefined {
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  const own = frames.find((line) => !/[( ]node:|\/node_modules\/|<anonymous>\)$/.test(line));
  return own?.trim().replace(/^at /, "");
}

function previousCrashFault(record: CrashRecord, keptFile: string): Fault {
  const { code, message, part, ranMs } = record;
  const where = part === undefined ? "" : ` in the part "${part}"`;
  return new Fault({
    code: "previous_crash",
    layer: "host",
    disposition: "drop",
    message: `the daemon crashed${where}, ${Math.round(ranMs / 1000)} s after it had started: ${message}`,
    hint:
      code === crashCode
        ? `report it with ${keptFile}, which has the stack`
        : `docs/errors.md says what to do about ${code}; ${keptFile} has the stack`,
  });
}

function unusableFault(message: string): Fault {
  return new Fault({
    code: "crash_record_unusable",
    layer: "host",
    disposition: "drop",
    message,
    hint: "see that the directory belongs to the user that runs flightline, and that nothing else writes there",
  });
}
