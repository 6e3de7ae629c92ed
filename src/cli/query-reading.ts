/** From a stream to an output, in the format that was asked for. */
import { setImmediate as turn } from "node:timers/promises";
import type { Column, FlightStream, InfluxColumn } from "../influx/flight/api.ts";
import type { Row } from "../influx/arrow/rows.ts";
import { assert } from "../lib/fault.ts";
import type { Asked } from "./query-arguments.ts";
import type { Output } from "./query-output.ts";
import { rowFormat } from "./query-rows.ts";
import { QueryTable } from "./query-table.ts";
import type { Paint } from "./status-layout.ts";

/** Of what the rows are shown on. */
export interface Look {
  readonly isScreen: boolean;
  /** Undefined: as wide as it gets. */
  readonly width: number | undefined;
  readonly paint: Paint;
}

/** Written at once. */
const pieceLength = 64 * 1024;

export interface Rows {
  readonly columns: readonly Column[];
  readonly batches: AsyncIterable<readonly Row[]>;
}

export class QueryReading {
  /** Read so far. */
  rows = 0;
  readonly #asked: Asked;
  readonly #look: Look;

  constructor(asked: Asked, look: Look) {
    this.#asked = asked;
    this.#look = look;
  }

  async read(stream: FlightStream, output: Output): Promise<void> {
    const { format, what } = this.#asked;
    const startedAtMs = performance.now();
    if (format === "arrow") {
      await this.#arrow(stream, output);
      return;
    }
    const answer = await rowsOf(stream);
    await this.show(what === "schema" ? await schemaRows(answer) : answer, output, startedAtMs);
  }

  /** In any format but Arrow's. */
  async show(rows: Rows, output: Output, startedAtMs: number): Promise<void> {
    const { format } = this.#asked;
    assert(format !== "arrow", "rows are no Arrow stream");
    if (format === "table") await this.#table(rows, output, startedAtMs);
    else await this.#text(rows, format, output);
  }

  async #text({ columns, batches }: Rows, kind: "csv" | "json" | "ndjson", output: Output): Promise<void> {
    const format = rowFormat(kind, columns, this.#look.isScreen);
    await writePieces([format.head], output);
    for await (const batch of batches) {
      const isFirst = this.rows === 0;
      this.rows += batch.length;
      const texts = batch.values().map((row, index) => format.row(row, isFirst && index === 0));
      await writePieces(texts, output);
      // Signals are heard between two turns only.
      await turn();
    }
    await writePieces([format.tail(this.rows === 0)], output);
  }

  async #table({ columns, batches }: Rows, output: Output, startedAtMs: number): Promise<void> {
    const table = new QueryTable(columns, this.#look.width, this.#look.paint);
    for await (const batch of batches) {
      this.rows += batch.length;
      for (const row of batch) if (!table.isFull) table.add(row);
      // What is not shown is not asked for: leaving the loop ends the query.
      if (this.rows > table.rowCount) break;
      await turn();
    }
    const end = { rowsRead: this.rows, elapsedMs: performance.now() - startedAtMs };
    const lines = table.lines(end).map((line) => `${line}\n`);
    await writePieces(lines, output);
  }

  async #arrow(stream: FlightStream, output: Output): Promise<void> {
    const { ArrowEncoder } = await import("./query-arrow.ts");
    const encoder = new ArrowEncoder();
    const reader = await stream.reader();
    const write = async (pieces: readonly Uint8Array[]): Promise<void> => {
      for (const piece of pieces) await output.write(piece);
    };
    try {
      await write(encoder.begin(reader.schema));
      for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
        this.rows += batch.numRows;
        await write(encoder.batch(batch));
        await turn();
      }
      await write(encoder.end());
    } finally {
      reader.cancel();
    }
  }
}

async function rowsOf(stream: FlightStream): Promise<Rows> {
  const rows = stream.rows({ times: "iso" });
  return { columns: await rows.columns(), batches: rows.batches() };
}

/** The columns of a table as rows. */
async function schemaRows({ columns, batches }: Rows): Promise<Rows> {
  // To the end, so that what goes wrong behind the schema is seen, too.
  for await (const batch of batches) void batch;
  return columnRows(columns);
}

export function columnRows(columns: readonly Column[]): Rows {
  const text = (name: string): Column => ({ name, arrowType: "Utf8", nullable: true, influx: undefined });
  const rows = columns.map(({ name, influx, arrowType }) => ({
    column: name,
    influxdb: wordsFor(influx),
    arrow: arrowType,
  }));
  return { columns: ["column", "influxdb", "arrow"].map(text), batches: rowsAsBatches(rows) };
}

export async function* rowsAsBatches(rows: readonly Row[]): AsyncGenerator<readonly Row[]> {
  yield rows;
}

function wordsFor(influx: InfluxColumn | undefined): string | null {
  if (influx === undefined) return null;
  return influx.kind === "field" ? `field ${influx.type}` : influx.kind;
}

async function writePieces(texts: Iterable<string>, output: Output): Promise<void> {
  let piece = "";
  for (const text of texts) {
    piece += text;
    if (piece.length < pieceLength) continue;
    await output.write(piece);
    piece = "";
  }
  if (piece !== "") await output.write(piece);
}
