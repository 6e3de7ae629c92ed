/**
 * A machine of a test's own with a real systemd in it: a throw-away copy of this one, made by machine.sh.
 * It needs root and systemd-nspawn; where they cannot be had the test is skipped and says why, and in CI,
 * where a missing peer is a failure, it fails. It takes 0.7 s to boot and end.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** The checkout; in the machine it has the same path, and is read-only. */
const checkout = join(import.meta.dirname, "../..");

export interface MachineOptions {
  /** Runs as root in the checkout. What it writes to /results is read with `result`. */
  readonly command: readonly string[];
  /** For booting, the command and the end; after that everything in it is killed. */
  readonly timeoutMs: number;
}

export interface MachineRun {
  /** Of the command; 125 when a signal ended it or the machine did not come so far. */
  readonly exitCode: number;
  readonly tookMs: number;
  /** What the command wrote to standard output and standard error, and what the machine said of itself. */
  readonly output: string;
  /** The machine's whole journal: for the message of a failed assertion. */
  readonly journal: string;
  /** The text of /results/NAME, or undefined. */
  result(name: string): string | undefined;
}

const script = join(import.meta.dirname, "machine.sh");
let machines = 0;

/** Boots it, runs the command and waits for its end; undefined when the test was skipped. */
export async function runInMachine(t: TestContext, options: MachineOptions): Promise<MachineRun | undefined> {
  const obstacle = whyNoMachine();
  if (obstacle !== undefined) {
    if (process.env["CI"] !== undefined) throw new Error(obstacle);
    t.skip(obstacle);
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), "flightline-machine-"));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const results = join(folder, "results");
  mkdirSync(results);
  const startMs = performance.now();
  const { exitCode, console } = await boot(results, options);
  const tookMs = performance.now() - startMs;
  const result = (name: string): string | undefined => {
    try {
      return readFileSync(join(results, name), "utf8");
    } catch {
      return undefined;
    }
  };
  const output = (result("output") ?? "") + console;
  return { exitCode, tookMs, output, journal: result("journal") ?? "", result };
}

function whyNoMachine(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can boot a machine of its own: run this as root";
  const programs = ["systemd-nspawn", "dbus-daemon", "unshare", "setpriv"].filter(
    (name) => !isInstalled(name),
  );
  if (programs.length === 0) return undefined;
  return `${programs.join(", ")} not found: apt-get install -y --no-install-recommends systemd-container dbus`;
}

function isInstalled(program: string): boolean {
  return ["/usr/bin", "/usr/sbin"].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The script ends the machine when its standard input closes, so it ends too when this process is killed. */
async function boot(
  results: string,
  { command, timeoutMs }: MachineOptions,
): Promise<{ readonly exitCode: number; readonly console: string }> {
  machines += 1;
  const name = `flightline-test-${process.pid}-${machines}`;
  const child = spawn("/bin/bash", [script, name, results, checkout, ...command], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let console = "";
  const collect = (text: string): void => {
    console = (console + text).slice(-100_000);
  };
  child.stdout.setEncoding("utf8").on("data", collect);
  child.stderr.setEncoding("utf8").on("data", collect);
  const timer = setTimeout(() => {
    collect(`\nthe machine had not ended after ${timeoutMs} ms`);
    child.stdin.end();
  }, timeoutMs);
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        resolve(code ?? 125);
      });
    });
    return { exitCode, console };
  } finally {
    clearTimeout(timer);
    child.stdin.destroy();
  }
}
