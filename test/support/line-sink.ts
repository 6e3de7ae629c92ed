/**
 * A server that takes writes as InfluxDB 3 does and keeps nothing: it judges each line by itself, with the
 * stand-in's parser, and counts it under its table, or under the labels that it is given. What lines say of
 * each other (a column's type, the number of columns) is not looked at; where that matters, use the stand-in.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readBody } from "../../src/sandbox/influxdb/body.ts";
import { parseLineProtocol } from "../../src/sandbox/influxdb/line-protocol.ts";
import type { ParsedPoint } from "../../src/sandbox/influxdb/point.ts";

const maxBodyBytes = 10 * 1024 * 1024;
const mostColumns = 500;

/** What a line is counted under. */
type LabelsOf = (point: ParsedPoint) => readonly string[];

export class LineSink implements AsyncDisposable {
  readonly #server: Server;
  readonly #labelsOf: LabelsOf;
  readonly #counts = new Map<string, number>();
  /** Lines that InfluxDB would refuse, and why. */
  readonly refused: string[] = [];
  writes = 0;

  private constructor(labelsOf: LabelsOf) {
    this.#labelsOf = labelsOf;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(labelsOf: LabelsOf = ({ table }) => [table]): Promise<LineSink> {
    const sink = new LineSink(labelsOf);
    sink.#server.listen(0, "127.0.0.1");
    await once(sink.#server, "listening");
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  lines(label: string): number {
    return this.#counts.get(label) ?? 0;
  }

  /** All labels that begin so, without that beginning. */
  linesByLabel(beginning = ""): Record<string, number> {
    const found = [...this.#counts].filter(([label]) => label.startsWith(beginning));
    return Object.fromEntries(found.map(([label, count]) => [label.slice(beginning.length), count]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A server without v3 queries: nobody knows its columns.
    const isWrite = /^\/api\/v[23]\/write/.test(request.url ?? "");
    response.writeHead(isWrite ? await this.#take(request) : 404).end();
  }

  /** 204, or 400 for all of it, as with accept_partial=false. */
  async #take(request: IncomingMessage): Promise<204 | 400> {
    const body = await readBody(request, maxBodyBytes);
    this.writes += 1;
    const points: ParsedPoint[] = [];
    let refusals = 0;
    for (const result of parseLineProtocol(body, { precision: "nanosecond", nowNs: 0n })) {
      const problem = "error" in result ? result.error : problemOf(result.point);
      if ("point" in result && problem === undefined) points.push(result.point);
      else {
        refusals += 1;
        this.refused.push(`${problem}: ${result.text.slice(0, 300)}`);
      }
    }
    if (refusals > 0 || points.length === 0) return 400;
    for (const label of points.flatMap(this.#labelsOf)) this.#counts.set(label, this.lines(label) + 1);
    return 204;
  }
}

/** What the server finds wrong with a line that it could read. */
function problemOf({ table, tags, fields }: ParsedPoint): string | undefined {
  const columns = new Set(["time"]);
  for (const { name } of [...tags, ...fields]) {
    if (columns.has(name)) return `column ${JSON.stringify(name)} is there twice`;
    columns.add(name);
  }
  if (columns.size > mostColumns) return `${columns.size} columns`;
  return table === "" ? "no table" : undefined;
}
