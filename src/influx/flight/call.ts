import { status as grpcCode, type Channel, type Metadata } from "@grpc/grpc-js";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterDelay } from "../../lib/abort.ts";
import { Fault, assert, errorText } from "../../lib/fault.ts";
import type { GrpcStatus } from "../../net/grpc-status.ts";
import type { GrpcPhase } from "../../net/grpc-rows.ts";
import { FlightDataSchema, TicketSchema } from "../../proto/flight/flight_pb.js";
import { badStream } from "../arrow/faults.ts";
import { cancelled } from "./faults.ts";

/**
 * One call of Flight, straight on grpc-js' channel instead of its client, whose streams hold sixteen messages (32 MiB)
 * before they hold the server back, throw what nobody listens to, and outlive their reader.
 *
 * - Only the first message is read before `next` asks for it: in memory are one message and the HTTP/2 window.
 * - The call ends once: with its status, with the deadline, or with `cancel` or `close`; the last three reset the
 *   stream on the server. After that it owns no timer, and whatever still arrives is not looked at.
 * - Nothing throws into grpc-js: a message that does not decode ends this call.
 * - Several requests leave one after the other: below grpc-js' surface there is room for one.
 */

/** A message of the stream; the three are views of one buffer, which is this message's alone. */
export interface FlightMessage {
  /** An Arrow IPC Message, as a bare flatbuffer. */
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  readonly appMetadata: Uint8Array;
  /** Of the three together. */
  readonly bytes: number;
}

export interface ServerCall<M> {
  /**
   * Undefined: ended with status OK, for every later call too. Rejects with a `Fault`, and then again with the same.
   * One at a time.
   */
  next(): Promise<M | undefined>;
  /** Harmless after the end. A `next` under way rejects with the fault `flight_cancelled`. */
  cancel(): void;
  /** Complete when `next` has given undefined or has rejected; binary ones are left out. */
  readonly trailers: Readonly<Record<string, string>>;
}

/** An answer of Arrow messages. */
export type FlightCall = ServerCall<FlightMessage>;

/** What is sent, and what comes back. */
export interface Exchange<M> {
  readonly method: "DoGet" | "GetFlightInfo" | "DoAction" | "DoPut";
  /** At least one. */
  readonly requests: readonly Uint8Array[];
  /** A `Fault` that it throws ends the call; anything else is the fault `flight_bad_stream`. */
  readonly decode: (message: Uint8Array) => M;
}

/** What a call needs of its channel. */
export interface CallDeps {
  readonly grpc: Channel;
  readonly metadata: Metadata;
  /** On the clock of `performance.now`. */
  readonly deadlineMs: number;
  readonly isConnected: () => boolean;
  readonly explain: (status: GrpcStatus, phase: GrpcPhase) => Fault;
  /** The call waits for the other side from now on. */
  readonly onWait: () => void;
  /** Something came from the other side, or its connection is known to be gone. In gRPC when "streaming". */
  readonly onHeard: (phase: GrpcPhase) => void;
  /** Once. */
  readonly onEnd: () => void;
}

const servicePath = "/arrow.flight.protocol.FlightService/";

type GrpcCall = ReturnType<Channel["createCall"]>;

export class RunningCall<M> implements ServerCall<M> {
  readonly #deps: CallDeps;
  readonly #exchange: Exchange<M>;
  readonly #grpc: GrpcCall;
  readonly #forgetDeadline: () => void;
  #phase: GrpcPhase = "connecting";
  #pull: PromiseWithResolvers<M | undefined> | undefined;
  /** The first message, if it came before it was asked for. */
  #first: M | undefined;
  #sent = 0;
  #end: { readonly fault: Fault | undefined } | undefined;
  #trailers: Readonly<Record<string, string>> = {};

  /** Sends the requests. */
  static start<M>(exchange: Exchange<M>, deps: CallDeps): RunningCall<M> {
    const call = new RunningCall(exchange, deps);
    call.#start();
    return call;
  }

  private constructor(exchange: Exchange<M>, deps: CallDeps) {
    this.#exchange = exchange;
    this.#deps = deps;
    // No deadline for grpc-js: it would set a timer by the clock of the day.
    this.#grpc = deps.grpc.createCall(servicePath + exchange.method, Infinity, null, null, null);
    this.#forgetDeadline = afterDelay(deps.deadlineMs - performance.now(), () => this.#overdue());
  }

  get trailers(): Readonly<Record<string, string>> {
    return this.#trailers;
  }

