#!/usr/bin/env node
import { fstatSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { DemoOptions } from "./cli/demo.ts";
import { exitCode, type Io } from "./cli/io.ts";
import type { MappingOptions } from "./cli/mapping.ts";
import type { QueryOptions } from "./cli/query-arguments.ts";
import { queryHelp } from "./cli/query-help.ts";
import type { SandboxOptions } from "./cli/sandbox.ts";
import type { StatusOptions } from "./cli/status.ts";
import { version } from "./cli/version.ts";
import { aborted, once } from "./lib/abort.ts";
import { leaveLookups } from "./net/leave-lookups.ts";

/**
 * argv → command → exit code. The only place that ends the process. Commands are loaded when they are
 * called: `flightline check` must not pay for the daemon.
 */
const defaultConfig = "/etc/flightline/flightline.toml";
/** RuntimeDirectory= of systemd/flightline.service. */
const serviceSocket = "/run/flightline/control.sock";

/** For what is still on its way to a reader when nobody wants to wait any more. */
const lastMomentMs = 300;

/** `stop` is aborted by a signal, when the reader of standard output has gone, and when a query failed. */
async function main(argv: readonly string[], stop: AbortController): Promise<number> {
  const io: Io = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    env: process.env,
    isTerminal: process.stdout.isTTY,
    signal: stop.signal,
    process: { urgent: listenForSignals(stop), exit: (code) => process.exit(code) },
  };
  // The reader of the pipe has gone: there is nobody to go on for.
  process.stdout.on("error", (error) => {
    stop.abort(error);
  });
  let code: number = exitCode.done;
  const finish: Finish = async (running) => {
    code = await running;
  };
  const program = commands(io, finish, stop);
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCode.done : exitCode.usage;
  }
  return code;
}

/** What was printed has left: a pipe takes 64 KiB at once, the rest when it is read. False: stopped before that. */
async function written(stop: AbortSignal): Promise<boolean> {
  const streams = [process.stdout, process.stderr].filter((stream) => stream.writable);
  const all = Promise.all(
    streams.map(async (stream) => {
      await new Promise<void>((resolve) => {
        // The reader may have gone.
        stream.once("error", () => resolve());
        stream.write("", () => resolve());
      });
    }),
  );
  const enough = aborted(stop).then(async () => await sleep(lastMomentMs, false));
  return await Promise.race([all.then(() => true), enough]);
}

/** The first signal drains; the second one aborts what this returns, and the third one does not wait for that. */
function listenForSignals(stop: AbortController): AbortSignal {
  const urgent = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (urgent.signal.aborted) process.exit(exitCode.failed);
      if (stop.signal.aborted) urgent.abort(new Error(name));
      stop.abort(new Error(name));
    });
  }
  return urgent.signal;
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

/** Takes the exit code of the command. */
type Finish = (running: Promise<number>) => Promise<void>;

function commands(io: Io, finish: Finish, stop: AbortController): Command {
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
      const { runCommand } = await import("./cli/run.ts");
      await finish(runCommand({ ...options, onHangup }, io));
    });
  program
    .command("check")
    .description("validate the configuration: every mistake with its file and line")
    .option("-c, --config <file>", "configuration", defaultConfig)
    .option("--json", "one JSON object", false)
    .action(async (options: { config: string; json: boolean }) => {
      const { checkCommand } = await import("./cli/check.ts");
      await finish(checkCommand(options, io));
    });
  program
    .command("config")
    .description("print the complete configuration file, with comments")
    .option("--schema", "print the JSON Schema for editors instead", false)
    .action(async (options: { schema: boolean }) => {
      const { configCommand } = await import("./cli/config.ts");
      await finish(configCommand(options, io));
    });
  statusCommands(program, io, finish);
  doctorCommands(program, io, finish);
  mappingCommands(program, io, finish);
  queryCommands(program, io, finish, stop);
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
      const { statusCommand } = await import("./cli/status.ts");
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
      const { doctorCommand } = await import("./cli/doctor.ts");
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
      const { mappingShowCommand } = await import("./cli/mapping.ts");
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
      if (io.process !== undefined) once(io.process.urgent, () => process.exit(exitCode.failed));
      const { queryCommand } = await import("./cli/query.ts");
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
      const { demoCommand } = await import("./cli/demo.ts");
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
      const { sandboxCommand } = await import("./cli/sandbox.ts");
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

process.on("exit", leaveLookups);
const stop = new AbortController();
const code = await main(process.argv.slice(2), stop);
const isWhole = await written(stop.signal);
process.exit(isWhole || code !== exitCode.done ? code : exitCode.failed);
