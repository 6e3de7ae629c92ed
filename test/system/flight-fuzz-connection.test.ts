/**
 * Responses that are damaged below Arrow, in protobuf, in the framing of gRPC or in how they end, on a real connection:
 * each query ends with a `Fault` or with the rows that an independent reader finds in the same bytes, in time, and nothing
 * is thrown anywhere else.
 *
 * FLIGHTLINE_FUZZ_SEED and FLIGHTLINE_FUZZ_RESPONSES go on longer.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { rowsOf, type Row } from "../../src/influx/arrow/rows.ts";
import type { FlightStream } from "../../src/influx/flight/api.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { Fault } from "../../src/lib/fault.ts";
import { ArrowJudge } from "../support/arrow-judge.ts";
import { difference } from "../support/arrow-judge-compare.ts";
import { judgeFlight } from "../support/arrow-judge-flight.ts";
import { flightServer } from "../support/flight-channel.ts";
import { damagedResponse, sendResponse, type Response } from "../support/flight-fuzz-frames.ts";

const seed = Number(process.env["FLIGHTLINE_FUZZ_SEED"] ?? 2026);
const responses = Number(process.env["FLIGHTLINE_FUZZ_RESPONSES"] ?? 600);
const mostMs = 2000;

async function listOf<T>(things: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const thing of things) list.push(thing);
  return list;
}

/** The ways to read a stream, and their rows. */
type Way = (stream: FlightStream) => Promise<Row[]>;

const ways: readonly Way[] = [
  async (stream) => await stream.rows().collect(),
  async (stream) => await listOf(stream.rows()),
  async (stream) => {
    const { schema, batches } = await stream.all();
    return batches.flatMap((batch) => rowsOf(schema)(batch));
  },
  async (stream) => (await listOf(stream.chunks())).flatMap(({ batch }) => rowsOf(batch.schema)(batch)),
  async (stream) => {
    const reader = await stream.reader();
    const rows: Row[] = [];
    for (let batch = await reader.next(); batch !== undefined; batch = await reader.next())
      rows.push(...rowsOf(reader.schema)(batch));
    return rows;
  },
];

/** Of a response that was read as a whole. */
function assertJudged({ chunks }: Response, rows: readonly Row[]): void {
  const judge = new ArrowJudge();
  let taken = 0;
  for (const message of judgeFlight(Buffer.concat(chunks))) {
    const judged = judge.read(message);
    if (judged === undefined) continue;
    assert.equal(difference(rows.slice(taken, taken + judged.length), judged), undefined);
    taken += judged.length;
  }
  assert.equal(rows.length, taken);
}

describe("damaged responses on a real connection", () => {
  test(`${responses} of them end with a fault of their own or with the rows that are there`, async (t) => {
    const strays: unknown[] = [];
    const stray = (error: unknown): number => strays.push(error);
    process.on("uncaughtException", stray).on("unhandledRejection", stray);
    t.after(() => process.off("uncaughtException", stray).off("unhandledRejection", stray));
    const server = await flightServer(t, async (ticket, reply) => {
      const { sql_query: run } = JSON.parse(Buffer.from(ticket).toString()) as { sql_query: string };
      await sendResponse(reply, damagedResponse(seed, Number(run)));
    });
    const client = createFlightClient({
      url: server.url,
      database: "farm",
      tls: { verify: true },
      timeoutMs: mostMs,
    });
    t.after(() => client.close());
    const codes = new Map<string, number>();
    for (let run = 0; run < responses; run += 1) {
      const response = damagedResponse(seed, run);
      const stream = client.query({ text: String(run), retry: "never" });
      const [read] = await Promise.allSettled([(ways[run % ways.length] as Way)(stream)]);
      let code = "rows";
      try {
        if (read.status === "rejected") {
          assert.ok(read.reason instanceof Fault);
          ({ code } = read.reason);
        } else {
          assert.equal(response.ending, "ok");
          assertJudged(response, read.value);
        }
        assert.notEqual(code, "flight_timeout");
      } catch (error) {
        const bytes = Buffer.concat(response.chunks).toString("hex");
        const which = `response ${run} of seed ${seed}, ${response.what}, ${response.ending}: ${bytes}`;
        throw new Error(`${inspect(error)}\n${which}`, { cause: error });
      }
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    for (const [code, count] of codes) t.diagnostic(`${count} × ${code}`);
    assert.ok((codes.get("rows") ?? 0) >= responses / 20 && (codes.get("flight_bad_stream") ?? 0) > 0);
    assert.deepEqual(strays, []);
  });
});