  /** It is the other side's turn: what was asked for has not come. */
  get isWaiting(): boolean {
    return this.#end === undefined && (this.#phase !== "streaming" || this.#pull !== undefined);
  }

  async next(): Promise<M | undefined> {
    assert(this.#pull === undefined, "next() of a Flight call while another one is under way");
    if (this.#end?.fault !== undefined) throw this.#end.fault;
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined || this.#end !== undefined) return first;
    this.#pull = Promise.withResolvers();
    const { promise } = this.#pull;
    if (this.#phase === "streaming") {
      this.#grpc.startRead();
      this.#deps.onWait();
    }
    return await promise;
  }

  cancel(): void {
    if (this.#end === undefined) this.endWith(cancelled());
  }

  /** Ends the call on both sides. */
  endWith(fault: Fault): void {
    if (this.#end !== undefined) return;
    const reset = (): void => this.#grpc.cancelWithStatus(grpcCode.CANCELLED, "cancelled");
    reset();
    // grpc-js opens the stream some microtasks after `start`, also of a call that was cancelled before.
    setImmediate(reset);
    this.#finish(fault);
  }

  #start(): void {
    this.#deps.onWait();
    this.#grpc.start(this.#deps.metadata, {
      onReceiveMetadata: () => {
        if (this.#end !== undefined) return;
        this.#phase = "answering";
        this.#deps.onHeard(this.#phase);
      },
      onReceiveMessage: (message: Uint8Array) => this.#receive(message),
      onReceiveStatus: (status) => {
        if (this.#end !== undefined) return;
        this.#trailers = textOnly(status.metadata);
        this.#finish(
          status.code === grpcCode.OK ? undefined : this.#deps.explain(status, this.#reached()),
          true,
        );
      },
    });
    this.#send();
    // Until something is asked for, grpc-js does not hold the stream back, and keeps all that comes.
    this.#grpc.startRead();
  }

  #send(): void {
    const { requests } = this.#exchange;
    const request = requests[this.#sent];
    if (request === undefined || this.#end !== undefined) return;
    this.#sent += 1;
    const isLast = this.#sent === requests.length;
    const bytes = Buffer.from(request.buffer, request.byteOffset, request.byteLength);
    this.#grpc.sendMessageWithContext(isLast ? {} : { callback: () => this.#send() }, bytes);
    if (isLast) this.#grpc.halfClose();
  }

  #receive(bytes: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#phase = "streaming";
    let message: M;
    try {
      message = this.#exchange.decode(bytes);
    } catch (error) {
      const { method } = this.#exchange;
      const fault = error instanceof Fault ? error : undefined;
      this.endWith(fault ?? badStream(`a message of ${method} does not decode (${errorText(error)})`));
      return;
    }
    const pull = this.#pull;
    this.#pull = undefined;
    if (pull === undefined) this.#first = message;
    else pull.resolve(message);
    this.#deps.onHeard(this.#phase);
  }

  #overdue(): void {
    this.endWith(this.#deps.explain({ code: grpcCode.DEADLINE_EXCEEDED, details: "" }, this.#reached()));
  }

  /** grpc-js does not tell when a call finds a connection. */
  #reached(): GrpcPhase {
    return this.#phase === "connecting" && this.#deps.isConnected() ? "answering" : this.#phase;
  }

  #finish(fault: Fault | undefined, isHeard = false): void {
    this.#end = { fault };
    this.#forgetDeadline();
    const pull = this.#pull;
    this.#pull = undefined;
    if (fault === undefined) pull?.resolve(undefined);
    else pull?.reject(fault);
    if (isHeard) this.#deps.onHeard(this.#phase);
    this.#deps.onEnd();
  }
}

export function doGetExchange(ticket: Uint8Array): Exchange<FlightMessage> {
  const request = toBinary(TicketSchema, create(TicketSchema, { ticket }));
  return { method: "DoGet", requests: [request], decode: decodeFlightData };
}

/**
 * protobuf-es checks every length, skips what it does not know, and gives views. 0.3 µs for a message of any size;
 * a scanner of these three fields alone was measured at 0.2 µs, which no query would notice.
 */
export function decodeFlightData(bytes: Uint8Array): FlightMessage {
  const { dataHeader: header, dataBody: body, appMetadata } = fromBinary(FlightDataSchema, bytes);
  return { header, body, appMetadata, bytes: header.length + body.length + appMetadata.length };
}

function textOnly(metadata: Metadata): Readonly<Record<string, string>> {
  const pairs = Object.entries(metadata.getMap()).filter(([, value]) => typeof value === "string");
  return Object.fromEntries(pairs) as Record<string, string>;
}
