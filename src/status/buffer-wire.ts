/**
 * What `flightline buffer` asks of a daemon, and what it gets: plain data, and its JSON on the control socket.
 *
 *     GET  /buffer/stats
 *     GET  /buffer/page?kind=dead&after=0&count=100&code=…&device=…&since=…&until=…&content=1
 *     GET  /buffer/columns?database=…&after=0
 *     POST /buffer/requeue, /buffer/resend, /buffer/purge   {"kind":"dead","keys":[1,2]}
 *
 * Who chooses is the command: the daemon gives pages and acts on keys, both bounded, and decodes nothing for it.
 */
import { z } from "zod";
import type { TableColumn } from "../telemetry/column-types.ts";
import type { FaultStatus } from "./daemon-status.ts";

/** settled: InfluxDB has it, or need not; kept for `resend`. */
const kinds = ["pending", "quarantined", "dead", "settled"] as const;
export type BufferKind = (typeof kinds)[number];

export interface BufferStats {
  readonly pending: {
    readonly count: number;
    readonly oldestReceivedMs: number | undefined;
    /** What the oldest waits for, where the daemon knows it. */
    readonly oldestWait: RowWait | undefined;
    /** By the quota, ever, in journals that were moved aside too. */
    readonly evicted: number;
    /** Those of them that were logs, txacks and statistics. */
    readonly evictedMinor: number;
    readonly purged: number;
    /** In journals that were moved aside for damage, ever. */
    readonly unreadable: number;
  };
  readonly quarantined: KeptStats;
  readonly dead: KeptStats & { readonly byDatabase: Readonly<Record<string, number>> };
  readonly settled: {
    /** So many may still be there: in between some may have left for room. */
    readonly atMost: number;
    readonly oldestReceivedMs: number | undefined;
  };
  readonly journal: {
    readonly bytes: number;
    readonly maxBytes: number;
    /** Journals that were moved aside and have not been read to their end. */
    readonly moved: readonly MovedJournal[];
  };
}

export interface MovedJournal {
  readonly file: string;
  /** unread: what is whole in it is put back by a daemon. foreign: another program's. newer: a newer Flightline's. */
  readonly state: "unread" | "foreign" | "newer";
}

export interface KeptStats {
  readonly count: number;
  readonly byCode: Readonly<Record<string, number>>;
  readonly oldestReceivedMs: number | undefined;
  readonly bytes: number;
  readonly maxBytes: number;
  /** For newer ones, ever. */
  readonly evicted: number;
  readonly purged: number;
}

export interface PageQuery {
  readonly kind: BufferKind;
  /** 0: from the beginning. */
  readonly after: number;
  readonly count: number;
  /** Fault code; of quarantined and dead ones. */
  readonly code?: string | undefined;
  /** Device EUI; of dead ones. */
  readonly device?: string | undefined;
  /** Wall clock; of settled ones, by when they were received. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** With the payloads. */
  readonly content: boolean;
}

export interface BufferPage {
  readonly rows: readonly BufferRow[];
  /** Where the next page begins; undefined: this is the last one. A page may be empty and not the last. */
  readonly next: number | undefined;
}

export interface BufferRow {
  /** Of its kind; for pending and settled ones the seq. */
  readonly key: number;
  readonly source: string;
  readonly topic: string;
  /** Undefined where content was not asked for. */
  readonly payload: Uint8Array | undefined;
  readonly payloadBytes: number;
  /** As it was noted down: by a wrong clock perhaps. */
  readonly receivedMs: number;
  readonly uptimeMs: number;
  readonly bootKey: number;
  /** Of pending and settled ones: the journal's flags, and the offset of its boot's clock where it is known. */
  readonly flags: number;
  readonly offsetMs: number | undefined;
  /** Nothing more will be learned about the clock of its boot. */
  readonly isTimeDecided: boolean;
  /** With source, topic and receive time it names the message, also when that was put back or set aside. */
  readonly place: number;
  /** Of a pending one, where the daemon knows it. */
  readonly wait: RowWait | undefined;
  /** Of what was set aside. */
  readonly aside: AsideRow | undefined;
}

/** What a message waits for. */
export interface RowWait {
  /** Fault code. */
  readonly code: string;
  readonly reason: string;
  /** Wall clock; undefined: it is not known. */
  readonly sinceMs: number | undefined;
}

