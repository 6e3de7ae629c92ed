/**
 * The built program as a benchmark runs it: `node dist/main.js run` with a configuration and a data folder
 * of its own, on a disk.
 */
import Database from "better-sqlite3";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TemporaryFolder } from "../../support/wait.ts";
import type { Mosquitto } from "../../support/mosquitto.ts";
import { diskFolder, distFolder } from "./folders.ts";
import { untilSubscribed } from "./broker.ts";
import { inspectedSynchronous } from "./inspect.ts";
import { topicFilter } from "./uplinks.ts";

export interface DaemonSettings {
  /** Its client id at the broker: unique there, letters and digits. */
  readonly name: string;
  readonly broker: Mosquitto;
  readonly sinkPort: number;
  /** Where it finds the broker, when that is not the broker's own port. */
  readonly mqttPort?: number;
  readonly commitInterval?: string;
  readonly receiveMaximum?: number;
  readonly nodeFlags?: readonly string[];
}

const stopMs = 15_000;

/** How much of the log has been counted, and up to where. */
interface Committed {
  readonly count: number;
  readonly lastSeq: number;
}

export class Daemon {
  readonly #folder: TemporaryFolder;
  readonly #process: ChildProcess;
  #output = "";
  #reader: Database.Statement<[Committed], Committed> | undefined;
  #committed: Committed = { count: 0, lastSeq: 0 };

  private constructor(folder: TemporaryFolder, nodeFlags: readonly string[]) {
    this.#folder = folder;
    const main = join(distFolder, "main.js");
    const args = [
      ...nodeFlags,
      "--inspect-port=0",
      main,
      "run",
      "--config",
      join(folder.path, "flightline.toml"),
    ];
    this.#process = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  /** Resolves when it has subscribed. */
  static async start(settings: DaemonSettings): Promise<Daemon> {
    const folder = await diskFolder(`bench-${settings.name}`);
    await mkdir(join(folder.path, "data"));
    await writeFile(join(folder.path, "flightline.toml"), configuration(settings));
    const daemon = new Daemon(folder, settings.nodeFlags ?? []);
    try {
      await Promise.race([untilSubscribed(settings.broker, settings.name), daemon.#diedEarly()]);
      return daemon;
    } catch (error) {
      await daemon.remove();
      throw new Error(`the daemon did not start:\n${daemon.#output}`, { cause: error });
    }
  }

  async #diedEarly(): Promise<never> {
    const [code] = (await once(this.#process, "exit")) as [number | null];
    throw new Error(`it ended with ${code}`);
  }

  get pid(): number {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid === undefined || exitCode !== null || signalCode !== null) {
      throw new Error(`the daemon has ended:\n${this.#output}`);
    }
    return pid;
  }

  get journalFile(): string {
    return join(this.#folder.path, "data", "journal.db");
  }

  /**
   * Messages of the broker that are committed, ever; the daemon's own are not counted. Opens a connection that
   * only reads, and reads what is new since the last call: nothing leaves the log within a benchmark.
   */
  committed(): number {
    this.#reader ??= new Database(this.journalFile, { readonly: true }).prepare<[Committed], Committed>(
      `SELECT @count + count(*) FILTER (WHERE source <> 'flightline') AS count,
              coalesce(max(seq), @lastSeq) AS lastSeq
         FROM message WHERE seq > @lastSeq`,
    );
    this.#committed = this.#reader.get(this.#committed) ?? this.#committed;
    return this.#committed.count;
  }

  /**
   * To be called after the measurement: what it said and what it is must be what was to be measured. Throws
   * on a warning in its log, and when its commits are not synced to the disk.
   */
  async verify(): Promise<void> {
    const complaint = this.#output.split("\n").find((line) => / (?:warn|error) /.test(line));
    if (complaint !== undefined) throw new Error(`the daemon complained: ${complaint}`);
    const synchronous = await inspectedSynchronous(this.pid, () => this.#output, join(distFolder, "main.js"));
    if (synchronous.get(this.journalFile) !== "FULL") {
      throw new Error(
        `the journal commits with ${synchronous.get(this.journalFile) ?? "nothing"} instead of FULL`,
      );
    }
  }

  /** SIGTERM; throws when it does not end well. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), stopMs);
    await this.#end("SIGTERM");
    clearTimeout(timer);
    await this.#folder.remove();
    const { exitCode } = this.#process;
    if (exitCode !== 0) throw new Error(`the daemon ended with ${exitCode}:\n${this.#output}`);
  }

  /** Its files stay until `remove`. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async remove(): Promise<void> {
    await this.kill();
    await this.#folder.remove();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#reader?.database.close();
    this.#reader = undefined;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.kill(signal);
    await exited;
  }
}

function configuration(settings: DaemonSettings): string {
  const { name, broker, sinkPort, mqttPort = broker.port } = settings;
  return [
    "[[mqtt]]",
    `url = "mqtt://127.0.0.1:${mqttPort}"`,
    `client_id = "${name}"`,
    `topics = ["${topicFilter}"]`,
    ...(settings.receiveMaximum === undefined ? [] : [`receive_maximum = ${settings.receiveMaximum}`]),
    "[journal]",
    'dir = "data"',
    ...(settings.commitInterval === undefined ? [] : [`commit_interval = "${settings.commitInterval}"`]),
    "[influxdb]",
    `url = "http://127.0.0.1:${sinkPort}"`,
    'database = "bench"',
    "[clock]",
    // A machine for benchmarks need not be in time: without this its uplinks might wait for NTP.
    'ntp = "ignore"',
    "",
  ].join("\n");
}
