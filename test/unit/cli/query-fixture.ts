/** `flightline query` with a client that answers from memory, and what became of it. */
import { PassThrough, Readable, type Writable } from "node:stream";
import type { TestContext } from "node:test";
import type { Schema, RecordBatch } from "apache-arrow";
import { type QueryClient, queryCommand, type QueryIo } from "../../../src/cli/query.ts";
import type { QueryOptions } from "../../../src/cli/query-arguments.ts";
import type { Row } from "../../../src/influx/arrow/rows.ts";
import type {
  Column,
  FlightConfig,
  FlightQuery,
  FlightStream,
  InfluxColumn,
} from "../../../src/influx/flight/api.ts";
import type { ListStream, TableFilter, TableInfo } from "../../../src/influx/flight/flight-sql-api.ts";
import { assert, Fault } from "../../../src/lib/fault.ts";
import { recordingIo } from "../../support/fakes/recording-io.ts";
import { ConfigDirectory, minimal } from "../config/fixture.ts";

/** What would move a cursor or turn the direction of reading. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
export const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

export function column(name: string, arrowType = "Utf8", influx?: InfluxColumn): Column {
  return { name, arrowType, nullable: true, influx };
}

export interface Answer {
  readonly columns?: readonly Column[];
  /** An error among them is thrown there. A function is called when its turn comes. */
  readonly batches?: Iterable<readonly Row[] | Error | (() => readonly Row[])>;
  /** What GetTables says; a Fault is thrown. Default: the server has no such call. */
  readonly tables?: readonly TableInfo[] | Fault;
  readonly arrow?: { readonly schema: Schema; readonly batches: readonly RecordBatch[] };
}

const unsupported = new Fault({
  code: "flight_unsupported",
  layer: "flight",
  disposition: "fatal",
  message: "what listens there has no such Flight call",
  hint: "ask another one",
});

/** Follows the contract of api.ts as far as the command uses it. */
export class FakeClient implements QueryClient {
  readonly asked: FlightQuery[] = [];
  /** Batches that were pulled. */
  pulled = 0;
  /** The consumer left before the end. */
  cancelled = 0;
  closed = 0;
  config: FlightConfig | undefined;
  /** Of GetTables. */
  readonly filters: (TableFilter | undefined)[] = [];
  readonly sql: QueryClient["sql"] = { tables: (filter) => this.#tables(filter) };
  readonly #answer: Answer;

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  query(query: FlightQuery): FlightStream {
    this.asked.push(query);
    const { columns = [], arrow } = this.#answer;
    const never = (): never => assert(false, "the command does not read this way") as never;
    return {
      requestId: "1",
      all: never,
      chunks: never,
      ended: new Promise(() => undefined),
      rows: (options) => {
        assert(options?.times === "iso", "times are text");
        const batches = (): AsyncIterable<readonly Row[]> => this.#batches(query);
        return {
          [Symbol.asyncIterator]: never,
          collect: never,
          columns: async () => columns,
          batches,
        };
      },
      reader: async () => {
        assert(arrow !== undefined, "there is an Arrow answer");
        const rest = [...arrow.batches];
        return {
          schema: arrow.schema,
          columns,
          next: async () => rest.shift(),
          cancel: () => {
            this.cancelled += 1;
          },
        };
      },
    };
  }

  close(): void {
    this.closed += 1;
  }

  #tables(filter: TableFilter | undefined): ListStream<TableInfo> {
    const never = (): never => assert(false, "the command does not read this way") as never;
    const { tables = unsupported } = this.#answer;
    this.filters.push(filter);
    return {
      requestId: "2",
      all: never,
      rows: never,
      chunks: never,
      reader: never,
      ended: new Promise(() => undefined),
      list: async () => {
        if (tables instanceof Fault) throw tables;
        return tables;
      },
    };
  }

  async *#batches({ signal }: FlightQuery): AsyncGenerator<readonly Row[]> {
    let isWhole = false;
    try {
      for (const batch of this.#answer.batches ?? []) {
        signal?.throwIfAborted();
        if (batch instanceof Error) throw batch;
        this.pulled += 1;
        yield typeof batch === "function" ? batch() : batch;
      }
      signal?.throwIfAborted();
      isWhole = true;
    } finally {
      if (!isWhole) this.cancelled += 1;
    }
  }
}

export interface Asking extends Partial<QueryOptions> {
  readonly isTerminal?: boolean;
  readonly errIsTerminal?: boolean;
  readonly outIsFile?: boolean;
  readonly columns?: number;
  readonly stdin?: string | Uint8Array;
  readonly stdout?: Writable;
  readonly env?: NodeJS.ProcessEnv;
  /** Aborted as main.ts does it. */
  readonly stop?: AbortController;
  /** What goes before the tables of the configuration that everything needs. */
  readonly configText?: string;
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly bytes: Uint8Array;
  readonly err: string;
}

export async function ask(t: TestContext, client: FakeClient, asking: Asking = {}): Promise<Said> {
  const files = new ConfigDirectory();
  t.after(() => {
    files[Symbol.dispose]();
  });
  files.write({ "flightline.toml": asking.configText ?? minimal });
  const stop = asking.stop ?? new AbortController();
  const collected: Buffer[] = [];
  const stdout = asking.stdout ?? new PassThrough();
  if (asking.stdout === undefined) stdout.on("data", (chunk: Buffer) => collected.push(chunk));
  stdout.on("error", (error) => {
    stop.abort(error);
  });
  const { io, err } = recordingIo(stop.signal);
  const queryIo: QueryIo = {
    ...io,
    env: asking.env ?? {},
    isTerminal: asking.isTerminal ?? false,
    errIsTerminal: asking.errIsTerminal ?? false,
    outIsFile: asking.outIsFile ?? false,
    columns: asking.columns,
    stdin: Readable.from(asking.stdin === undefined ? [] : [Buffer.from(asking.stdin)]),
    stdout,
  };
  const {
    isTerminal: _1,
    stdin: _2,
    stdout: _3,
    env: _4,
    stop: _5,
    configText: _6,
    outIsFile: _7,
    ...given
  } = asking;
  const options: QueryOptions = {
    config: files.main,
    query: given.tables === true || given.schema !== undefined ? undefined : "SELECT 1",
    tables: false,
    param: [],
    ...given,
  };
  const code = await queryCommand(options, queryIo, {
    openClient: async (config) => {
      client.config = config;
      return client;
    },
  });
  const bytes = Buffer.concat(collected);
  return { code, out: bytes.toString(), bytes, err: err() };
}
