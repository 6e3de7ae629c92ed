/** The command line of `flightline buffer`. What a command needs is loaded when it is called. */
import type { Command } from "commander";
import type { ListOptions, StatsOptions } from "./buffer.ts";
import type { PurgeOptions, RequeueOptions, ResendOptions } from "./buffer-changes.ts";
import type { ExportOptions } from "./buffer-export-command.ts";
import type { Io } from "./io.ts";

/** What all commands of main.ts share. */
export interface Surroundings {
  /** Takes the exit code of the command. */
  readonly finish: (running: Promise<number>) => Promise<void>;
  readonly defaultConfig: string;
  readonly serviceSocket: string;
  readonly wholeNumber: (text: string) => number;
  /** An option that may be given several times. */
  readonly appended: (text: string, earlier?: readonly string[]) => readonly string[];
}

/** What is not in InfluxDB. */
export function bufferCommands(program: Command, io: Io, surroundings: Surroundings): void {
  const buffer = program
    .command("buffer")
    .description(
      "what is not in InfluxDB: look at it, take it out, put it back; beside a daemon or without one",
    );
  const shared = sharedBy(buffer, surroundings);
  readingCommands(shared, io, surroundings);
  changingCommands(shared, io, surroundings);
}

interface Shared {
  readonly command: (name: string, description: string) => Command;
  /** Adds what chooses rows. */
  readonly withRows: (command: Command) => Command;
  readonly find: (command: Command) => FindFlags;
}

function sharedBy(buffer: Command, { defaultConfig, serviceSocket, appended }: Surroundings): Shared {
  return {
    command: (name, description) =>
      buffer
        .command(name)
        .description(description)
        .option("-c, --config <file>", "the daemon's configuration", defaultConfig)
        .option("--socket <path>", "the daemon's control socket"),
    withRows: (command) =>
      command
        .option("--quarantined", "what could not be decoded")
        .option("--dead", "lines that InfluxDB has refused")
        .option("--device <eui>", "of this device only")
        .option("--reason <code>", "set aside for this code only")
        .option("--key <key>", "this row (p12, q7, d3); may be given again", appended),
    find: (command) => ({
      socket: undefined,
      configIsDefault: command.getOptionValueSource("config") === "default",
      serviceSocket,
    }),
  };
}

const pending = ["--pending", "messages that wait to be written"] as const;

function readingCommands(
  { command, withRows, find }: Shared,
  io: Io,
  { finish, wholeNumber, appended }: Surroundings,
): void {
  const after = [
    "--after <key>",
    "what comes after this row of its kind; may be given again",
    appended,
  ] as const;
  command("stats", "how much there is, since when and why")
    .option("--json", "one JSON object", false)
    .action(async (options: StatsFlags, one: Command) => {
      const { bufferStatsCommand } = await import("./buffer.ts");
      await finish(bufferStatsCommand({ ...find(one), ...options }, io));
    });
  withRows(command("list", "row by row").option(...pending))
    .option(...after)
    .option("--limit <count>", "how many rows", wholeNumber, 50)
    .option("--json", "one JSON object a line", false)
    .action(async (options: ListFlags, one: Command) => {
      const { bufferListCommand } = await import("./buffer.ts");
      await finish(bufferListCommand({ ...find(one), ...options, width: process.stdout.columns }, io));
    });
  withRows(command("export", "messages with their bytes, or as line protocol").option(...pending))
    .option(...after)
    .option("--ndjson", "one JSON object a line, the payload in base64", false)
    .option("--lines", "line protocol: as it was refused, or as it would be written", false)
    .option("--output <file>", 'write to this file, which appears when it is whole; "-" is standard output')
    .action(async (options: ExportFlags, one: Command) => {
      const { bufferExportCommand } = await import("./buffer-export-command.ts");
      const { stdout } = process;
      await finish(bufferExportCommand({ ...find(one), output: undefined, ...options, stdout }, io));
    });
}

function changingCommands({ command, withRows, find }: Shared, io: Io, { finish }: Surroundings): void {
  withRows(command("requeue", "put back what was set aside, once the cause is mended"))
    .option("--all", "everything that was set aside", false)
    .action(async (options: RequeueFlags, one: Command) => {
      const { bufferRequeueCommand } = await import("./buffer-changes.ts");
      await finish(bufferRequeueCommand({ ...find(one), ...options }, io));
    });
  command("resend", "send once more what was settled: what [journal] keep_settled still keeps")
    .requiredOption("--since <time>", "received since then: 2026-03-01T06:00:00Z, or 2h")
    .option("--until <time>", "and before that (default: now)")
    .option("--device <eui>", "of this device only")
    .action(async (options: ResendFlags, one: Command) => {
      const { bufferResendCommand } = await import("./buffer-changes.ts");
      const chosen = { until: undefined, device: undefined, ...options };
      await finish(bufferResendCommand({ ...find(one), ...chosen }, io));
    });
  withRows(command("purge", "remove for good; asks first").option(...pending))
    .option("--all", "everything that is not in InfluxDB", false)
    .option("--yes", "do not ask", false)
    .action(async (options: PurgeFlags, one: Command) => {
      const { bufferPurgeCommand } = await import("./buffer-changes.ts");
      const confirm = process.stdin.isTTY
        ? async (question: string) => await confirmed(question, io)
        : undefined;
      await finish(bufferPurgeCommand({ ...find(one), ...options, confirm }, io));
    });
}

/** No answer, or one that is interrupted, is no. */
async function confirmed(question: string, { signal }: Io): Promise<boolean> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^\s*y(es)?\s*$/i.test(await terminal.question(`${question} [y/N] `, { signal }));
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  } finally {
    terminal.close();
  }
}

/** What commander makes of the command lines; what it leaves out is in `FindFlags`. */
type FindFlags = Pick<StatsOptions, "socket" | "configIsDefault" | "serviceSocket">;
type StatsFlags = Omit<StatsOptions, keyof FindFlags>;
type ListFlags = Omit<ListOptions, keyof FindFlags | "width">;
type ExportFlags = Omit<ExportOptions, keyof FindFlags | "stdout" | "output"> & { readonly output?: string };
type RequeueFlags = Omit<RequeueOptions, keyof FindFlags>;
type ResendFlags = Pick<ResendOptions, "config" | "since"> & {
  readonly until?: string;
  readonly device?: string;
};
type PurgeFlags = Omit<PurgeOptions, keyof FindFlags | "confirm">;
