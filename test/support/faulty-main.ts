/**
 * `flightline run -c FILE` with faults that a test lights while it runs: the name of one of them, written to
 * $STATE_DIRECTORY/fault, happens once and says so on standard error; the file goes before it does.
 *
 *   loop      the next message keeps its decoder, and with it the event loop, for ever
 *   commits   the committer's loop does not go on; the event loop does
 *   critical  the committer throws
 *   part      the part "clock", without which the daemon can do, throws
 *   stray     a timer throws, outside of all parts
 *   peace     the monotonic clock is an hour further
 */
import { readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { decode } from "../../src/chirpstack/decode.ts";
import { runCommand } from "../../src/cli/run.ts";
import { Committer } from "../../src/journal/committer.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Beat } from "../../src/lib/pulse.ts";
import { ClockWatch } from "../../src/pipeline/clock-trust.ts";

const fuse = join(process.env["STATE_DIRECTORY"] ?? "", "fault");
const lookEveryMs = 20;
const peaceMs = 3_600_000;
let lit = "";

function look(): void {
  try {
    lit = readFileSync(fuse, "utf8").trim();
    rmSync(fuse);
  } catch {
    // Nobody has lit anything.
    return;
  }
  if (happens("stray")) throw new Error("planted: stray");
  if (happens("peace")) jump();
}

/** Once for each time that it was lit. */
function happens(fault: string): boolean {
  if (lit !== fault) return false;
  lit = "";
  writeSync(2, `planted: ${fault}\n`);
  return true;
}

function jump(): void {
  const before = { ...systemClock };
  Object.assign(systemClock, { uptimeMs: () => before.uptimeMs() + peaceMs });
}

/** A part beats once for each turn of its loop: what is thrown there is thrown by the part. */
function throwing(fault: string, beat: Beat | undefined): Beat {
  return () => {
    if (happens(fault)) throw new Error(`planted: ${fault}`);
    beat?.();
  };
}

class Stuck extends Error {}

type Run<T> = (this: T, signal: AbortSignal, beat?: Beat) => Promise<void>;

const commit = Reflect.get(Committer.prototype, "run") as Run<Committer>;
Committer.prototype.run = async function run(this: Committer, signal: AbortSignal, beat?: Beat) {
  const turn = throwing("critical", beat);
  try {
    await commit.call(this, signal, () => {
      if (happens("commits")) throw new Stuck();
      turn();
    });
  } catch (error) {
    if (!(error instanceof Stuck)) throw error;
    await new Promise(() => undefined);
  }
};

const watchClock = Reflect.get(ClockWatch.prototype, "run") as Run<ClockWatch>;
ClockWatch.prototype.run = async function run(this: ClockWatch, signal: AbortSignal, beat?: Beat) {
  await watchClock.call(this, signal, throwing("part", beat));
};

const stop = new AbortController();
const urgent = new AbortController();
process.once("SIGTERM", () => stop.abort());
setInterval(look, lookEveryMs).unref();
process.exitCode = await runCommand(
  {
    config: process.argv.at(-1) ?? "",
    decode: (topic, payload) => {
      if (happens("loop")) for (;;) process.hrtime();
      return decode(topic, payload);
    },
  },
  {
    out: (line) => process.stdout.write(line),
    err: (line) => process.stderr.write(line),
    env: process.env,
    isTerminal: false,
    signal: stop.signal,
    process: {
      urgent: urgent.signal,
      // Without it a crash would leave no record.
      exit: (code) => process.exit(code),
    },
  },
);
