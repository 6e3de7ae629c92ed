/**
 * POST /api/v3/write_lp and /api/v2/write. The two take the same path and differ in their parameters, in
 * whether they take a part (v2 never does) and in how they word a refusal: v2 has no line number, and
 * answers a failure of the server itself with 400.
 */
import type { IncomingMessage } from "node:http";

import { errorText } from "../../lib/fault.ts";
import type { Answer } from "./answer.ts";
import { Refused, jsonError, plainError, v2Error } from "./answer.ts";
import { readBody } from "./body.ts";
import { CatalogRefusal } from "./catalog.ts";
import { databaseNameProblem } from "./database-name.ts";
import type { FlushQueue } from "./flush-queue.ts";
import { QueueFull } from "./flush-queue.ts";
import type { Faults } from "./faults.ts";
import type { Ingested, LineError } from "./ingest.ts";
import { ingest } from "./ingest.ts";
import type { Precision } from "./precision.ts";
import { precisionNamed, precisionNames } from "./precision.ts";
import type { Store } from "./store.ts";

/** One write that was accepted, in whole or in part. */
export interface AcceptedWrite {
  readonly requestId: number;
  readonly db: string;
  /** The accepted lines as they came. */
  readonly lines: readonly string[];
}

/** `committed`: durable and visible. `answered`: the answer is with the operating system. */
export type Observe = (phase: "committed" | "answered", write: AcceptedWrite) => void;

export interface WriteDeps {
  readonly store: Store;
  readonly queue: FlushQueue;
  readonly faults: Faults;
  readonly maxBodyBytes: number;
  readonly nowNs: () => bigint;
  readonly observe: Observe;
  readonly count: (what: "linesAccepted" | "linesRefused", lines: number) => void;
}

export interface WriteParameters {
  readonly db: string;
  readonly precision: Precision;
  readonly acceptPartial: boolean;
  readonly noSync: boolean;
}

/** What happens to the connection: an answer, or a planted fault. */
export type WriteOutcome =
  | { readonly fate: "answer"; readonly answer: Answer; readonly accepted?: AcceptedWrite }
  | { readonly fate: "destroy" | "hang" };

export function v3Parameters(query: URLSearchParams): WriteParameters {
  if (query.size === 0) throw plainError(400, "missing query parameter 'db'");
  const db = query.get("db");
  if (db === null) throw plainError(400, "serde error: missing field `db`");
  const name = query.get("precision") ?? "auto";
  const precision = precisionNamed(name, true);
  if (precision === undefined) throw plainError(400, `serde error: ${unknownPrecision(name, true)}`);
  const acceptPartial = flag(query.get("accept_partial"), true);
  const noSync = flag(query.get("no_sync"), false);
  const problem = databaseNameProblem(db);
  if (problem !== undefined) throw jsonError(400, problem);
  return { db, precision, acceptPartial, noSync };
}

export function v2Parameters(query: URLSearchParams): WriteParameters {
  if (query.size === 0) throw v2Error(400, "no org/bucket destination provided");
  const name = query.get("precision") ?? "ns";
  const precision = precisionNamed(name, false);
  if (precision === undefined) {
    const problem = unknownPrecision(name, false);
    throw v2Error(400, `failed to deserialize org/bucket/precision in request: ${problem}`);
  }
  const db = query.get("bucket") ?? "";
  if (db === "") throw v2Error(400, "missing bucket value");
  const problem = databaseNameProblem(db);
  if (problem !== undefined) throw v2Error(400, problem);
  return { db, precision, acceptPartial: false, noSync: false };
}

