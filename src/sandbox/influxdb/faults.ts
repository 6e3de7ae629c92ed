/**
 * Faults that a test plants. Each next write takes the oldest one that waits, or what chance gives it; `seen`
 * counts what was acted out, so that a test can assert that its fault has fallen.
 */
import type { Answer } from "./answer.ts";

export type WriteFault =
  /** Nothing is written; this is the answer. */
  | ({ readonly kind: "answer" } & Answer)
  /** The write is committed, then the connection is destroyed instead of an answer. */
  | { readonly kind: "lose_answer" }
  /** Nothing is written, and the connection is destroyed. */
  | { readonly kind: "reset" }
  /** Nothing is written, and no answer comes until the client gives up or the stand-in stops. */
  | { readonly kind: "hang" };

export class Faults {
  readonly seen: Record<WriteFault["kind"], number> = { answer: 0, lose_answer: 0, reset: 0, hang: 0 };
  /** Every answer to a write is held back for so long. */
  delayMs = 0;
  /** "v2only": write_lp answers 405 and SQL over HTTP is not there, as on Clustered, Dedicated and Serverless. */
  writeApi: "all" | "v2only" = "all";
  /** What befalls a write that no planted fault waits for. */
  byChance: (() => WriteFault | undefined) | undefined;
  /** The server's reason for refusing a line that is none the worse for it; undefined takes it. */
  refuseLine: ((line: string) => string | undefined) | undefined;
  #planted: WriteFault[] = [];

  /** The next `times` writes meet this fault, after those that were planted before. */
  nextWrites(fault: WriteFault, times = 1): void {
    for (let n = 0; n < times; n += 1) this.#planted.push(fault);
  }

  /** Planted and not met yet. */
  get waiting(): number {
    return this.#planted.length;
  }

  /** Back to an honest server. */
  clear(): void {
    this.#planted = [];
    this.delayMs = 0;
    this.writeApi = "all";
    this.byChance = undefined;
    this.refuseLine = undefined;
  }

  /** For the server: the fault of the write that has come. */
  take(): WriteFault | undefined {
    const fault = this.#planted.shift() ?? this.byChance?.();
    if (fault !== undefined) this.seen[fault.kind] += 1;
    return fault;
  }
}

/**
 * A fault of one Flight query. With `afterBatches` it falls after the schema and so many record batches,
 * keep-alives not counted; without, before the schema, or on the first message that it can change.
 */
export type FlightFault = { readonly afterBatches?: number } & (
  | {
      /** Any gRPC status, also OK: an answer that is short and looks whole. */
      readonly kind: "status";
      readonly code: number;
      readonly details: string;
      readonly metadata?: Readonly<Record<string, string>>;
    }
  /** RST_STREAM with a code of HTTP/2: 0 NO_ERROR, 2 INTERNAL_ERROR, 7 REFUSED_STREAM, 8 CANCEL, 11 ENHANCE_YOUR_CALM. */
  | { readonly kind: "reset"; readonly code: number }
  /** The connection is destroyed, with all that runs on it. */
  | { readonly kind: "cut" }
  /** The stream ends without a status. */
  | { readonly kind: "no_trailers" }
  /** Nothing more comes, keep-alives neither. */
  | { readonly kind: "hang" }
  /** The flatbuffer of the next message is broken, by default at its root. */
  | { readonly kind: "malformed"; readonly mutate?: (header: Uint8Array) => Uint8Array }
  /** The header of the next record batch is a well-formed flatbuffer that does not fit its body. */
  | { readonly kind: "lie"; readonly about: HeaderLie }
  /** Another schema is sent, and what follows is of that one. */
  | { readonly kind: "schema_change" }
  /** Each further record batch is held back for so long; keep-alives go on. */
  | { readonly kind: "drip"; readonly delayMs: number }
);

export type HeaderLie = "body_length" | "buffer_offset" | "buffer_length" | "node_length";

/** Each next DoGet that is authorized and has a valid ticket takes the oldest fault that waits. */
export class FlightFaults {
  /** Counted when it falls: a query that ends earlier was not hit. */
  readonly seen: Record<FlightFault["kind"], number> = {
    status: 0,
    reset: 0,
    cut: 0,
    no_trailers: 0,
    hang: 0,
    malformed: 0,
    lie: 0,
    schema_change: 0,
    drip: 0,
  };
  /** Tags are sent as Dictionary<Int32, Utf8>, replaced with every batch. */
  dictionaries = false;
  /** Missing databases and unknown tokens are refused as by Clustered and Cloud. */
  cloudErrors = false;
  /** Of every query that ends well, such as `x-influxdata-execution-duration-seconds`; Core sends none. */
  trailers: Readonly<Record<string, string>> = {};
  #planted: FlightFault[] = [];

  nextQueries(fault: FlightFault, times = 1): void {
    for (let n = 0; n < times; n += 1) this.#planted.push(fault);
  }

  /** Planted and not taken yet. */
  get waiting(): number {
    return this.#planted.length;
  }

  /** Back to an honest server. */
  clear(): void {
    this.#planted = [];
    this.dictionaries = false;
    this.cloudErrors = false;
    this.trailers = {};
  }

  /** For the server: the fault of the query that has come. */
  take(): FlightFault | undefined {
    return this.#planted.shift();
  }
}
