/** `flightline buffer export`: messages with their bytes, or the lines that they are for InfluxDB. */
import type { Config } from "../config/config.ts";
import type { BufferKind } from "../status/buffer-wire.ts";
import type { Access } from "./buffer-access.ts";
import type { Selection } from "./buffer-arguments.ts";
import { type ListedKind, keyText } from "./buffer-keys.ts";
import { PendingLines } from "./buffer-lines.ts";
import { rowToJson } from "./buffer-text.ts";
import { walk, type WalkedRow, walkKeys } from "./buffer-walk.ts";
import { harmless } from "./mapping-layout.ts";
import type { Output } from "./query-output.ts";

/** `config`: lines are made by it. */
export type ExportForm =
  | { readonly kind: "ndjson" }
  | { readonly kind: "lines"; readonly config: Pick<Config, "influx" | "routes" | "telemetry"> };

/** What went out so far; it grows as it goes. */
export interface Exported {
  rows: number;
  lines: number;
  /** Without a line: what could not be decoded, and what waits for a right clock. */
  undecodable: number;
  waiting: number;
  /** The last key of each kind. */
  readonly last: Map<ListedKind, number>;
}

export function nothingExported(): Exported {
  return { rows: 0, lines: 0, undecodable: 0, waiting: 0, last: new Map() };
}

const rowsAtOnce = 200;

/**
 * In the order of kinds and keys. Once it rejects, `exported` says how far it came: all of that was written, and
 * nothing after it.
 */
export async function exportRows(
  { buffer }: Access,
  selection: Selection,
  form: ExportForm,
  output: Output,
  exported: Exported,
): Promise<void> {
  const pending = form.kind === "lines" ? await PendingLines.open(form.config, buffer) : undefined;
  const lines = pending === undefined ? undefined : new Lines(pending, exported);
  for await (const walked of rowsOf(buffer, selection)) {
    const text = lines === undefined ? `${ndjson(walked)}\n` : lines.of(walked);
    if (text !== "") await output.write(text);
    exported.rows += 1;
    if (walked.kind !== "settled") exported.last.set(walked.kind, walked.row.key);
  }
}

async function* rowsOf(buffer: Access["buffer"], selection: Selection): AsyncGenerator<WalkedRow> {
  if (selection.keys.length > 0) {
    yield* walkKeys(buffer, selection, true);
    return;
  }
  const { device, code } = selection;
  for (const kind of selection.kinds) {
    const after = selection.after.get(kind) ?? 0;
    yield* walk(buffer, { kind, after, device, code, content: true, withDevice: true, count: rowsAtOnce });
  }
}

/** `payload` is the bytes; `decoded` is what they say, where they are JSON. */
function ndjson(walked: WalkedRow): string {
  const { payload = Buffer.alloc(0) } = walked.row;
  const bytes = Buffer.from(payload);
  const said = { ...rowToJson(walked), payload: bytes.toString("base64"), decoded: jsonIn(bytes) };
  return harmless(JSON.stringify(said));
}

/** Undefined: it is none. */
function jsonIn(payload: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return undefined;
  }
}

/** Line protocol has no place for the database: it stands before its lines, as `influx_inspect export` has it. */
class Lines {
  readonly #pending: PendingLines;
  readonly #exported: Exported;
  #database: string | undefined;

  constructor(pending: PendingLines, exported: Exported) {
    this.#pending = pending;
    this.#exported = exported;
  }

  /** "" when there is none. */
  of({ kind, row }: WalkedRow): string {
    const letter = row.aside?.letter;
    if (letter !== undefined) return this.#text(letter.database, [letter.line]);
    const made = this.#made(kind, row);
    if (made === "undecodable") this.#exported.undecodable += 1;
    else if (made === "waits_for_clock") this.#exported.waiting += 1;
    else return this.#text(made.database, made.lines);
    return "";
  }

  #made(kind: BufferKind, row: WalkedRow["row"]): ReturnType<PendingLines["of"]> {
    return kind === "pending" ? this.#pending.of(row) : "undecodable";
  }

  #text(database: string, lines: readonly string[]): string {
    if (lines.length === 0) return "";
    this.#exported.lines += lines.length;
    const head = database === this.#database ? "" : `# CONTEXT-DATABASE: ${database}\n`;
    this.#database = database;
    return `${head}${lines.join("\n")}\n`;
  }
}

/** What goes on where this has ended: "--after p12 --after d3". */
export function afterText({ last }: Exported): string {
  return [...last].map(([kind, key]) => `--after ${keyText(kind, key)}`).join(" ");
}
