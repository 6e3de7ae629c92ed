import { createRequire } from "node:module";
import pino from "pino";
import type * as PinoPretty from "pino-pretty";
import type { LogConfig } from "../config/log.ts";
import type { Disposition } from "../lib/fault.ts";
import type { Log, LogDetails } from "../lib/log.ts";
import { withoutControls } from "../lib/one-line.ts";

/**
 * The log on standard output. `plain`: one line, `message key=value …`, under systemd with the priority in
 * front (sd-daemon(3), "<4>") and without a time, which the journal has. `pretty`: for a person at a
 * terminal. `json`: pino's own lines.
 */
type Format = Exclude<LogConfig["format"], "auto">;

interface Environment {
  readonly isTerminal: boolean;
  /** systemd reads our standard output. */
  readonly underSystemd: boolean;
}

export function createLog({ format, level }: LogConfig, environment: Environment): Log {
  const chosen = chosenFormat(format, environment);
  const logger = pino({ level, base: null }, destination(chosen, environment.underSystemd));
  return {
    debug: (message, details) => {
      logger.debug(details ?? {}, message);
    },
    info: (message, details) => {
      logger.info(details ?? {}, message);
    },
    warn: (message, details) => {
      logger.warn(details ?? {}, message);
    },
    error: (message, details) => {
      logger.error(details ?? {}, message);
    },
    fault: (fault, details) => {
      const { code, layer, hint, message } = fault;
      logger[faultLevel[fault.disposition]]({ code, layer, ...details, hint }, message);
    },
  };
}

function chosenFormat(format: LogConfig["format"], { isTerminal }: Environment): Format {
  if (format !== "auto") return format;
  return isTerminal ? "pretty" : "plain";
}

/** systemd takes the priority from the beginning of each of our lines. */
export function isForJournald({ format }: LogConfig, environment: Environment): boolean {
  return environment.underSystemd && chosenFormat(format, environment) === "plain";
}

const faultLevel: Readonly<Record<Disposition, "warn" | "error">> = {
  retry: "warn",
  drop: "warn",
  quarantine: "warn",
  restart: "error",
  fatal: "error",
};

function destination(format: Format, underSystemd: boolean): pino.DestinationStream {
  if (format === "pretty") return prettyDestination();
  const out = pino.destination({ dest: 1, sync: true });
  return format === "json" ? out : { write: (line) => out.write(plainLine(line, underSystemd)) };
}

function prettyDestination(): pino.DestinationStream {
  // Only a person at a terminal pays for loading it.
  const { build } = createRequire(import.meta.url)("pino-pretty") as typeof PinoPretty;
  const out = build({ colorize: true, sync: true, translateTime: "SYS:HH:MM:ss.l", ignore: "pid,hostname" });
  return { write: (line) => void out.write(safeForTerminal(line)) };
}

/** One of pino's JSON lines with texts that a terminal cannot take for commands. */
function safeForTerminal(json: string): string {
  const safe = (_key: string, value: unknown): unknown =>
    typeof value === "string" ? oneLine(value) : value;
  return `${JSON.stringify(JSON.parse(json), safe)}\n`;
}

/** pino's numbers to syslog's. */
function priority(level: number): number {
  if (level >= 50) return 3;
  if (level >= 40) return 4;
  return level >= 30 ? 6 : 7;
}

const levelNames: Readonly<Record<number, string>> = { 3: "error", 4: "warn", 6: "info", 7: "debug" };

/** One of pino's JSON lines as plain text. */
export function plainLine(json: string, underSystemd: boolean): string {
  const { level, time, msg, ...details } = JSON.parse(json) as { level: number; time: number; msg: string };
  const syslog = priority(level);
  const prefix = underSystemd ? `<${syslog}>` : `${new Date(time).toISOString()} ${levelNames[syslog]} `;
  return `${clip(`${prefix}${oneLine(msg)}${plainDetails(details)}`, maxLineLength)}\n`;
}

function plainDetails(details: LogDetails): string {
  let text = "";
  for (const [key, value] of Object.entries(details)) {
    if (value === undefined) continue;
    const shown = oneLine(String(value));
    text += ` ${key}=${/[\s"=]/.test(shown) ? JSON.stringify(shown) : shown}`;
  }
  return text;
}

/** journald splits a line of more than 48 KiB: three bytes per character are the most that UTF-8 needs. */
const maxLineLength = 16_000;
const maxTextLength = 4000;

/**
 * A topic or a server's words must not be able to forge a line of ours: nothing that commands a terminal, and
 * not so long that the rest of it begins a line, where systemd would read a priority.
 */
function oneLine(text: string): string {
  return withoutControls(clip(text, maxTextLength));
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
