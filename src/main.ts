#!/usr/bin/env node
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import { commands, type Finish } from "./cli/commands.ts";
import { exitCode, type Io } from "./cli/io.ts";
import { aborted } from "./lib/abort.ts";
import { endNow } from "./supervision/end-now.ts";

/** argv → command → exit code. The only place that ends the process. */

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

process.on("exit", endNow);
const stop = new AbortController();
const code = await main(process.argv.slice(2), stop);
const isWhole = await written(stop.signal);
process.exit(isWhole || code !== exitCode.done ? code : exitCode.failed);
