/**
 * A `Source` in a process of its own, for what can only be seen from outside: a kill, and that a stopped
 * source leaves nothing behind that keeps a process alive. The process stops its source on SIGTERM and
 * never calls exit.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { MqttConfig } from "../../src/mqtt/config.ts";
import { SourceRun } from "./mqtt-source.ts";
import { waitFor } from "./wait.ts";

export interface SourceProcess {
  readonly exitCode: number | null;
  /** Sends the signal and waits for the end; SIGKILL and an error at the deadline. Gives how long it took, ms. */
  end(signal: NodeJS.Signals, deadlineMs?: number): Promise<number>;
}

/** Resolves when the source is connecting, or with `until = "subscribed"` when it is subscribed. */
export async function startSourceProcess(
  t: { after(fn: () => Promise<void>): void },
  config: MqttConfig,
  until: "started" | "subscribed" = "subscribed",
): Promise<SourceProcess> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(config)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(async () => {
    await end(child, "SIGKILL", 5000);
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await waitFor(() => said.includes(`${until}\n`) || child.exitCode !== null, {
    timeoutMs: 10_000,
    what: `the source process to be ${until}`,
  });
  return {
    get exitCode() {
      return child.exitCode;
    },
    end: async (signal, deadlineMs = 5000) => await end(child, signal, deadlineMs),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals, deadlineMs: number): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) return 0;
  const startMs = performance.now();
  const exited = once(child, "exit");
  child.kill(signal);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, deadlineMs);
  await exited;
  clearTimeout(timer);
  if (late) throw new Error(`the process was still alive ${deadlineMs} ms after ${signal}`);
  return performance.now() - startMs;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const run = new SourceRun({ config: JSON.parse(process.argv[2] ?? "") as MqttConfig });
  process.once("SIGTERM", () => {
    void run.stop();
  });
  process.stdout.write("started\n");
  const looking = setInterval(() => {
    if (run.source.status.state !== "connected") return;
    process.stdout.write("subscribed\n");
    clearInterval(looking);
  }, 10);
  // Only the source may keep this process alive.
  looking.unref();
}