/** Throws `Refused` with the answer in the words of that API. */
export async function handleWrite(
  deps: WriteDeps,
  api: "v3" | "v2",
  request: IncomingMessage,
  requestId: number,
  parameters: WriteParameters,
): Promise<WriteOutcome> {
  const body = await readBody(request, deps.maxBodyBytes).catch((error: unknown) => {
    throw api === "v2" && error instanceof Refused
      ? v2Error(error.answer.status, error.answer.body ?? "")
      : error;
  });
  const fault = deps.faults.take();
  if (fault?.kind === "answer") {
    const { status, headers = {}, body: text = "" } = fault;
    return { fate: "answer", answer: { status, headers, body: text } };
  }
  if (fault?.kind === "hang") return { fate: "hang" };
  if (fault?.kind === "reset") return { fate: "destroy" };

  const refuse = api === "v3" ? refuseV3 : deps.faults.writeApi === "v2only" ? refuseClustered : refuseV2;
  const ingested = await accept(deps, parameters, body, requestId).catch((error: unknown) => {
    throw refuse(error);
  });
  deps.count("linesAccepted", ingested.lines.length);
  deps.count("linesRefused", ingested.errors.length);
  if (fault?.kind === "lose_answer") return { fate: "destroy" };
  const answer = ingested.errors.length === 0 ? { status: 204 } : partialAnswer(ingested.errors);
  return ingested.lines.length === 0
    ? { fate: "answer", answer }
    : { fate: "answer", answer, accepted: { requestId, db: parameters.db, lines: ingested.lines } };
}

/** A write, or a part of one, was refused for a line. */
class LineRefused extends Error {
  readonly line: LineError;

  constructor(line: LineError) {
    super(line.error_message);
    this.line = line;
  }
}

class EmptyWrite extends Error {
  constructor() {
    super("incoming write was empty");
  }
}

async function accept(
  deps: WriteDeps,
  parameters: WriteParameters,
  body: string,
  requestId: number,
): Promise<Ingested> {
  const { db, acceptPartial, precision, noSync } = parameters;
  const { refuseLine } = deps.faults;
  const options = { acceptPartial, precision, nowNs: deps.nowNs(), refuseLine };
  const ingested = ingest(deps.store.catalog, db, body, options);
  const [firstError] = ingested.errors;
  if (firstError !== undefined && !acceptPartial) throw new LineRefused(firstError);
  if (ingested.points.length === 0 && firstError === undefined) throw new EmptyWrite();
  if (ingested.points.length === 0) return ingested;
  const write: AcceptedWrite = { requestId, db, lines: ingested.lines };
  const committed = deps.queue.append(ingested.points).then(() => deps.observe("committed", write));
  if (!noSync) await committed;
  // Nobody is told when an unconfirmed write fails: that is what the client asked for.
  else committed.catch(() => undefined);
  return ingested;
}

function partialAnswer(errors: readonly LineError[]): Answer {
  const limit = errors.some(({ error_message: message }) =>
    message.startsWith("Update to schema would exceed number of"),
  );
  const body = JSON.stringify({ error: "partial write of line protocol occurred", data: errors });
  return { status: limit ? 422 : 400, body };
}

function refuseV3(error: unknown): Refused {
  if (error instanceof LineRefused) return jsonError(400, "line protocol parsing error", error.line);
  if (error instanceof EmptyWrite) return plainError(400, error.message);
  if (error instanceof CatalogRefusal) return jsonError(422, error.message);
  return plainError(500, `write buffer error: ${serverFailure(error)}`);
}

function refuseV2(error: unknown): Refused {
  if (error instanceof LineRefused) {
    return v2Error(400, `write buffer error: line protocol parse failed: ${error.message}`);
  }
  if (error instanceof EmptyWrite) return v2Error(400, `write buffer error: ${error.message}`);
  if (error instanceof CatalogRefusal) {
    return v2Error(400, `write buffer error: catalog update error: ${error.message}`);
  }
  return v2Error(400, `write buffer error: ${serverFailure(error)}`);
}

/** Clustered and Cloud name the line. */
function refuseClustered(error: unknown): Refused {
  if (!(error instanceof LineRefused)) return refuseV2(error);
  const { line_number: line, error_message: why } = error.line;
  const message = `failed to parse line protocol:\n  errors encountered on line(s):\n  error parsing line ${line} (1-based): ${why}`;
  return new Refused({ status: 400, body: JSON.stringify({ code: "invalid", line, message }) });
}

function serverFailure(error: unknown): string {
  const reason = error instanceof QueueFull ? `wal buffer full with ${error.writes} ops` : errorText(error);
  return `error from wal: ${reason}`;
}

function flag(text: string | null, absent: boolean): boolean {
  if (text === null) return absent;
  if (text === "true" || text === "false") return text === "true";
  throw plainError(400, "serde error: provided string was not `true` or `false`");
}

function unknownPrecision(name: string, withAuto: boolean): string {
  const known = precisionNames(withAuto).map((each) => `\`${each}\``);
  return `unknown variant \`${name}\`, expected one of ${known.join(", ")}`;
}
