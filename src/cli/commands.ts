/**
 * The command line: what each command takes, and where it is. Commands are loaded when they are called:
 * `flightline check` must not pay for the daemon.
 */
import { fstatSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { Command, InvalidArgumentError } from "commander";
import { once } from "../lib/abort.ts";
import { bufferCommands } from "./buffer-commands.ts";
import type { DemoOptions } from "./demo.ts";
import { exitCode, type Io } from "./io.ts";
import type { MappingOptions } from "./mapping.ts";
import type { QueryOptions } from "./query-arguments.ts";
import { queryHelp } from "./query-help.ts";
import type { SandboxOptions } from "./sandbox.ts";
import type { StatusOptions } from "./status.ts";
import { version } from "./version.ts";

const defaultConfig = "/etc/flightline/flightline.toml";
/** RuntimeDirectory= of systemd/flightline.service. */
const serviceSocket = "/run/flightline/control.sock";

/** Takes the exit code of the command. */
export type Finish = (running: Promise<number>) => Promise<void>;

export function commands(io: Io, finish: Finish, stop: AbortController): Command {
  const program = new Command("flightline")
    .description("ChirpStack events from MQTT, durable on disk before they are acknowledged, into InfluxDB 3")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .showHelpAfterError("(add --help for what is possible)")
    .configureOutput({
      writeOut: (text) => {
        io.out(text);
      },
      writeErr: (text) => {
        io.err(text);
      },
    })
    .exitOverride();

  program
    .command("run")
    .description("the daemon")
    .option("-c, --config <file>", "configuration", defaultConfig)
    .action(async (options: { config: string }) => {
      const onHangup = hangups();
      keepYoungGenerationSmall();
      const { runCommand } = await import("./run.ts");
      await finish(runCommand({ ...options, onHangup }, io));
    });
  program
    .command("check")
    .description("validate the configuration: every mistake with its file and line")
    .option("-c, --config <file>", "configuration", defaultConfig)
    .option("--json", "one JSON object", false)
    .action(async (options: { config: string; json: boolean }) => {
      const { checkCommand } = await import("./check.ts");
      await finish(checkCommand(options, io));
    });
  program
    .command("config")
    .description("print the complete configuration file, with comments")
    .option("--schema", "print the JSON Schema for editors instead", false)
    .action(async (options: { schema: boolean }) => {
      const { configCommand } = await import("./config.ts");
      await finish(configCommand(options, io));
    });
  statusCommands(program, io, finish);
  doctorCommands(program, io, finish);
  mappingCommands(program, io, finish);
  queryCommands(program, io, finish, stop);
  bufferCommands(program, io, { finish, defaultConfig, serviceSocket, wholeNumber, appended });
  sandboxCommands(program, io, finish);
  return program;
}

/**
 * V8 lets the space for young objects grow with the memory of the machine, to more than 100 MB, and never
 * gives it back. Left at its first size, the daemon is 18 MB smaller at rest and more than 100 MB under
 * load, for 10 to 25 % more CPU under load (test/bench/memory.ts). The flag is read whenever that space
 * might grow, so it can be set here, before anything is loaded.
 */
function keepYoungGenerationSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}

/** What asks a running daemon. */
function statusCommands(program: Command, io: Io, finish: Finish): void {
  program
    .command("status")
    .description("what a running daemon says of itself; exit code 0 when all is well, else 1")
    .option("-c, --config <file>", "the daemon's configuration", defaultConfig)
    .option("--socket <path>", "the daemon's control socket; then the configuration is not read")
    .option("--all", "every part, run and count", false)
    .option("--watch", "again every 2 s, until Ctrl-C", false)
    .option("--json", "what the control socket says, as it is", false)
    .action(async (options: StatusFlags, command: Command) => {
      const { statusCommand } = await import("./status.ts");
      const configIsDefault = command.getOptionValueSource("config") === "default";
      const rows = (): number | undefined => process.stdout.rows;
      await finish(
        statusCommand({ ...options, socket: options.socket, configIsDefault, serviceSocket, rows }, io),
      );
    });
}

/** What looks at everything, with or without a daemon. */
function doctorCommands(program: Command, io: Io, finish: Finish): void {
  program
    .command("doctor")
    .description(
      "look at broker, InfluxDB, Flight, TLS, disk and systemd, and say what is wrong and what to do; " +
        "takes 30 s at most and disturbs no daemon; exit code 0 without a failure, else 1",
    )
    .option("-c, --config <file>", "configuration", defaultConfig)
    .option("--json", "one JSON object", false)
    .action(async (options: { config: string; json: boolean }, command: Command) => {
      endWithTheTerminal(io);
      const { doctorCommand } = await import("./doctor.ts");
      const configIsDefault = command.getOptionValueSource("config") === "default";
      const { columns } = process.stdout;
      await finish(doctorCommand({ ...options, configIsDefault, serviceSocket, columns }, io));
    });
}

/** What commander makes of the command line. */
type StatusFlags = Pick<StatusOptions, "config" | "all" | "watch" | "json"> & { readonly socket?: string };

