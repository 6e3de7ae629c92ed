/**
 * One attempt at a query: a call, whose first message must be the schema, then batches, then its end. Whoever owns it
 * cancels it when a method rejects; it starts nothing that outlives the pull in progress.
 */
import type { RecordBatch, Schema } from "apache-arrow";
import { ArrowDecoder, type Decoded } from "../arrow/decoder.ts";
import { columnsOf } from "../arrow/columns.ts";
import { badStream } from "../arrow/faults.ts";
import type { Column, FlightEnd } from "./api.ts";
import type { FlightCall, FlightMessage } from "./call.ts";
import { decoding, stalled, tooBig } from "./faults.ts";
import { answerTo } from "./wait.ts";

/** What a way of reading makes of the batches of a schema. */
export type Shape<T> = (schema: Schema) => (batch: RecordBatch, appMetadata: Uint8Array) => T;

/** The messages of one answer, wherever they come from. */
export interface AnswerCall extends FlightCall {
  /** The server plans what comes next, and sends no keep-alives meanwhile; of a call in one part: undefined. */
  readonly isBetweenParts?: boolean;
}

export interface ReadLimits {
  /** Of the messages as received and of what they are decompressed to, together. */
  maxBytes: number;
  readonly silenceMs: number;
}

export interface AnswerHead {
  readonly schema: Schema;
  readonly columns: readonly Column[];
}

interface Opened<T> extends AnswerHead {
  readonly shapeBatch: ReturnType<Shape<T>>;
}

interface AttemptOptions<T> {
  readonly call: AnswerCall;
  readonly limits: ReadLimits;
  readonly shape: Shape<T>;
  readonly signal: AbortSignal;
}

export class Attempt<T extends object> {
  readonly #options: AttemptOptions<T>;
  readonly #decoder: ArrowDecoder;
  readonly #startedMs = performance.now();
  #opened: Opened<T> | undefined;
  #rows = 0;
  #batches = 0;
  #keepAlives = 0;
  #bytes = 0;

  constructor(options: AttemptOptions<T>) {
    const { maxBytes } = options.limits;
    this.#options = options;
    this.#decoder = new ArrowDecoder(Number.isFinite(maxBytes) ? { maxDecodedBytes: maxBytes } : {});
  }

  /** Undefined: the schema has not come yet. */
  get rows(): number | undefined {
    return this.#opened && this.#rows;
  }

  /** Asked again, it gives the same again. */
  async open(): Promise<Opened<T>> {
    while (this.#opened === undefined) {
      const message = await this.#receive();
      if (message === undefined) throw badStream("it ended without a schema");
      const decoded = this.#decode(message);
      if (decoded === undefined) continue;
      if (decoded.kind !== "schema") throw badStream(`it begins with a ${decoded.kind}, not with a schema`);
      this.#opened = decoding(() => ({
        schema: decoded.schema,
        columns: columnsOf(decoded.schema),
        shapeBatch: this.#options.shape(decoded.schema),
      }));
    }
    return this.#opened;
  }

  /** The next batch that has rows, as it is handed out; undefined: the call has ended with status OK. */
  async next(): Promise<T | undefined> {
    const { shapeBatch } = await this.open();
    for (;;) {
      const message = await this.#receive();
      if (message === undefined) return undefined;
      const decoded = this.#decode(message);
      if (decoded?.kind !== "batch") continue;
      const { batch } = decoded;
      if (batch.numRows === 0) {
        this.#keepAlives += 1;
        continue;
      }
      this.#batches += 1;
      this.#rows += batch.numRows;
      return decoding(() => shapeBatch(batch, message.appMetadata));
    }
  }

  cancel(): void {
    this.#options.call.cancel();
  }

  end(attempts: number): FlightEnd {
    return {
      rows: this.#rows,
      batches: this.#batches,
      keepAlives: this.#keepAlives,
      bytes: this.#bytes,
      trailers: { ...this.#options.call.trailers },
      elapsedMs: performance.now() - this.#startedMs,
      attempts,
    };
  }

  async #receive(): Promise<FlightMessage | undefined> {
    const { call, limits, signal } = this.#options;
    const { silenceMs } = limits;
    // Planning has no keep-alives: until the schema is there, of each part, only the deadline counts.
    const silence = this.#opened && {
      limitMs: silenceMs,
      counts: () => call.isBetweenParts !== true,
      fault: () => stalled(silenceMs, this.#rows),
    };
    const message = await answerTo(async () => await call.next(), signal, silence);
    this.#bytes += message?.bytes ?? 0;
    this.#holdToBudget();
    return message;
  }

  #holdToBudget(): void {
    const { maxBytes } = this.#options.limits;
    if (this.#bytes + this.#decoder.addedBytes > maxBytes) throw tooBig(maxBytes, this.#rows);
  }

  /** Undefined: nothing but metadata, which Flight allows. */
  #decode(message: FlightMessage): Decoded | undefined {
    if (message.header.length === 0 && message.body.length === 0) return undefined;
    const decoded = decoding(() => this.#decoder.decode(message));
    this.#holdToBudget();
    return decoded;
  }
}
