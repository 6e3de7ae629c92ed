#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { exitCode, type Io } from "./cli/io.ts";
import { version } from "./cli/version.ts";

/**
 * argv → command → exit code. The only place that ends the process. Commands are loaded when they are
 * called: `flightline check` must not pay for the daemon.
 */
const defaultConfig = "/etc/flightline/flightline.toml";

async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const io: Io = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    env: process.env,
    isTerminal: process.stdout.isTTY,
    signal: stop.signal,
  };
  listenForSignals(stop);
  let code: number = exitCode.done;
  const program = commands(io, async (running) => {
    code = await running;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCode.done : exitCode.usage;
  }
  return code;
}

/** The first signal drains, the second one does not wait. */
function listenForSignals(stop: AbortController): void {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exitCode.failed);
      stop.abort(new Error(name));
    });
  }
}

function commands(io: Io, finish: (running: Promise<number>) => Promise<void>): Command {
  const program = new Command("flightline")
    .description("ChirpStack events from MQTT, durable on disk before they are acknowledged, into InfluxDB 3")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .showHelpAfterError("(add --help for what is possible)")
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .exitOverride();

  program
    .command("run")
    .description("the daemon")
    .option("-c, --config <file>", "configuration", defaultConfig)
    .action(async (options: { config: string }) => {
      const { runCommand } = await import("./cli/run.ts");
      await finish(runCommand(options, io));
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
  return program;
}

process.exit(await main(process.argv.slice(2)));
