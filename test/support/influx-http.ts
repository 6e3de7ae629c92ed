/** The writer in a test's hands, and HTTP servers for it that keep what they are sent. */
import assert from "node:assert/strict";
import * as http from "node:http";
import * as https from "node:https";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import type { InfluxConfig } from "../../src/influx/config.ts";
import type { WriteOutcome } from "../../src/influx/outcome.ts";
import { createWriter, type LineWriter } from "../../src/influx/writer.ts";
import type { Fault } from "../../src/lib/fault.ts";
import { listening } from "./tcp-server.ts";

const deadlineMs = 10_000;
export const line = "climate,dev_eui=0102030405060708 temperature=21.5 1767225600123456789";
export const never = new AbortController().signal;

interface Received {
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

type Handler = (response: http.ServerResponse, received: Received, count: number) => void;

/** Reads each request to its end, keeps it, and lets the handler answer. */
export async function serve(
  t: TestContext,
  handler: Handler,
  tls?: https.ServerOptions,
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const listener: http.RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const one = { url: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) };
      received.push(one);
      handler(response, one, received.length);
    });
  };
  const server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
  const { port } = await listening(t, server);
  return { url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`, received };
}

export const noContent: Handler = (response) => void response.writeHead(204).end();

export function influxConfig(url: string, more: Partial<InfluxConfig> = {}): InfluxConfig {
  return {
    url,
    database: "lorawan",
    writeApi: "auto",
    writeTimeoutMs: deadlineMs,
    gzip: true,
    maxInFlight: 4,
    batchMaxLines: 5000,
    batchMaxBytes: 1 << 20,
    batchMaxAgeMs: 1000,
    tls: { verify: true },
    flightUrl: url,
    queryTimeoutMs: 60_000,
    ...more,
  };
}

export function writer(t: TestContext, url: string, more: Partial<InfluxConfig> = {}): LineWriter {
  const made = createWriter(influxConfig(url, more));
  t.after(() => made.close());
  return made;
}

function faultOf(outcome: WriteOutcome): Fault {
  assert.ok("fault" in outcome, inspect(outcome));
  return outcome.fault;
}

export function assertRetry(outcome: WriteOutcome, code: string): void {
  assert.equal(outcome.kind, "retry", inspect(outcome));
  assert.equal(faultOf(outcome).code, code);
}
