/** The four ways to read an answer, each a thin layer over one reading. */
import { Table, type RecordBatch } from "apache-arrow";
import { assert } from "../../lib/fault.ts";
import type { Row, RowOptions } from "../arrow/rows.ts";
import { rowsOf } from "../arrow/rows.ts";
import type { BatchReader, Chunk, Column, FlightEnd, FlightStream, Rows } from "./api.ts";
import type { Shape } from "./attempt.ts";
import { cancelled, decoding } from "./faults.ts";
import { pullsOf } from "./pulls.ts";
import { Reading, type ReadingDeps, type ReadRequest } from "./reading.ts";

interface Budget {
  readonly maxBytes?: number;
}

const asBatch: Shape<RecordBatch> = () => (batch) => batch;
const asChunk: Shape<Chunk> = () => (batch, appMetadata) => ({ batch, appMetadata });
const alreadyTaken = "a Flight stream is read once, in one way, and this one has been taken already";

export class QueryStream implements FlightStream {
  readonly requestId: string;
  readonly ended: Promise<FlightEnd>;
  readonly #request: ReadRequest;
  readonly #deps: ReadingDeps;
  readonly #onEnd: (end: FlightEnd) => void;
  #isTaken = false;

  constructor(request: ReadRequest, deps: ReadingDeps) {
    const { promise, resolve } = Promise.withResolvers<FlightEnd>();
    this.requestId = request.requestId;
    this.ended = promise;
    this.#request = request;
    this.#deps = deps;
    this.#onEnd = resolve;
  }

  async all({ maxBytes }: Budget = {}): Promise<Table> {
    const reading = this.#read(asBatch);
    const batches = await everyBatch(reading, maxBytes);
    const { schema } = await reading.head();
    return decoding(() => new Table(schema, batches));
  }

  rows(options?: RowOptions): Rows {
    return new StreamRows(this.#read((schema) => rowsOf(schema, options)));
  }

  chunks(): AsyncIterable<Chunk> {
    return pullsOf(this.#read(asChunk), (chunk) => [chunk]);
  }

  async reader(): Promise<BatchReader> {
    const reading = this.#read(asBatch);
    const { schema, columns } = await reading.head();
    return {
      schema,
      columns,
      next: async () => await reading.next(),
      cancel: () => reading.fail(cancelled()),
    };
  }

  #read<T extends object>(shape: Shape<T>): Reading<T> {
    assert(!this.#isTaken, alreadyTaken);
    this.#isTaken = true;
    return new Reading({ request: this.#request, deps: this.#deps, shape, onEnd: this.#onEnd });
  }
}

class StreamRows implements Rows {
  readonly #reading: Reading<readonly Row[]>;
  #isTaken = false;

  constructor(reading: Reading<readonly Row[]>) {
    this.#reading = reading;
  }

  async columns(): Promise<readonly Column[]> {
    return (await this.#reading.head()).columns;
  }

  async collect({ maxBytes }: Budget = {}): Promise<Row[]> {
    return (await everyBatch(this.#take(), maxBytes)).flat();
  }

  batches(): AsyncIterable<readonly Row[]> {
    return pullsOf(this.#take(), (rows) => [rows]);
  }

  [Symbol.asyncIterator](): AsyncIterator<Row> {
    return pullsOf(this.#take(), (rows) => rows)[Symbol.asyncIterator]();
  }

  #take(): Reading<readonly Row[]> {
    assert(!this.#isTaken, alreadyTaken);
    this.#isTaken = true;
    return this.#reading;
  }
}

/** Until the end nobody sees what is kept here, so a fault in the middle does no harm: all of it is asked for anew. */
async function everyBatch<T extends object>(reading: Reading<T>, maxBytes: number | undefined): Promise<T[]> {
  const kept: T[] = [];
  reading.keepBack(() => {
    kept.length = 0;
  }, maxBytes);
  for (;;) {
    const batch = await reading.next();
    if (batch === undefined) return kept;
    kept.push(batch);
  }
}
