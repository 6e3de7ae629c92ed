/** The shipped unit under a name of its own, inside of a machine: several beside each other, each with its own folders. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { askStatus } from "../../src/status/control-client.ts";
import type { DaemonStatus } from "../../src/status/daemon-status.ts";
import { waitFor } from "./wait.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
const installed = "/usr/lib/flightline";
const shipped = join(import.meta.dirname, "../../systemd/flightline.service");

/** "built": what ships. "faulty": faulty-main.ts. */
export type Program = "built" | "faulty";

const programs: Readonly<Record<Program, string>> = {
  built: `${installed}/dist/main.js`,
  faulty: `${installed}/test/support/faulty-main.ts`,
};

/** What `systemctl show` says at one moment. */
export type Shown = Readonly<
  Record<
    | "ActiveState"
    | "Result"
    | "NRestarts"
    | "MainPID"
    | "ExecMainStatus"
    | "StatusText"
    | "ActiveEnterTimestampMonotonic"
    | "ExecMainStartTimestampMonotonic",
    string
  >
>;

const properties: readonly (keyof Shown)[] = [
  "ActiveState",
  "Result",
  "NRestarts",
  "MainPID",
  "ExecMainStatus",
  "StatusText",
  "ActiveEnterTimestampMonotonic",
  "ExecMainStartTimestampMonotonic",
];

export class Unit {
  readonly name: string;
  /** Its StateDirectory=; the configuration is in it too. */
  readonly folder: string;

  constructor(name: string) {
    this.name = `flightline-${name}`;
    this.folder = `/var/lib/${this.name}`;
  }

  get configFile(): string {
    return join(this.folder, "flightline.toml");
  }

  /** systemd must be told to look at its files after that. `watchdogMs`: undefined is what ships. */
  install(program: Program, watchdogMs: number | undefined): void {
    const folder = `/etc/systemd/system/${this.name}.service.d`;
    mkdirSync(folder, { recursive: true });
    cpSync(shipped, `/etc/systemd/system/${this.name}.service`);
    const settings = [
      "ExecStart=",
      `ExecStart=${installed}/bin/node ${programs[program]} run --config ${this.configFile}`,
      "RestartSec=200ms",
      "StateDirectory=",
      `StateDirectory=${this.name}`,
      "RuntimeDirectory=",
      `RuntimeDirectory=${this.name}`,
      ...(watchdogMs === undefined ? [] : [`WatchdogSec=${watchdogMs}ms`]),
    ];
    writeFileSync(join(folder, "test.conf"), `[Service]\n${settings.join("\n")}\n`);
  }

  /** Resolves when the job has ended: true once READY=1 was seen, the process has gone, or it was told to reload. */
  async control(verb: "start" | "stop" | "reload"): Promise<boolean> {
    return await run("systemctl", [verb, this.name]).then(
      () => true,
      () => false,
    );
  }

  async signal(name: "SEGV" | "STOP"): Promise<void> {
    await run("systemctl", ["kill", "--kill-whom=main", `--signal=${name}`, this.name]);
  }

  /** One of the faults of faulty-main.ts. */
  light(fault: string): void {
    const unlit = join(this.folder, "unlit");
    writeFileSync(unlit, fault);
    renameSync(unlit, join(this.folder, "fault"));
  }

  async show(): Promise<Shown> {
    const { stdout } = await run("systemctl", ["show", `--property=${properties.join(",")}`, this.name]);
    const pairs = stdout
      .trimEnd()
      .split("\n")
      .map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)] as const;
      });
    const found: Partial<Record<string, string>> = Object.fromEntries(pairs);
    const value = (key: keyof Shown): [string, string] => [key, found[key] ?? ""];
    return Object.fromEntries(properties.map(value)) as Shown;
  }

  async until(what: string, isSo: (shown: Shown) => boolean, timeoutMs = 20_000): Promise<Shown> {
    let shown = await this.show();
    await waitFor(
      async () => {
        shown = await this.show();
        return isSo(shown);
      },
      { timeoutMs, everyMs: 100, what: `${this.name}: ${what}` },
    );
    return shown;
  }

  /** READY again after so many restarts. */
  async restarted(times: number, timeoutMs?: number): Promise<Shown> {
    return await this.until(
      `${times} restarts`,
      ({ NRestarts, ActiveState }) => Number(NRestarts) >= times && ActiveState === "active",
      timeoutMs,
    );
  }

  /** What it and systemd have said. */
  async journal(): Promise<string> {
    const { stdout } = await run("journalctl", ["--no-pager", "--output=cat", `--unit=${this.name}`], {
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  }

  async said(text: string): Promise<void> {
    const isSaid = async (): Promise<boolean> => (await this.journal()).includes(text);
    await waitFor(isSaid, { timeoutMs: 15_000, everyMs: 200, what: `${this.name}: "${text}"` });
  }

  /** What the control socket says; undefined while nobody is there. */
  async status(): Promise<DaemonStatus | undefined> {
    const answer = await askStatus(`/run/${this.name}/control.sock`, { signal: never });
    return "status" in answer ? answer.status : undefined;
  }

  async statusWhen(what: string, isSo: (status: DaemonStatus) => boolean): Promise<DaemonStatus> {
    return await waitFor(
      async () => {
        const status = await this.status();
        return status !== undefined && isSo(status) && status;
      },
      { timeoutMs: 30_000, everyMs: 200, what: `${this.name}: ${what}` },
    );
  }
}

/** Has systemd read their files, and keep in mind how they ended: it forgets a stopped unit that nothing names. */
export async function readUnitFiles(units: readonly Unit[]): Promise<void> {
  await run("systemctl", ["daemon-reload"]);
  const after = `--property=After=${units.map(({ name }) => `${name}.service`).join(" ")}`;
  await run("systemd-run", ["--quiet", "--unit=reminder", after, "sleep", "infinity"]);
}
