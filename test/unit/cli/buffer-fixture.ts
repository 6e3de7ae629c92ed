/** A data directory with messages in every state, as a daemon that has ended left it, and commands on it. */
import Database from "better-sqlite3";
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import type { TestContext } from "node:test";
import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { bufferListCommand, bufferStatsCommand, type ListOptions } from "../../../src/cli/buffer.ts";
import {
  bufferPurgeCommand,
  bufferRequeueCommand,
  type PurgeOptions,
} from "../../../src/cli/buffer-changes.ts";
import { exitCode, type Io } from "../../../src/cli/io.ts";
import type { FindOptions } from "../../../src/cli/status-find.ts";
import { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import type { DeadEntry } from "../../../src/state/letters.ts";
import type { QuarantineEntry } from "../../../src/state/quarantine.ts";
import { State } from "../../../src/state/state.ts";
import { recordingIo } from "../../support/fakes/recording-io.ts";
import { junk, uplink } from "../../support/uplinks.ts";
import { ConfigDirectory, minimal } from "../config/fixture.ts";

export const startMs = Date.UTC(2026, 2, 1);

export interface Site {
  readonly config: string;
  readonly dataDir: string;
  /** Of the journal and state.db, closed when it returns. `bootId`: during which boot of the machine. */
  readonly edit: (
    change: (files: { readonly journal: Journal; readonly state: State }) => void,
    bootId?: string,
  ) => void;
}

export function site(t: TestContext, more = ""): Site {
  const files = new ConfigDirectory();
  t.after(() => {
    files[Symbol.dispose]();
  });
  files.write({ "flightline.toml": `${minimal}\n[journal]\ndir = "data"\n${more}` });
  const dataDir = join(files.path, "data");
  mkdirSync(dataDir);
  const loaded = files.load();
  assert.ok(loaded.ok);
  const { journal: settings } = loaded.config;
  return {
    config: files.main,
    dataDir,
    edit(change, bootId = "boot-a") {
      const journal = Journal.open(settings, systemClock, bootId);
      const state = State.open(dataDir, startMs);
      journal.keepFrom(0);
      try {
        change({ journal, state });
        journal.commit([]);
      } finally {
        state.close();
        journal.close();
      }
    },
  };
}

/** Received a second apart. */
export function received(n: number, changes: Partial<IncomingMessage> = {}): IncomingMessage {
  return {
    source: "main",
    ...uplink(n),
    receivedMs: startMs + n * 1000,
    uptimeMs: 1000 + n,
    clockTrusted: true,
    duplicate: false,
    retained: false,
    qos: 1,
    ...changes,
  };
}

export function undecodable(n: number, changes: Partial<QuarantineEntry> = {}): QuarantineEntry {
  const aside = { code: "event_not_json", reason: "the payload is not JSON" };
  return { ...received(n, junk(n)), seq: n, bootKey: 1, ...aside, ...changes };
}

export function refused(n: number, line: string, changes: Partial<DeadEntry> = {}): DeadEntry {
  return {
    ...received(n),
    seq: n,
    bootKey: 1,
    database: "lorawan",
    line,
    device: eui(n),
    code: "write_line_refused",
    reason: "temperature is a string",
    ...changes,
  };
}

/** Of the device that sends the nth uplink. */
export function eui(n: number): string {
  return (0xa0000000 + (n % 10)).toString(16).padStart(16, "0");
}

export function findOptions({ config }: Pick<Site, "config">): FindOptions {
  return { config, configIsDefault: false, socket: undefined, serviceSocket: "/nowhere/control.sock" };
}

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function run(command: (io: Io) => Promise<number>, changes: Partial<Io> = {}): Promise<Said> {
  const { io, out, err } = recordingIo();
  const code = await command({ ...io, ...changes });
  return { code, out: out(), err: err() };
}

/** A standard output that is remembered. */
export function collector(): { readonly stdout: Writable; readonly text: () => string } {
  const chunks: Uint8Array[] = [];
  const stdout = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stdout, text: () => Buffer.concat(chunks).toString("utf8") };
}

/** Uplinks 1 to 3 settled, 4 to 6 pending; one undecodable, two dead lines of message 1 and one of message 2. */
export function fill({ edit }: Site): void {
  edit(({ journal, state }) => {
    journal.commit([1, 2, 3, 4, 5, 6].map((n) => received(n)));
    journal.settle(1, 3);
    state.quarantined.keep(journal.id, [undecodable(100)], startMs);
    const lines = [
      refused(1, "a f=1 1"),
      refused(2, "b f=1 1", { code: "write_limit" }),
      refused(1, "c f=1 1"),
    ];
    state.letters.bury(journal.id, lines, startMs);
  });
}

export async function list(place: Site, options: Partial<ListOptions> = {}): Promise<Said> {
  const all = { ...findOptions(place), limit: 50, json: true, width: undefined, ...options };
  return await run(async (io) => await bufferListCommand(all, io));
}

export async function keys(place: Site, options: Partial<ListOptions> = {}): Promise<string[]> {
  return rows(await list(place, options)).map(({ key }) => String(key));
}

export function rows({ out }: Said): Record<string, unknown>[] {
  return out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export async function stats(place: Site): Promise<Record<string, Record<string, unknown>>> {
  const { out } = await run(
    async (io) => await bufferStatsCommand({ ...findOptions(place), json: true }, io),
  );
  return JSON.parse(out) as Record<string, Record<string, unknown>>;
}

export async function requeue(place: Site, flags: object): Promise<Said> {
  const options = { ...findOptions(place), all: false, ...flags };
  return await run(async (io) => await bufferRequeueCommand(options, io));
}

export async function purge(place: Site, flags: Partial<PurgeOptions>): Promise<Said> {
  const options = { ...findOptions(place), all: false, yes: true, confirm: undefined, ...flags };
  return await run(async (io) => await bufferPurgeCommand(options, io));
}

/** A pragma of another file of the directory; closed when it returns. */
export function stamp(file: string, pragma: string): void {
  const database = new Database(file);
  database.pragma(pragma);
  database.close();
}

export function filled(t: TestContext): Site {
  const place = site(t);
  fill(place);
  return place;
}

export { exitCode };
