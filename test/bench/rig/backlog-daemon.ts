/**
 * The built program with a data folder that may hold a backlog already, and a database that may be away: what it logs
 * about that is no complaint.
 */
import Database from "better-sqlite3";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { dataFolder, Program, writeConfig } from "../../support/daemon.ts";
import { cpuMs } from "../../support/usage.ts";
import { waitFor } from "../../support/wait.ts";
import type { TemporaryFolder } from "../../support/wait.ts";
import type { Mosquitto } from "../../support/mosquitto.ts";
import { untilSubscribed } from "./broker.ts";
import { diskFolder, distFolder } from "./folders.ts";
import { inspectedSynchronous } from "./inspect.ts";
import { topicFilter } from "./uplinks.ts";

/** Name of its source, and its client id. */
export const backlogSource = "backlog";
/** Of the journal: nothing of a million uplinks is to be evicted. */
export const maxSizeBytes = 8 * 1024 ** 3;

export interface BacklogDaemonSettings {
  readonly broker: Mosquitto;
  readonly mqttPort: number;
  readonly sinkPort: number;
}

/** In the log's JSON. */
const warnLevel = 40;
const mainFile = join(distFolder, "main.js");
/** A million messages are read for the registry first. */
const quietWaitMs = 180_000;
const quietStepMs = 3000;
/** Of a core. At rest it is below one percent; on a busy machine more. */
const quietShare = 0.05;

/** A folder for one daemon, made before it runs. */
export class BacklogFolder {
  readonly #folder: TemporaryFolder;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
    mkdirSync(this.dataDir);
  }

  static async make(): Promise<BacklogFolder> {
    return new BacklogFolder(await diskFolder("bench-backlog"));
  }

  get path(): string {
    return this.#folder.path;
  }

  get dataDir(): string {
    return dataFolder(this.path);
  }

  get journalFile(): string {
    return join(this.dataDir, "journal.db");
  }

  /** Of the journal: the database and its WAL. */
  get journalBytes(): number {
    return ["", "-wal"].reduce(
      (sum, suffix) => sum + (statSync(this.journalFile + suffix, { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  }

  async remove(): Promise<void> {
    await this.#folder.remove();
  }
}

export class BacklogDaemon {
  readonly #program: Program;
  readonly #folder: BacklogFolder;
  #unsettled: Database.Statement<[], number> | undefined;

  private constructor(program: Program, folder: BacklogFolder) {
    this.#program = program;
    this.#folder = folder;
  }

  /** Resolves when it has subscribed. */
  static async start(
    folder: BacklogFolder,
    { broker, mqttPort, sinkPort }: BacklogDaemonSettings,
  ): Promise<BacklogDaemon> {
    const config = writeConfig({
      folder: folder.path,
      mqttUrl: `mqtt://127.0.0.1:${mqttPort}`,
      influxUrl: `http://127.0.0.1:${sinkPort}`,
      lines: {
        "[mqtt]": [
          `name = "${backlogSource}"`,
          `client_id = "${backlogSource}"`,
          `topics = ["${topicFilter}"]`,
        ],
        journal: [`max_size = "${maxSizeBytes / 1024 ** 3}GiB"`],
      },
    });
    const args = ["run", "--config", config];
    const program = new Program({ args, file: mainFile, nodeOptions: ["--inspect-port=0"] });
    const diedEarly = program.ended.then(() => {
      throw new Error(`the daemon did not start:\n${program.stdout}${program.stderr}`);
    });
    await Promise.race([untilSubscribed(broker, backlogSource), diedEarly]);
    diedEarly.catch(() => undefined);
    return new BacklogDaemon(program, folder);
  }

  get pid(): number {
    const { pid, isRunning, stdout, stderr } = this.#program;
    if (!isRunning) throw new Error(`the daemon has ended:\n${stdout}${stderr}`);
    return pid;
  }

  /** Messages that are in the journal and not settled there, its own too; what it knows, the file knows a little later. */
  get unsettled(): number {
    this.#unsettled ??= new Database(this.#folder.journalFile, { readonly: true })
      .prepare<[], number>(
        `SELECT (SELECT coalesce(max(seq), 0) FROM message)
              - (SELECT coalesce(sum(hi - lo + 1), 0) FROM settled)`,
      )
      .pluck();
    return this.#unsettled.get() ?? Number.NaN;
  }

  /** Until it has looked through what it found, for its registry, and only waits. */
  async quiet(): Promise<void> {
    // At the first look nothing is known yet: no comparison with NaN is true.
    let before = Number.NaN;
    const isQuiet = (): boolean => {
      const now = cpuMs(this.pid);
      const share = (now - before) / quietStepMs;
      before = now;
      return share < quietShare;
    };
    await waitFor(isQuiet, {
      timeoutMs: quietWaitMs,
      everyMs: quietStepMs,
      what: "the daemon to be at rest",
    });
  }

  /** Resident memory, MB of 1,000,000 bytes; of pages that it shares with other processes of Node, PSS has a part. */
  get memory(): { readonly rssMb: number; readonly pssMb: number } {
    const text = readFileSync(`/proc/${this.pid}/smaps_rollup`, "utf8");
    const mb = (key: string): number =>
      (Number(new RegExp(`^${key}: +(\\d+) kB`, "m").exec(text)?.[1]) * 1024) / 1e6;
    return { rssMb: mb("Rss"), pssMb: mb("Pss") };
  }

  /** Throws when it complained of anything but the database, and when its commits are not synced to the disk. */
  async verify(): Promise<void> {
    const complaint = this.#program.log.find(({ level, code }) => {
      return Number(level) >= warnLevel && !isOfAbsence(String(code));
    });
    if (complaint !== undefined) throw new Error(`the daemon complained: ${JSON.stringify(complaint)}`);
    const said = (): string => this.#program.stderr;
    const synchronous = await inspectedSynchronous(this.pid, said, mainFile);
    const found = synchronous.get(this.#folder.journalFile) ?? "nothing";
    if (found !== "FULL") throw new Error(`the journal commits with ${found} instead of FULL`);
  }

  /** SIGTERM; throws when it does not end well. */
  async stop(): Promise<void> {
    this.#unsettled?.database.close();
    this.#unsettled = undefined;
    const { code } = await this.#program.stop();
    if (code !== 0) throw new Error(`the daemon ended with ${code}:\n${this.#program.stderr}`);
  }

  async remove(): Promise<void> {
    this.#unsettled?.database.close();
    this.#unsettled = undefined;
    await this.#program[Symbol.asyncDispose]();
  }
}

function isOfAbsence(code: string): boolean {
  return code === "connection_refused" || code.startsWith("schema_");
}