/** What is for writing `[[profile]]` tables. */
function mappingCommands(program: Command, io: Io, finish: Finish): void {
  program
    .command("mapping")
    .description("how payloads become columns")
    .command("show")
    .description("what becomes of each key of the last payloads, and a [[profile]] to start from")
    .argument(
      "<device|profile|application>",
      "a device's EUI or name, or the name or id of a device profile or an application",
    )
    .option("-c, --config <file>", "configuration", defaultConfig)
    .option("--messages <count>", "how many of the newest messages to look at", wholeNumber, 20_000)
    .option("--payloads <count>", "how many payloads are enough", wholeNumber, 50)
    .option("--json", "one JSON object", false)
    .action(async (name: string, options: Omit<MappingOptions, "name">) => {
      const { mappingShowCommand } = await import("./mapping.ts");
      await finish(mappingShowCommand({ ...options, name }, io));
    });
}

/** What asks the database. */
function queryCommands(program: Command, io: Io, finish: Finish, stop: AbortController): void {
  program
    .command("query")
    .description("ask InfluxDB over Arrow Flight: SQL or InfluxQL")
    .argument("[query]", 'the query, or "-" to read it from standard input')
    .option("-c, --config <file>", "configuration: [influxdb] says where and with which token", defaultConfig)
    .option("--tables", "list the tables of the database, instead of a query", false)
    .option("--schema <table>", "list the columns of a table, instead of a query")
    .option("--language <name>", "sql or influxql (default: sql)")
    .option("--param <name=value>", "the value of $name in the query; may be given again", appended)
    .option("--format <name>", "table, csv, json, ndjson or arrow (default: by --output, see below)")
    .option("--output <file>", 'write to this file, which appears when it is whole; "-" is standard output')
    .option("--timeout <duration>", "how long the whole answer may take (default: query_timeout)")
    .option("--database <name>", "another database than that of the configuration")
    .addHelpText("after", queryHelp)
    .action(async (query: string | undefined, options: QueryFlags) => {
      endWithTheTerminal(io);
      // A second signal is not kept waiting, by a disk that hangs for one.
      const { process: own } = io;
      if (own !== undefined) once(own.urgent, () => own.exit(exitCode.failed));
      const { queryCommand } = await import("./query.ts");
      const { stdin, stdout, stderr } = process;
      const columns = stdout.columns ?? stderr.columns;
      const outIsFile = fstatSync(stdout.fd).isFile();
      const queryIo = { ...io, stdin, stdout, columns, outIsFile, errIsTerminal: stderr.isTTY };
      const code = await queryCommand({ ...options, query, param: options.param ?? [] }, queryIo);
      // What was printed is not the whole answer: nobody has to wait for a reader of that.
      if (code !== exitCode.done) stop.abort(new Error("the query failed"));
      await finish(Promise.resolve(code));
    });
}

/**
 * The end of its terminal ends a command as SIGTERM does, so that no part of a file, no session at a broker and no
 * folder is left; shell and kernel both tell of it, and that is no second signal.
 */
function endWithTheTerminal({ signal }: Io): void {
  process.on("SIGHUP", () => signal.aborted || process.emit("SIGTERM"));
  // There is nobody left to tell.
  process.stderr.on("error", () => {});
}

/** What commander makes of the command line. */
type QueryFlags = Omit<QueryOptions, "query" | "param"> & { readonly param?: readonly string[] };

/** An option that may be given several times. */
function appended(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}

/** What is for trying Flightline without a broker, a database or devices. */
function sandboxCommands(program: Command, io: Io, finish: Finish): void {
  program
    .command("demo")
    .description("everything on this machine, no set-up: broker, InfluxDB stand-in, devices and the daemon")
    .option("--for <duration>", "end by itself after this time (15s, 2m)")
    .option("--devices <count>", "how many devices", wholeNumber, 20)
    .option("--interval <duration>", "between two uplinks of a device", "1s")
    .option("--json", "print one JSON line at the end", false)
    .action(async (options: DemoOptions) => {
      endWithTheTerminal(io);
      const { demoCommand } = await import("./demo.ts");
      await finish(demoCommand({ ...options, for: options.for }, io));
    });
  program
    .command("sandbox")
    .description("only the broker, the InfluxDB stand-in and the devices")
    .option("--mqtt-port <port>", "the broker's port, 0 picks one (default: 1883)", wholeNumber)
    .option("--influxdb-port <port>", "the stand-in's port, 0 picks one (default: 8181)", wholeNumber)
    .option("--devices <count>", "how many devices (default: 20)", wholeNumber)
    .option("--interval <duration>", "between two uplinks of a device (default: 1s)")
    .option("--data <dir>", "keep the data here; without it, it is in memory")
    .option("--no-broker", "use a broker that runs already at --mqtt-port")
    .option("--no-devices", "no devices")
    .option("--json", "print the addresses as one JSON line when ready", false)
    .action(async (options: SandboxFlags) => {
      const { sandboxCommand } = await import("./sandbox.ts");
      const devicesOn = options.devices !== false;
      const devices = typeof options.devices === "number" ? options.devices : undefined;
      await finish(sandboxCommand({ ...options, devices, devicesOn }, io));
    });
}

/** commander makes one option of `--devices N` and `--no-devices`: true when neither is given. */
type SandboxFlags = Omit<SandboxOptions, "devices" | "devicesOn"> & { readonly devices: number | boolean };

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

/** From now on SIGHUP does not end the process; one that comes before anybody listens is not forgotten. */
function hangups(): (listener: () => void) => void {
  let listener: (() => void) | undefined;
  let isPending = false;
  process.on("SIGHUP", () => {
    if (listener === undefined) isPending = true;
    else listener();
  });
  return (first) => {
    listener = first;
    if (isPending) first();
  };
}
