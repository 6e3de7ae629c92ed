/**
 * A machine with a journal on its disk: a clock that runs, a wall clock that is put forward and back, and a power
 * switch. Real time passes by `wait` and while the power is off; nobody on the machine knows it.
 */
import Database from "better-sqlite3";
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Journal } from "../../src/journal/journal.ts";
import type { Settings } from "./actions.ts";
import { imageOf, type Image, loseUnsynced } from "./power.ts";

export const hourMs = 3_600_000;
export const keepMs = 72 * hourMs;
const smallQuota = 256 * 1024;
const beginMs = Date.UTC(2026, 0, 1);

interface Eye {
  readonly database: Database.Database;
  readonly seqs: Database.Statement<[], number>;
}

export class Machine {
  readonly #settings: Settings;
  readonly #root: string;
  #dir: string;
  #folders = 0;
  #boots = 0;
  /** Sees the files as they are, whatever the journal believes. */
  #eye: Eye | undefined;
  journal: Journal;
  /** Since the beginning. */
  realMs = 0;
  uptimeMs = 1000;
  wallMs = beginMs;

  constructor(settings: Settings, root: string) {
    this.#settings = settings;
    this.#root = root;
    this.#dir = this.#newFolder();
    this.journal = this.#open();
  }

  #newFolder(): string {
    this.#folders += 1;
    const folder = join(this.#root, `${this.#folders}`);
    mkdirSync(folder);
    return folder;
  }

  #open(): Journal {
    const { whenFull, isSmall } = this.#settings;
    const clock = { nowMs: () => this.wallMs, uptimeMs: () => this.uptimeMs };
    const config = { dir: this.#dir, commitIntervalMs: 1, keepSettledMs: keepMs, whenFull };
    const maxSizeBytes = isSmall ? smallQuota : 2 ** 30;
    return Journal.open({ ...config, maxSizeBytes }, clock, `boot-${this.#boots}`);
  }

  wait(hours: number): void {
    this.realMs += hours * hourMs;
    this.uptimeMs += hours * hourMs;
    this.wallMs += hours * hourMs;
  }

  /** After so many hours without power, and then with a wall clock that is wrong by so much. */
  reboot(offHours: number, wrongHours: number): void {
    this.#boots += 1;
    this.realMs += offHours * hourMs;
    this.uptimeMs = 1000;
    this.wallMs = beginMs + this.realMs + wrongHours * hourMs;
    this.kill();
  }

  restart(): void {
    this.#close();
    this.journal = this.#open();
  }

  /** What has been written is there, synced or not. */
  kill(): void {
    this.#goOn(this.#copied());
  }

  /** The power goes while `write` is at work on the WAL. Returns how many blocks are lost. */
  cutDuring(write: () => void, share: { readonly percent: number; readonly luck: number }): number {
    return this.#cut("journal.db-wal", write, share);
  }

  /** The power goes while the WAL moves into the file: the WAL is whole, the file is not. */
  cutInCheckpoint(luck: number): number {
    // The journal itself does the same, later: it waits until there is much.
    const checkpoint = (): void => {
      this.#look().database.pragma("wal_checkpoint(PASSIVE)");
    };
    return this.#cut("journal.db", checkpoint, { percent: luck % 101, luck });
  }

  #cut(name: string, write: () => void, share: { readonly percent: number; readonly luck: number }): number {
    const image = (): Image => imageOf(join(this.#dir, name));
    const before = image();
    write();
    const copy = this.#copied();
    const lost = loseUnsynced(before, image(), join(copy, name), share);
    this.#goOn(copy);
    return lost;
  }

  /** The files as they are. Without the `-shm`, which SQLite makes anew. */
  #copied(): string {
    const copy = this.#newFolder();
    for (const name of readdirSync(this.#dir)) {
      if (!name.endsWith("-shm")) copyFileSync(join(this.#dir, name), join(copy, name));
    }
    return copy;
  }

  #goOn(folder: string): void {
    this.#close();
    rmSync(this.#dir, { recursive: true });
    this.#dir = folder;
    this.journal = this.#open();
  }

  #look(): Eye {
    if (this.#eye === undefined) {
      const database = new Database(join(this.#dir, "journal.db"));
      const seqs = database.prepare<[], number>("SELECT seq FROM message ORDER BY seq").pluck();
      this.#eye = { database, seqs };
    }
    return this.#eye;
  }

  presentSeqs(): number[] {
    return this.#look().seqs.all();
  }

  #close(): void {
    this.#eye?.database.close();
    this.#eye = undefined;
    this.journal.close();
  }

  end(): void {
    this.#close();
    rmSync(this.#dir, { recursive: true });
  }
}
