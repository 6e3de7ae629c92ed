import type Database from "better-sqlite3";
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { Ballast } from "./ballast.ts";

const defaultQuotaBytes = 2 * 1024 ** 3;
const defaultDiskShare = 0.2;
const minPages = 64;
/** Interior pages, the small tables, and the page at which the log grows. */
const sparePages = 16;
/** The quota is worked on in parts: what is committed at once, and what is dropped at once. */
const maxStepBytes = 1024 * 1024;
const stepsPerQuota = 8;

/** The smaller of 2 GiB and 20 % of the disk that holds `dir`. */
export function automaticQuotaBytes(dir: string): number {
  const disk = statfsSync(dir);
  return Math.min(defaultQuotaBytes, Math.floor(disk.blocks * disk.bsize * defaultDiskShare));
}

/**
 * `max_page_count`: at the quota INSERT fails and DELETE still works, unlike on a full disk. Which becomes a full
 * quota as long as there is ballast to give up.
 */
export class Quota {
  readonly #database: Database.Database;
  readonly #pageBytes: number;
  readonly #usualPages: number;
  readonly #ballast: Ballast;
  #maxPages: number;

  /** A file that is larger already keeps its size as the quota until it is opened again. */
  constructor(database: Database.Database, quotaBytes: number) {
    this.#database = database;
    this.#pageBytes = Number(database.pragma("page_size", { simple: true }));
    this.#usualPages = this.#limit(Math.max(minPages, Math.floor(quotaBytes / this.#pageBytes)));
    this.#maxPages = this.#usualPages;
    this.#ballast = new Ballast(dirname(database.name));
    if (this.#ballast.state === "given_up") this.#shrink();
  }

  /** It is the disk that keeps the journal from growing. */
  get isShrunk(): boolean {
    return this.#maxPages < this.#usualPages;
  }

  /**
   * On a full disk: the ballast is given up, and the journal may not grow any more. From here on what is full is
   * the quota, whose rules make room, and the space of the ballast is for the WAL and for state.db. False: there
   * is no ballast, or it went before.
   */
  shrinkToDisk(): boolean {
    if (!this.#ballast.giveUp()) return false;
    this.#shrink();
    return true;
  }

  #shrink(): void {
    const pages = Number(this.#database.pragma("page_count", { simple: true }));
    this.#maxPages = this.#limit(Math.min(this.#usualPages, Math.max(minPages, pages)));
  }

  /** When the disk has room again the ballast is made, and the journal may grow as ever. To be asked often. */
  regrow(): void {
    if (this.isShrunk && this.#ballast.restore()) this.#maxPages = this.#limit(this.#usualPages);
  }

  /** Returns the limit that SQLite took. */
  #limit(pages: number): number {
    return Number(this.#database.pragma(`max_page_count = ${pages}`, { simple: true }));
  }

  /** 1 MiB, or less where that would be a large part of the quota. */
  get stepBytes(): number {
    return Math.min(maxStepBytes, Math.floor((this.#maxPages * this.#pageBytes) / stepsPerQuota));
  }

  get stepPages(): number {
    return Math.ceil(this.stepBytes / this.#pageBytes);
  }

  /**
   * SQLITE_FULL means a full quota or a full disk. It is the quota when rows of this size may need more pages
   * than it leaves; otherwise the disk is full, where deleting messages gains nothing.
   */
  isReachedBy(neededBytes: number): boolean {
    return this.#pagesAtWorst(neededBytes) > this.#pagesLeft();
  }

  /** Whether rows of this size would fit into an empty journal. */
  canHold(neededBytes: number): boolean {
    return this.#pagesAtWorst(neededBytes) <= this.#maxPages;
  }

  /** How many pages the quota lacks for rows of this size, as far as can be told beforehand. */
  lackingPages(neededBytes: number): number {
    return Math.max(1, this.likelyPages(neededBytes) - this.#pagesLeft());
  }

  /** Full pages, the rest of the last one, and the other tables. */
  likelyPages(bytes: number): number {
    return Math.ceil(bytes / this.#pageBytes) + 3;
  }

  #pagesLeft(): number {
    const pages = Number(this.#database.pragma("page_count", { simple: true }));
    const freePages = Number(this.#database.pragma("freelist_count", { simple: true }));
    return this.#maxPages - pages + freePages;
  }

  /** At worst a row leaves as much of its pages empty as it fills. */
  #pagesAtWorst(bytes: number): number {
    return sparePages + Math.ceil((2 * bytes) / this.#pageBytes);
  }
}
