/**
 * What a streams process does around its worker: it reads and writes the channel, makes itself the first
 * one that the kernel takes when memory is short, and ends with the daemon, however that ends.
 *
 * An exception that nobody caught leaves a state that nobody knows: the process ends, after it has named the
 * request whose code it was. A rejection that nobody handled is an error that went nowhere, in code that is
 * done: where it is one request's, that request ends with it and the process goes on.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { setPriority } from "node:os";
import type { FlightClient, FlightConfig } from "../influx/flight/api.ts";
import { dieWithParent } from "../supervision/die-with-parent.ts";
import { channelFd, frameOf, FrameReader } from "./frames.ts";
import type { FromProcess } from "./messages.ts";
import { Worker } from "./worker.ts";

/** EX_SOFTWARE of sysexits.h; Node's own codes are below 20. */
const crashExitCode = 70;

/** Above the daemon even where that takes up half of the memory, and below whoever takes up most of a machine. */
const oomScoreAdjustment = "500";
const lowPriority = 10;

/** Runs until the channel ends. `process.argv[2]` is the process id of the daemon. */
export function runProcessBody(createClient: (config: FlightConfig) => FlightClient): void {
  yieldToOthers();
  // The end of the channel is not seen by a process in an endless loop: this is.
  if (!dieWithParent(Number(process.argv[2]))) die();
  const channel = new Socket({ fd: channelFd });
  const send = (message: FromProcess): number | undefined => {
    const frame = frameOf(message);
    if (frame !== undefined) channel.write(frame);
    return frame?.length;
  };
  const worker = new Worker({ send, createClient, memory });
  dieOfErrors(worker);
  const reader = new FrameReader();
  channel.on("data", (chunk: Buffer) => {
    for (const frame of reader.read(chunk)) {
      if (frame.kind === "message") worker.receive(frame.value);
      else if (frame.kind === "broken") worker.receiveBroken();
      else die();
    }
  });
  // With the end of the channel: the daemon closed it, or is gone.
  channel.on("error", die);
  channel.on("close", die);
}

function dieOfErrors(worker: Worker): void {
  let isCrashing = false;
  // The monitor sees the error; what follows is Node's own way to die: the stack on standard error.
  process.on("uncaughtExceptionMonitor", (error) => {
    isCrashing = true;
    worker.failCurrent(error, true);
  });
  process.on("unhandledRejection", (error) => {
    if (!worker.failCurrent(error, false)) throw error;
  });
  process.on("exit", () => {
    if (isCrashing) process.exitCode = crashExitCode;
  });
}

/** At once: there is nothing to keep, and the closed connections end the queries on the server. */
function die(): void {
  process.kill(process.pid, "SIGKILL");
}

function memory(): { rssBytes: number; heapBytes: number; externalBytes: number } {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed, externalBytes: external };
}

/** Memory and processor go to the daemon first, as far as the machine lets us say so. */
function yieldToOthers(): void {
  const wishes = [
    () => {
      writeFileSync("/proc/self/oom_score_adj", oomScoreAdjustment);
    },
    () => {
      // Linux keeps it for each thread, and those of V8 that collect garbage are there already.
      for (const thread of readdirSync("/proc/self/task")) setPriority(Number(thread), lowPriority);
    },
  ];
  for (const wish of wishes) {
    try {
      wish();
    } catch {
      // A hardened unit or a kernel without procfs forbids it. The daemon watches the memory all the same.
    }
  }
}
