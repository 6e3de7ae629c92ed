/**
 * System calls of a running process that fail or take their time: strace(1) with fault injection. Where it is
 * missing or not allowed to trace, the test is skipped and says why, and in CI it fails.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { temporaryFolder, waitFor } from "./wait.ts";

export interface Tracing {
  /** Of the traced calls, so far. */
  count(): number;
  /** Of these: those that were made to fail or wait. */
  injected(): number;
  stop(): Promise<void>;
}

/** `inject` as strace takes it: "fsync:error=EIO:when=3". Resolves when all threads are traced. */
export async function inject(t: TestContext, pid: number, rule: string): Promise<Tracing | undefined> {
  const folder = await temporaryFolder("strace");
  t.after(() => folder.remove());
  const output = join(folder.path, "calls");
  const call = rule.slice(0, rule.indexOf(":"));
  const child = spawn(
    "strace",
    ["-f", "-p", String(pid), "-e", `trace=${call}`, "-e", `inject=${rule}`, "-o", output],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      said += error.message;
      hasEnded = true;
      resolve();
    });
    child.on("close", () => {
      hasEnded = true;
      resolve();
    });
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  await waitFor(() => said.includes("attached") || hasEnded, { timeoutMs: 10_000, what: "strace to attach" });
  if (hasEnded) {
    const why = `strace does not trace here (apt-get install -y --no-install-recommends strace): ${said.trim()}`;
    if (process.env["CI"] !== undefined) throw new Error(why);
    t.skip(why);
    return undefined;
  }
  return {
    count: () => readFileSync(output, "utf8").split(`${call}(`).length - 1,
    injected: () => readFileSync(output, "utf8").split("(INJECTED)").length - 1,
    stop: async () => {
      child.kill("SIGINT");
      await ended;
    },
  };
}
