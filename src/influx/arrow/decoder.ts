/**
 * Arrow IPC messages, as Flight carries them, into arrow-js's `Schema` and `RecordBatch`, without arrow-js's reader:
 * that one believes what a header says. Here everything is checked first, so that a batch that comes out can be walked
 * safely and says what the server sent.
 *
 * One decoder reads one stream. After a fault it is of no use. Batches share memory with the messages they came from,
 * and keep the dictionaries that held when they came.
 */
import { isDeepStrictEqual } from "node:util";
import { Data, RecordBatch, Schema, Struct, Vector } from "apache-arrow";
import { MessageBody } from "./body.ts";
import { Inflater } from "./compression.ts";
import { badStream, decodedTooBig, placeOf, schemaChanged } from "./faults.ts";
import { readHeader, type BatchHeader, type MessageHeader } from "./header.ts";
import { Loader } from "./loader.ts";
import { readSchema, type WireSchema } from "./schema.ts";

/** As in FlightData: the header is a flatbuffer without framing. */
export interface IpcMessage {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

export type Decoded =
  | { readonly kind: "schema"; readonly schema: Schema }
  | { readonly kind: "dictionary" }
  | { readonly kind: "batch"; readonly batch: RecordBatch };

export interface DecoderOptions {
  /** Of one message's buffers once decompressed, and of all dictionaries that are held. Default 256 MiB. */
  readonly maxDecodedBytes?: number;
}

const defaultMaxDecodedBytes = 256 * 1024 * 1024;
/** A dictionary that grew this often is looked up in as many pieces. */
const mostDeltas = 10_000;

interface HeldDictionary {
  readonly vector: Vector;
  /** Of the messages that it came in. */
  readonly bytes: number;
}

export class ArrowDecoder {
  readonly #maxDecodedBytes: number;
  readonly #dictionaries = new Map<number, HeldDictionary>();
  readonly #vectors = new Map<number, Vector>();
  #schema: WireSchema | undefined;
  #addedBytes = 0;

  constructor({ maxDecodedBytes = defaultMaxDecodedBytes }: DecoderOptions = {}) {
    this.#maxDecodedBytes = maxDecodedBytes;
  }

  /** What all messages so far hold beyond their own bytes: decompressed buffers, and a byte for each value that took none. */
  get addedBytes(): number {
    return this.#addedBytes;
  }

  /** Throws `Fault` (flight_bad_stream, flight_unsupported_type, flight_schema_changed, flight_result_too_big) only. */
  decode(message: IpcMessage): Decoded {
    const header = readHeader(message.header);
    if (header.bodyBytes > message.body.length) {
      throw badStream(`a message has a body of ${message.body.length} bytes and says ${header.bodyBytes}`);
    }
    if (header.kind === "schema") return { kind: "schema", schema: this.#takeSchema(header) };
    if (this.#schema === undefined) throw badStream("it does not begin with its schema");
    // A plain Uint8Array: arrow-js takes it that slice() copies, which a Buffer's does not.
    const body = new Uint8Array(message.body.buffer, message.body.byteOffset, header.bodyBytes);
    if (header.kind === "batch") return { kind: "batch", batch: this.#batch(this.#schema, header, body) };
    this.#takeDictionary(this.#schema, header, body);
    return { kind: "dictionary" };
  }

  #takeSchema(header: Extract<MessageHeader, { kind: "schema" }>): Schema {
    const wire = readSchema(header.schema);
    this.#schema ??= wire;
    // Layouts too: in the schema, indices of 64 bits are indices of 32.
    if (wire !== this.#schema && !isDeepStrictEqual(wire, this.#schema)) throw schemaChanged();
    return this.#schema.schema;
  }

  #batch(
    wire: WireSchema,
    header: Extract<MessageHeader, { kind: "batch" }>,
    bytes: Uint8Array,
  ): RecordBatch {
    const { length } = header.batch;
    if (length < 0) throw badStream("a batch is of negative length");
    const inflater = new Inflater(this.#maxDecodedBytes);
    const { loader, body } = this.#open(header.batch, bytes, inflater);
    if (wire.columns.length === 0) loader.countWithoutBytes(length);
    const columns = wire.columns.map(({ field, layout }) => {
      const place = placeOf(field.name);
      const data = loader.column(place, layout);
      if (data.length !== length)
        throw badStream(`${place} has ${data.length} values in a batch of ${length} rows`);
      return data;
    });
    body.finish();
    this.#addedBytes += inflater.bytes + loader.valuesWithoutBytes;
    const rows = new Data(wire.rowType, 0, length, 0, undefined, columns);
    return new DecodedBatch(wire.schema, rows, header.metadata);
  }

  #takeDictionary(
    wire: WireSchema,
    header: Extract<MessageHeader, { kind: "dictionary" }>,
    bytes: Uint8Array,
  ): void {
    const { id, isDelta } = header;
    const values = wire.dictionaries.get(id);
    if (values === undefined) throw badStream(`it has a dictionary ${id}, which the schema does not know`);
    const held = this.#dictionaries.get(id);
    if (isDelta && held === undefined) throw badStream(`it extends the dictionary ${id}, which has not come`);
    const inflater = new Inflater(this.#maxDecodedBytes);
    const { loader, body } = this.#open(header.batch, bytes, inflater);
    const data = loader.column(`dictionary ${id}`, values);
    if (data.length !== header.batch.length)
      throw badStream(`dictionary ${id} is of another length than its values`);
    body.finish();
    this.#addedBytes += inflater.bytes + loader.valuesWithoutBytes;
    this.#hold(id, {
      vector: isDelta && held !== undefined ? extended(held.vector, data) : new Vector([data]),
      bytes: (isDelta && held !== undefined ? held.bytes : 0) + bytes.length + inflater.bytes,
    });
  }

  #hold(id: number, dictionary: HeldDictionary): void {
    this.#dictionaries.set(id, dictionary);
    this.#vectors.set(id, dictionary.vector);
    const total = this.#dictionaries.values().reduce((sum, { bytes }) => sum + bytes, 0);
    if (total > this.#maxDecodedBytes || dictionary.vector.data.length > mostDeltas) {
      throw decodedTooBig("the dictionaries", this.#maxDecodedBytes);
    }
  }

  #open(header: BatchHeader, bytes: Uint8Array, inflater: Inflater): { loader: Loader; body: MessageBody } {
    const body = new MessageBody(header, bytes, inflater);
    const { unionsHaveValidity } = header;
    const context = {
      dictionaries: this.#vectors,
      maxDecodedBytes: this.#maxDecodedBytes,
      unionsHaveValidity,
    };
    return { body, loader: new Loader(body, context) };
  }
}

function extended(dictionary: Vector, data: Data): Vector {
  if (data.length === 0) return dictionary;
  return dictionary.length === 0 ? new Vector([data]) : new Vector([...dictionary.data, data]);
}

const noSchema = new Schema([]);
const noRows = new Data(new Struct([]), 0, 0, 0);

/**
 * A batch whose schema is the stream's own object. The constructor of arrow-js makes a new schema for every batch, and
 * takes columns of the same name, which a join may well return, for one.
 */
class DecodedBatch extends RecordBatch {
  override readonly schema: Schema;
  override readonly data: Data<Struct>;

  constructor(schema: Schema, rows: Data, metadata: Map<string, string>) {
    super(noSchema, noRows, metadata);
    this.schema = schema;
    this.data = rows as Data<Struct>;
  }
}