export interface AsideRow {
  readonly code: string;
  readonly reason: string;
  readonly atMs: number;
  /** Of a dead letter. */
  readonly letter:
    | { readonly database: string; readonly line: string; readonly device: string | undefined }
    | undefined;
}

export interface ColumnsPage {
  readonly columns: readonly TableColumn[];
  readonly next: number | undefined;
}

export interface ActionResult {
  /** Of the keys, from the first on; the others are to be asked for again, unless there is a fault. */
  readonly handled: number;
  readonly messages: number;
  /** Of the table that they were in: a message may have several dead lines. */
  readonly rows: number;
  /** They stay: their bytes had left the journal before they were set aside. */
  readonly withoutBytes: number;
  /** They stay: they have killed the process, and it would spare them as long as it runs. */
  readonly spared: number;
  /** What ended it. */
  readonly fault: FaultStatus | undefined;
}

/** What changes nothing. */
export interface BufferLook {
  stats(): BufferStats;
  page(query: PageQuery): BufferPage;
  /** What is known of the columns of a database, under the key that state.db has for it. */
  columns(database: string, after: number): ColumnsPage;
}

export interface BufferActions extends BufferLook {
  /** Quarantined or dead: into the journal again; durable there before they leave state.db. */
  requeue(kind: "quarantined" | "dead", keys: readonly number[]): Promise<ActionResult>;
  /** Settled: owed again. */
  resend(keys: readonly number[]): Promise<ActionResult>;
  /** For good; counted. */
  purge(kind: "pending" | "quarantined" | "dead", keys: readonly number[]): Promise<ActionResult>;
}

/** Of one request. */
export const maxKeys = 500;
const maxPageCount = 500;
export const maxActionBytes = 16 * 1024;

const wholeNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const keys = z.array(wholeNumber).max(maxKeys);

/** Bodies of POST. */
export const actionSchemas = {
  requeue: z.strictObject({ kind: z.enum(["quarantined", "dead"]), keys }),
  resend: z.strictObject({ kind: z.literal("settled"), keys }),
  purge: z.strictObject({ kind: z.enum(["pending", "quarantined", "dead"]), keys }),
};

const numberText = z.coerce.number().pipe(wholeNumber);

/** Queries of GET, as text. */
export const querySchemas = {
  page: z.strictObject({
    kind: z.enum(kinds),
    after: numberText.default(0),
    count: numberText.pipe(z.number().min(1).max(maxPageCount)).default(100),
    code: z.string().optional(),
    device: z.string().optional(),
    since: numberText.optional(),
    until: numberText.optional(),
    content: z.enum(["0", "1"]).default("1"),
  }),
  columns: z.strictObject({ database: z.string(), after: numberText.default(0) }),
};

export function pagePath(query: PageQuery): string {
  const { kind, after, count, code, device, sinceMs, untilMs, content } = query;
  const said = { kind, after, count, code, device, since: sinceMs, until: untilMs, content: Number(content) };
  return `/buffer/page?${queryText(said)}`;
}

export function columnsPath(database: string, after: number): string {
  return `/buffer/columns?${queryText({ database, after })}`;
}

function queryText(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.toString();
}

/** Raised when a member changes its meaning or goes: a newer command must not misread an older daemon. */
const format = 1;

/** What is answered, by what was asked for. */
export interface BufferAnswers {
  readonly stats: BufferStats;
  readonly page: BufferPage;
  readonly columns: ColumnsPage;
  readonly action: ActionResult;
}

/** Payloads are base64. */
export function bufferToJson<Kind extends keyof BufferAnswers>(
  kind: Kind,
  answer: Readonly<BufferAnswers[Kind]>,
): string {
  return JSON.stringify({ format, answer: kind, ...answer }, (name, value: unknown) =>
    name === "rows" && Array.isArray(value) ? value.map(withBase64) : value,
  );
}

function withBase64(row: BufferRow): object {
  const { payload } = row;
  return payload === undefined ? row : { ...row, payload: Buffer.from(payload).toString("base64") };
}

/** Undefined: it is no such answer, or one in a format of another version. */
export function bufferFromJson<Kind extends keyof BufferAnswers>(
  kind: Kind,
  text: string,
): BufferAnswers[Kind] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text, (name, value: unknown) =>
      name === "payload" && typeof value === "string" ? Buffer.from(value, "base64") : value,
    );
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const isIt = "format" in parsed && parsed.format === format && "answer" in parsed && parsed.answer === kind;
  return isIt ? (parsed as BufferAnswers[Kind]) : undefined;
}
