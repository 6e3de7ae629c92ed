/** A Flight channel that plays scripts, messages to play, and a client on them. */
import assert from "node:assert/strict";
import {
  Field,
  Float64,
  Int64,
  makeData,
  Message,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampNanosecond,
} from "apache-arrow";
import { Fault, type Disposition } from "../../../../src/lib/fault.ts";
import type { FlightClient, FlightConfig } from "../../../../src/influx/flight/api.ts";
import type { FlightCall, FlightMessage } from "../../../../src/influx/flight/call.ts";
import type { CallOptions, FlightChannel } from "../../../../src/influx/flight/channel.ts";
import { createFlightClient } from "../../../../src/influx/flight/client.ts";

export const config: FlightConfig = {
  url: "http://127.0.0.1:8181",
  database: "farm",
  tls: { verify: true },
  timeoutMs: 5000,
};

/** What a call gives: messages, then status OK; or it throws. */
export type Script = (call: ScriptedCall) => Iterable<FlightMessage> | AsyncIterable<FlightMessage>;

export class ScriptedCall implements FlightCall {
  readonly ticket: string;
  readonly options: CallOptions;
  readonly trailers: Record<string, string> = {};
  /** Pulls that were answered or are waiting. */
  pulls = 0;
  cancels = 0;
  readonly #script: AsyncIterator<FlightMessage>;

  constructor(ticket: Uint8Array, options: CallOptions, script: Script) {
    this.ticket = Buffer.from(ticket).toString();
    this.options = options;
    this.#script = play(script, this);
  }

  async next(): Promise<FlightMessage | undefined> {
    this.pulls += 1;
    const { done, value } = await this.#script.next();
    return done === true ? undefined : value;
  }

  /** A pull in progress stays in progress: nobody may rely on its end. */
  cancel(): void {
    this.cancels += 1;
  }
}

async function* play(script: Script, call: ScriptedCall): AsyncGenerator<FlightMessage> {
  yield* script(call);
}

/** The first call plays the first script, and so on; the last one is played again. */
export class ScriptedChannel implements FlightChannel {
  readonly calls: ScriptedCall[] = [];
  closes = 0;
  readonly #scripts: readonly Script[];

  constructor(...scripts: readonly Script[]) {
    this.#scripts = scripts;
  }

  doGet(ticket: Uint8Array, options: CallOptions): ScriptedCall {
    const script = this.#scripts[this.calls.length] ?? this.#scripts.at(-1) ?? answer();
    const call = new ScriptedCall(ticket, options, script);
    this.calls.push(call);
    return call;
  }

  call(): never {
    assert.fail("these scripts are answers to DoGet");
  }

  get cancels(): number {
    return this.calls.reduce((sum, call) => sum + call.cancels, 0);
  }

  close(): void {
    this.closes += 1;
  }
}

/** Backoff waits no time at all. */
export function clientOn(channel: FlightChannel, more: Partial<FlightConfig> = {}): FlightClient {
  return createFlightClient({ ...config, ...more }, { channel, random: () => 0 });
}

const influxType = (type: string): Map<string, string> =>
  new Map([["iox::column::type", `iox::column_type::${type}`]]);
const fields = [
  new Field("time", new TimestampNanosecond(), false, influxType("timestamp")),
  new Field("value", new Float64(), true, influxType("field::float")),
  new Field("count", new Int64(), true, influxType("field::integer")),
];
export const schema = new Schema(fields);
const firstNs = 1_700_000_000_123_456_789n;

/** Rows that begin at `from`: time, value and count grow with it. */
function batchOf(rows: number, from = 0): RecordBatch {
  const at = Array.from({ length: rows }, (_, n) => from + n);
  const [time, value, count] = fields.map((field) => field.type);
  return new RecordBatch(
    schema,
    makeData({
      type: new Struct(fields),
      length: rows,
      nullCount: 0,
      children: [
        makeData({
          type: time as TimestampNanosecond,
          data: BigInt64Array.from(at, (n) => firstNs + BigInt(n)),
        }),
        makeData({ type: value as Float64, data: Float64Array.from(at, (n) => n / 2) }),
        makeData({ type: count as Int64, data: BigInt64Array.from(at, BigInt) }),
      ],
    }),
  );
}

