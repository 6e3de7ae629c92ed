/**
 * One answer: what the process has sent of it and nobody has read yet. What it may still send plus what is
 * here never exceeds the window (requests.ts gives credit for what was read).
 */
import { randomUUID } from "node:crypto";
import type { Column, FlightEnd } from "../influx/flight/api.ts";
import type { Row } from "../influx/arrow/rows.ts";
import { assert } from "../lib/fault.ts";
import { once } from "../lib/abort.ts";
import { formatBytes } from "../lib/units.ts";
import { answerTooBigFault } from "./faults.ts";
import { type Credit, isPlainQuery } from "./messages.ts";
import type { AnswerBounds, StreamAnswer, StreamQuery } from "./port.ts";

const defaultBounds = { maxRows: 10_000, maxBytes: 8 * 1024 * 1024 };

interface Batch {
  readonly rows: readonly Row[];
  readonly bytes: number;
}

export interface AnswerDeps {
  /** The first pull. Whatever goes wrong comes as `fail`, also at once. */
  begin(answer: Answer): void;
  /** Nobody will read on. */
  cancel(answer: Answer): void;
  /** So much was read, and has left the daemon's memory as far as the reader lets it. */
  read(answer: Answer, credit: Credit): void;
}

export class Answer implements StreamAnswer {
  readonly requestId: string;
  readonly query: StreamQuery;
  readonly ended: Promise<FlightEnd>;
  readonly #deps: AnswerDeps;
  readonly #signal: AbortSignal | undefined;
  #stopListening: (() => void) | undefined;
  readonly #columns = Promise.withResolvers<readonly Column[]>();
  readonly #ended = Promise.withResolvers<FlightEnd>();
  #batches: Batch[] = [];
  #end: FlightEnd | undefined;
  /** Rejects the pull that waits, or the next one. */
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;
  #hasBegun = false;
  #isRead = false;

  constructor(deps: AnswerDeps, query: StreamQuery, signal: AbortSignal | undefined) {
    this.#deps = deps;
    this.query = query;
    this.requestId = query.requestId ?? randomUUID();
    const whole = { connection: "", timeoutMs: 0, ...query, requestId: this.requestId };
    assert(isPlainQuery(whole), "what is asked is no query: the process would drop it");
    this.#signal = signal;
    this.ended = this.#ended.promise;
    // Whoever does not ask for the columns hears of the failure from the rows.
    this.#columns.promise.catch(() => undefined);
  }

  async columns(): Promise<readonly Column[]> {
    this.#begin();
    return await this.#columns.promise;
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly Row[]> {
    return this.#rows();
  }

  async collect(bounds: AnswerBounds = {}): Promise<readonly Row[]> {
    const { maxRows, maxBytes } = { ...defaultBounds, ...bounds };
    const rows: Row[] = [];
    let bytes = 0;
    for await (const batch of this.#read()) {
      bytes += batch.bytes;
      if (rows.length + batch.rows.length > maxRows) throw answerTooBigFault(`${maxRows} rows`);
      if (bytes > maxBytes) throw answerTooBigFault(formatBytes(maxBytes));
      for (const row of batch.rows) rows.push(row);
    }
    return rows;
  }

  receivedColumns(columns: readonly Column[]): void {
    this.#columns.resolve(columns);
  }

  receivedRows(rows: readonly Row[], bytes: number): void {
    this.#batches.push({ rows, bytes });
    this.#wake?.();
  }

  receivedEnd(end: FlightEnd): void {
    this.#over();
    this.#end = end;
    this.#wake?.();
  }

  /** What has arrived is forgotten: a part of an answer is none. */
  fail(reason: unknown): void {
    this.#over();
    this.#failure ??= { reason };
    this.#batches = [];
    this.#columns.reject(reason);
    this.#wake?.();
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const signal = this.#signal;
    if (signal?.aborted === true) {
      this.fail(signal.reason);
      return;
    }
    if (signal !== undefined) {
      this.#stopListening = once(signal, () => {
        this.#deps.cancel(this);
        this.fail(signal.reason);
      });
    }
    this.#deps.begin(this);
  }

  #over(): void {
    this.#stopListening?.();
    this.#stopListening = undefined;
  }

  async *#rows(): AsyncGenerator<readonly Row[]> {
    for await (const { rows } of this.#read()) yield rows;
  }

  async *#read(): AsyncGenerator<Batch> {
    assert(!this.#isRead, "an answer is read once");
    this.#isRead = true;
    this.#begin();
    try {
      for (;;) {
        const batch = await this.#next();
        if (batch === undefined) break;
        yield batch;
        this.#deps.read(this, { rows: batch.rows.length, bytes: batch.bytes });
      }
      if (this.#end !== undefined) this.#ended.resolve(this.#end);
    } finally {
      if (this.#end === undefined) this.#deps.cancel(this);
      this.#over();
      this.#batches = [];
    }
  }

  async #next(): Promise<Batch | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      // After the end nobody listens, and what has come may still be left unread.
      if (this.#signal?.aborted === true) throw this.#signal.reason;
      const batch = this.#batches.shift();
      if (batch !== undefined || this.#end !== undefined) return batch;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}
