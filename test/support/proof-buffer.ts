/**
 * What `flightline buffer` says is not in InfluxDB, asked as a person asks it: by the built command, beside the
 * daemon or without one. That its three answers agree with each other is asserted here.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { BufferStats } from "../../src/status/buffer-wire.ts";
import { Program } from "./daemon.ts";
import { parseLineProtocol } from "./line-protocol-parser.ts";
import { rowKey } from "./proof-rows.ts";
import { contentKey, type Kept } from "./proof-verdicts.ts";

export type Stats = BufferStats & { readonly way: "daemon" | "files" };

export interface BufferAccount extends Kept {
  readonly stats: Stats;
}

interface ListedRow {
  readonly key: string;
  readonly kind: "pending" | "quarantined" | "dead";
  readonly line?: string;
}

interface ExportedRow extends ListedRow {
  /** base64 */
  readonly payload: string;
}

export async function bufferStats(configFile: string): Promise<Stats> {
  return JSON.parse(await buffer(configFile, "stats", "--json")) as Stats;
}

/**
 * Messages that the running daemon still owes: as `buffer stats`, without a process for each question. What is
 * settled reaches the file with the next commit, or five seconds later, and at the end. Undefined: no answer.
 */
export async function pendingCount(dir: string): Promise<number | undefined> {
  try {
    const asked = request({ socketPath: join(dir, "control.sock"), path: "/buffer/stats", agent: false });
    asked.end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    return (JSON.parse(await text(answer)) as BufferStats).pending.count;
  } catch {
    // It is not there yet, or not any more.
    return undefined;
  }
}

/** Take it when nothing moves: its answers are of three moments. */
export async function bufferAccount(configFile: string): Promise<BufferAccount> {
  const stats = await bufferStats(configFile);
  const { pending, quarantined, dead } = stats;
  const gone = pending.evicted + pending.purged;
  const counts = { pending: pending.count, quarantined: quarantined.count, dead: dead.count };
  const isEmpty = pending.count + quarantined.count + dead.count === 0;
  const rows = isEmpty ? [] : objects<ExportedRow>(await buffer(configFile, "export", "--ndjson"));
  const of = (kind: ListedRow["kind"]): ExportedRow[] => rows.filter((row) => row.kind === kind);
  const listed = isEmpty
    ? []
    : objects<ListedRow>(await buffer(configFile, "list", "--json", "--limit", "100000"));
  assert.deepEqual(
    listed.map(({ key }) => key),
    rows.map(({ key }) => key),
    "list and export have the same rows",
  );
  assert.deepEqual(
    { pending: of("pending").length, quarantined: of("quarantined").length, dead: of("dead").length },
    counts,
    "stats counts what list has",
  );
  return {
    stats,
    gone,
    pending: contents(of("pending")),
    quarantined: contents(of("quarantined")),
    dead: new Set(of("dead").flatMap(({ line = "" }) => deadKeys(line))),
  };
}

async function buffer(configFile: string, ...args: readonly string[]): Promise<string> {
  await using command = new Program({ args: ["buffer", ...args, "-c", configFile] });
  const { code } = await command.ended;
  assert.equal(code, 0, `buffer ${args.join(" ")}: ${command.stderr}`);
  return command.stdout;
}

function objects<T>(ndjson: string): T[] {
  const lines = ndjson.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as T);
}

function contents(rows: readonly ExportedRow[]): Set<string> {
  return new Set(rows.map(({ payload }) => contentKey(Buffer.from(payload, "base64"))));
}

function deadKeys(line: string): string[] {
  return parseLineProtocol(line).map(({ table, tags, timeNs }) => {
    const values = new Map(tags);
    return rowKey(table, values.get("dev_eui") ?? "", values.get("gateway_id"), timeNs ?? -1n);
  });
}