/** As `rows()` gives them. */
export function rowsFrom(from: number, count: number): object[] {
  return Array.from({ length: count }, (_, n) => ({
    time: firstNs + BigInt(from + n),
    value: (from + n) / 2,
    count: BigInt(from + n),
  }));
}

export function messageOf(fields: Partial<Omit<FlightMessage, "bytes">>): FlightMessage {
  const none = new Uint8Array(0);
  const { header = none, body = none, appMetadata = none } = fields;
  return { header, body, appMetadata, bytes: header.length + body.length + appMetadata.length };
}

export const schemaMessage = message(messagesOf(schema, [])[0]);
export const keepAlive = batchMessage(0);

export function batchMessage(rows: number, from = 0): FlightMessage {
  return message(messagesOf(schema, [batchOf(rows, from)])[1]);
}

/** Schema, batches of so many rows, status OK. */
export function answer(...batches: readonly number[]): Script {
  return () => messages(...batches);
}

export function messages(...batches: readonly number[]): FlightMessage[] {
  let from = 0;
  const sent = batches.map((rows) => {
    from += rows;
    return batchMessage(rows, from - rows);
  });
  return [schemaMessage, ...sent];
}

/** The messages, and then a fault. */
export function failing(fault: Fault, sent: readonly FlightMessage[] = []): Script {
  return function* () {
    yield* sent;
    throw fault;
  };
}

/** The messages, and then nothing any more. */
export function silentAfter(sent: readonly FlightMessage[]): Script {
  return async function* () {
    yield* sent;
    await new Promise(() => {});
  };
}

export function faultOf(code: string, disposition: Disposition): Fault {
  return new Fault({ code, layer: "flight", disposition, message: `planted: ${code}` });
}

/** The messages of an IPC stream without their frames; each body is `appMetadata`-free. */
export function messagesOf(schema: Schema, batches: readonly RecordBatch[]): FlightMessage[] {
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  for (const batch of batches) writer.write(batch);
  writer.finish();
  const stream = Buffer.from(writer.toUint8Array(true));
  const found: FlightMessage[] = [];
  for (let at = 0; at + 8 <= stream.length;) {
    const headerEnd = at + 8 + stream.readInt32LE(at + 4);
    const header = stream.subarray(at + 8, headerEnd);
    if (header.length === 0) break;
    const end = headerEnd + Message.decode(header).bodyLength;
    found.push(messageOf({ header, body: stream.subarray(headerEnd, end) }));
    at = end;
  }
  return found;
}

function message(found: FlightMessage | undefined): FlightMessage {
  if (found === undefined) throw new Error("the writer wrote no such message");
  return found;
}

/** For assert.rejects. */
export function isFault(code: string, message = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** Pulls by hand. */
export function pullsOf<T>(
  things: AsyncIterable<T>,
): AsyncIterator<T> & { return(): Promise<IteratorResult<T>> } {
  const iterator = things[Symbol.asyncIterator]();
  return {
    next: async () => await iterator.next(),
    return: async () => (await iterator.return?.()) ?? assert.fail("it cannot be left"),
  };
}

/** Timers under way in this process. */
export function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}

/** Queries that were ended early: each is over on the server, once, and nothing of it is left here. */
export function assertFreed({ calls }: ScriptedChannel, timersBefore: number): void {
  assert.deepEqual(
    calls.map((call) => call.cancels),
    calls.map(() => 1),
  );
  assert.equal(timers(), timersBefore);
}

export const endless: Script = function* () {
  yield schemaMessage;
  for (;;) yield batchMessage(10);
};
