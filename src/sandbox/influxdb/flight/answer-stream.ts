/**
 * The answer of one DoGet: schema, record batches, and an empty one after each silence, until the end or
 * until a planted fault falls. One batch is encoded at a time, and the next one is asked for when HTTP/2 has
 * taken it: a slow client holds the query back.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { create, toBinary } from "@bufbuild/protobuf";

import { FlightDataSchema } from "../../../proto/flight/flight_pb.js";
import type { FlightFault, FlightFaults } from "../faults.ts";
import type { SqlStream } from "../sql-stream.ts";
import { breakRoot, lieAbout } from "./damage.ts";
import { BatchEncoder } from "./encoder.ts";
import type { IpcMessage } from "./encoder.ts";
import type { GrpcCall } from "./grpc-call.ts";
import { GrpcStatus } from "./grpc-status.ts";

export interface AnswerOptions {
  readonly faults: FlightFaults;
  readonly fault: FlightFault | undefined;
  /** Longest silence once the schema was sent. */
  readonly keepAliveMs: number;
  /** Of the schema. */
  readonly metadata?: ReadonlyMap<string, string>;
  readonly onBatch: () => void;
}

/** A planted fault has ended the call; there is nothing left to say. */
export class ActedOut extends Error {}

/** Acts out what ends a query, by throwing or by waiting. Resolves where the fault is of another kind. */
export async function actOut(call: GrpcCall, fault: FlightFault, faults: FlightFaults): Promise<void> {
  switch (fault.kind) {
    case "status":
      faults.seen.status += 1;
      throw new GrpcStatus(fault.code, fault.details, fault.metadata);
    case "reset":
      faults.seen.reset += 1;
      call.reset(fault.code);
      throw new ActedOut();
    case "cut":
      faults.seen.cut += 1;
      call.cut();
      throw new ActedOut();
    case "no_trailers":
      faults.seen.no_trailers += 1;
      call.finishWithoutStatus();
      throw new ActedOut();
    case "hang":
      faults.seen.hang += 1;
      // Until the client has had enough.
      await call.until(new Promise<never>(() => undefined));
      break;
    case "malformed":
    case "lie":
    case "schema_change":
    case "drip":
  }
}

type RecordBatches = AsyncIterator<IpcMessage[], void>;

export class AnswerStream {
  readonly #call: GrpcCall;
  readonly #stream: SqlStream;
  readonly #options: AnswerOptions;
  #encoder: BatchEncoder;
  #sentBatches = 0;
  #pull: Promise<unknown> | undefined;

  constructor(call: GrpcCall, stream: SqlStream, options: AnswerOptions) {
    this.#call = call;
    this.#stream = stream;
    this.#options = options;
    this.#encoder = this.#encoderOf(stream);
  }

  /** Rejects with the reason of the call's signal, a `GrpcStatus` or what the query has thrown. */
  async send(): Promise<void> {
    const schema = this.#encoder.schemaMessage();
    const { fault } = this.#options;
    const isBroken = fault?.kind === "malformed" && fault.afterBatches === undefined;
    await this.#send(isBroken ? this.#damaged(schema) : schema);
    const batches = this.#recordBatches();
    await this.#faultIfDue();
    for (;;) {
      const next = await this.#next(batches);
      if (next.done === true) return;
      await this.#sendBatch(next.value);
      await this.#faultIfDue();
    }
  }

  /** The query does no more work when this resolves. */
  async close(): Promise<void> {
    this.#stream.close();
    await this.#pull?.catch(() => undefined);
  }

  #encoderOf({ columns }: Pick<SqlStream, "columns">): BatchEncoder {
    const { faults, metadata } = this.#options;
    const { dictionaries } = faults;
    return new BatchEncoder(columns, { dictionaries, ...(metadata === undefined ? {} : { metadata }) });
  }

  /** Each with its dictionaries before it. */
  async *#recordBatches(): AsyncGenerator<IpcMessage[], void, undefined> {
    for await (const batch of this.#stream.batches()) yield* this.#encoder.encode(batch);
  }

  async #pulled(batches: RecordBatches): Promise<IteratorResult<IpcMessage[], void>> {
    const result = await batches.next();
    const { fault, faults } = this.#options;
    const isDrip = fault?.kind === "drip" && this.#sentBatches >= (fault.afterBatches ?? 0);
    if (!isDrip || result.done === true) return result;
    faults.seen.drip += 1;
    await sleep(fault.delayMs, undefined, { signal: this.#call.signal });
    return result;
  }

  async #next(batches: RecordBatches): Promise<IteratorResult<IpcMessage[], void>> {
    const pull = this.#pulled(batches);
    this.#pull = pull;
    for (;;) {
      const result = await this.#call.until(this.#withinSilence(pull));
      if (result !== undefined) return result;
      for (const message of this.#encoder.keepAlive()) await this.#send(message);
    }
  }

  /** Undefined: a keep-alive is due. */
  async #withinSilence<T>(awaited: Promise<T>): Promise<T | undefined> {
    // InfluxDB has none for a schema with dictionaries.
    if (this.#encoder.hasDictionaries) return await awaited;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), this.#options.keepAliveMs);
    const stop = (): void => clearTimeout(timer);
    this.#call.signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([awaited, promise]);
    } finally {
      stop();
      this.#call.signal.removeEventListener("abort", stop);
    }
  }

  async #sendBatch(messages: readonly IpcMessage[]): Promise<void> {
    for (const [at, message] of messages.entries()) {
      const isBatch = at === messages.length - 1;
      await this.#send(isBatch && this.#isDue() ? this.#damaged(message) : message);
    }
    this.#sentBatches += 1;
    this.#options.onBatch();
  }

  #isDue(): boolean {
    const { fault } = this.#options;
    const first = fault?.kind === "lie" || fault?.kind === "schema_change" ? 0 : undefined;
    return (fault?.afterBatches ?? first) === this.#sentBatches;
  }

  async #faultIfDue(): Promise<void> {
    const { fault, faults } = this.#options;
    if (fault === undefined || !this.#isDue()) return;
    await actOut(this.#call, fault, faults);
    if (fault.kind !== "schema_change") return;
    faults.seen.schema_change += 1;
    const columns = this.#stream.columns.map((column) => ({ ...column, name: `${column.name}_changed` }));
    this.#encoder = this.#encoderOf({ columns });
    await this.#send(this.#encoder.schemaMessage());
  }

  #damaged(message: IpcMessage): IpcMessage {
    const { fault, faults } = this.#options;
    if (fault?.kind === "malformed") {
      faults.seen.malformed += 1;
      return { header: (fault.mutate ?? breakRoot)(message.header), body: message.body };
    }
    if (fault?.kind !== "lie") return message;
    faults.seen.lie += 1;
    return lieAbout(fault.about, message);
  }

  async #send({ header, body }: IpcMessage): Promise<void> {
    const data = create(FlightDataSchema, { dataHeader: header, dataBody: body });
    await this.#call.send(toBinary(FlightDataSchema, data));
  }
}
