import type { ClientRequest, IncomingMessage } from "node:http";
import { once } from "../lib/abort.ts";
import { Fault, errorCode } from "../lib/fault.ts";
import { diagnose, type Peer } from "../net/diagnose.ts";
import type { Answer } from "./outcome.ts";

/**
 * One request and its answer on one socket: `send` settles exactly once, and by then either the answer
 * has been read to its end or the socket is destroyed.
 */

export interface Exchange {
  readonly request: ClientRequest;
  readonly body: Buffer;
  readonly peer: Peer;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * The server closed an idle connection at the moment we took it up again. Writes are idempotent, so
 * the same thing can be sent again at once.
 */
export class StaleConnection extends Error {
  override readonly name = "StaleConnection";
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** The rest of a larger answer is cut off, together with its connection. */
const maxAnswerBytes = 64 * 1024;

/** Rejects with a `Fault`, a `StaleConnection`, or the signal's reason. */
export async function send({ request, body, peer, timeoutMs, signal }: Exchange): Promise<Answer> {
  return await new Promise<Answer>((resolve, reject) => {
    const phase = watchPhase(request);
    const timer = setTimeout(() => stop(timedOut(phase(), timeoutMs, peer)), timeoutMs);
    const stopListening = once(signal, () => stop(signal.reason));

    function finish(): void {
      clearTimeout(timer);
      stopListening();
    }
    async function take(response: IncomingMessage): Promise<void> {
      try {
        const answer = await collect(response);
        finish();
        resolve(answer);
      } catch (error) {
        stop(diagnose(error, peer));
      }
    }
    function stop(reason: unknown): void {
      finish();
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- an abort reason may be anything
      reject(reason);
      request.destroy();
    }

    // Stays to the end: destroying a request makes it emit an error that nobody else would hear.
    request.on("error", (error) => stop(failed(error, request, peer)));
    request.once("response", (response) => void take(response));
    request.end(body);
  });
}

async function collect(response: IncomingMessage): Promise<Answer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk.subarray(0, maxAnswerBytes - bytes));
    bytes += chunk.length;
    // Leaving the loop destroys the response and its socket.
    if (bytes >= maxAnswerBytes) break;
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers["retry-after"],
    location: response.headers.location,
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

type Phase = "waiting for a free connection" | "connecting" | "answering";

function watchPhase(request: ClientRequest): () => Phase {
  let phase: Phase = "waiting for a free connection";
  request.once("socket", (socket) => {
    phase = request.reusedSocket ? "answering" : "connecting";
    if (request.reusedSocket) return;
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
      phase = "answering";
    });
  });
  return () => phase;
}

function failed(error: Error, request: ClientRequest, peer: Peer): Error {
  const fault = diagnose(error, peer);
  const code = errorCode(error);
  const closed = code === "ECONNRESET" || code === "EPIPE";
  return closed && request.reusedSocket ? new StaleConnection(fault) : fault;
}

function timedOut(phase: Phase, timeoutMs: number, peer: Peer): Fault {
  if (phase === "connecting") {
    return diagnose(Object.assign(new Error("no connection"), { code: "ETIMEDOUT" }), peer);
  }
  const within = `within ${timeoutMs / 1000} s`;
  const queued = phase === "waiting for a free connection";
  return new Fault({
    code: "write_timeout",
    layer: "write",
    disposition: "retry",
    message: queued
      ? `no connection to InfluxDB became free ${within}: other writes take too long`
      : `InfluxDB did not answer a write ${within}; its connection was closed`,
    hint: queued
      ? "see why InfluxDB answers slowly, or raise influxdb.max_in_flight"
      : "the write is sent again, which changes nothing if it had arrived; if this lasts, look for a slow disk under InfluxDB, or raise influxdb.write_timeout",
  });
}
