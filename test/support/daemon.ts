/**
 * The built program as a child process: `node dist/main.js run -c FILE`, or another file that takes its
 * place. Its output is collected; whoever starts it ends it, at the latest with `await using`.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Mosquitto } from "./mosquitto.ts";
import { waitFor } from "./wait.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");

export interface Ending {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProgramOptions {
  readonly args: readonly string[];
  /** Instead of dist/main.js. */
  readonly file?: string;
  /** Besides ours; undefined takes one away. */
  readonly env?: NodeJS.ProcessEnv;
  readonly nodeOptions?: readonly string[];
}

/** One line of the log in the format "json". */
export type LogLine = Readonly<Record<string, unknown>>;

export class Program implements AsyncDisposable {
  readonly pid: number;
  /** Resolves when it has ended and all of its output is here. */
  readonly ended: Promise<Ending>;
  readonly startedMs = performance.now();
  #stdout = "";
  #stderr = "";
  #ending: Ending | undefined;
  readonly #signal: (name: NodeJS.Signals) => boolean;

  constructor({ args, file = mainFile, env = {}, nodeOptions = [] }: ProgramOptions) {
    const child = spawn(process.execPath, [...nodeOptions, file, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, JOURNAL_STREAM: undefined, RUNTIME_DIRECTORY: undefined, ...env },
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.#ending = { code, signal };
        resolve(this.#ending);
      });
    });
    if (child.pid === undefined) throw new Error("the program did not start");
    this.pid = child.pid;
    this.#signal = (name) => child.kill(name);
  }

  get isRunning(): boolean {
    return this.#ending === undefined;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The whole lines of the log so far; they must all be JSON. */
  get log(): LogLine[] {
    const lines = this.#stdout.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** The line whose message begins so, once it is there. */
  async said(message: string, timeoutMs = 15_000): Promise<LogLine> {
    const find = (): LogLine | undefined => this.log.find(({ msg }) => String(msg).startsWith(message));
    await waitFor(() => find() !== undefined || !this.isRunning, { timeoutMs, what: `"${message}"` });
    const line = find();
    if (line === undefined) throw new Error(`it ended without "${message}":\n${this.#stdout}${this.#stderr}`);
    return line;
  }

  /** Sends the signal and does not wait. */
  signal(name: NodeJS.Signals): void {
    this.#signal(name);
  }

  /** SIGTERM, and how it ended. */
  async stop(): Promise<Ending> {
    this.signal("SIGTERM");
    return await this.ended;
  }

  /** SIGKILL. */
  async kill(): Promise<Ending> {
    this.signal("SIGKILL");
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) await this.kill();
  }
}

export interface DaemonConfig {
  /** Holds flightline.toml and the journal's directory `data`. */
  readonly folder: string;
  readonly mqttUrl: string;
  readonly influxUrl: string;
  /** Lines for a table, by the table's name as it stands in the file: `influxdb`, `[mqtt]`, … */
  readonly lines?: Readonly<Record<string, readonly string[]>>;
}

export const database = "lorawan";

/** Writes the configuration and returns its path. Logs are JSON, and the clock is believed as it is, unless `lines` say otherwise. */
export function writeConfig({ folder, mqttUrl, influxUrl, lines = {} }: DaemonConfig): string {
  const tables: Readonly<Record<string, readonly string[]>> = {
    "[mqtt]": [`url = "${mqttUrl}"`],
    influxdb: [`url = "${influxUrl}"`, `database = "${database}"`],
    journal: [`dir = "${dataFolder(folder)}"`],
    clock: lines["clock"] === undefined ? ['ntp = "ignore"'] : [],
    log: lines["log"] === undefined ? ['format = "json"'] : [],
  };
  const text = Object.entries(tables)
    .map(([name, ours]) => [`[${name}]`, ...ours, ...(lines[name] ?? []), ""].join("\n"))
    .join("\n");
  const file = join(folder, "flightline.toml");
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Where `writeConfig` puts the journal. */
export function dataFolder(folder: string): string {
  return join(folder, "data");
}

/** The daemon with the configuration that `writeConfig` wrote. */
export function startDaemon(configFile: string, options: Omit<ProgramOptions, "args"> = {}): Program {
  return new Program({ ...options, args: ["run", "-c", configFile] });
}

/** Until mosquitto has answered so many SUBSCRIBEs; throws with what the daemons said when one of them ends. */
export async function untilSubscribed(
  broker: Mosquitto,
  daemons: readonly Program[],
  count = daemons.length,
): Promise<void> {
  const hasEnded = (): boolean => daemons.some(({ isRunning }) => !isRunning);
  await waitFor(() => broker.log().split("Sending SUBACK").length > count || hasEnded(), {
    timeoutMs: 30_000,
    what: `${count} subscriptions`,
  });
  if (hasEnded()) throw new Error(daemons.map(({ stdout, stderr }) => stdout + stderr).join("\n"));
}

/** Options of Node.js under which the wall clock is that when the process starts. */
export function clockFrom(time: string): string[] {
  const source = `const now = Date.now; const ahead = Date.parse("${time}") - now(); Date.now = () => now() + ahead;`;
  return ["--import", `data:text/javascript,${encodeURIComponent(source)}`];
}
