import type { ClientRequest, IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { once } from "../lib/abort.ts";
import { Fault, errorCode } from "../lib/fault.ts";
import { causes } from "../net/causes.ts";
import { behindProxy, diagnose, faultOfCause, type Peer } from "../net/diagnose.ts";
import type { Answer } from "./outcome.ts";

/**
 * One request and its answer on one socket: `send` settles exactly once, and by then either the answer
 * has been read to its end or the socket is destroyed.
 */

/** What a request is for: its faults say it. */
export type Errand = "write" | "schema";

export interface Exchange {
  readonly request: ClientRequest;
  readonly body: Buffer;
  readonly peer: Peer;
  readonly errand: Errand;
  readonly timeoutMs: number;
  /** The rest of a larger answer is cut off, together with its connection. */
  readonly maxAnswerBytes: number;
  readonly signal: AbortSignal;
}

export interface ReceivedAnswer extends Answer {
  /** False: cut off at `maxAnswerBytes`. */
  readonly isWhole: boolean;
}

/**
 * The server closed an idle connection at the moment we took it up again. Writes are idempotent, and
 * questions are asked as often as one likes, so the same thing can be sent again at once.
 */
export class StaleConnection extends Error {
  override readonly name = "StaleConnection";
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

/**
 * A TCP connection is given up after this time, in which the kernel has sent three SYNs (at 0, 1 and 3 s): where
 * packets vanish, a server that is back is found by the next attempt, and not a whole write timeout later. Finding
 * the address and the TLS handshake are not bounded by it: they may take longer on a slow link, and succeed.
 */
const connectPatienceMs = 4000;

/** Rejects with a `Fault`, a `StaleConnection`, or the signal's reason. */
export async function send(exchange: Exchange): Promise<ReceivedAnswer> {
  const { request, body, peer, timeoutMs, maxAnswerBytes, signal } = exchange;
  return await new Promise<ReceivedAnswer>((resolve, reject) => {
    const phase = watchPhase(request);
    const late = (): void => stop(behindProxy(timedOut(phase(), exchange), peer.proxy));
    const timer = setTimeout(late, timeoutMs);
    const stopWatching = watchConnecting(request, late);
    const stopListening = once(signal, () => stop(signal.reason));

    function finish(): void {
      clearTimeout(timer);
      stopWatching();
      stopListening();
    }
    async function take(response: IncomingMessage): Promise<void> {
      try {
        const answer = await collect(response, maxAnswerBytes);
        finish();
        resolve(answer);
      } catch (error) {
        stop(behindProxy(diagnose(error, peer), peer.proxy));
      }
    }
    function stop(reason: unknown): void {
      finish();
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- an abort reason may be anything
      reject(reason);
      request.destroy();
    }

    // Stays to the end: destroying a request makes it emit an error that nobody else would hear.
    request.on("error", (error) => stop(failed(error, request, peer, phase())));
    request.once("response", (response) => void take(response));
    request.end(body);
  });
}

/** What was asked for, or the fault for which there is none. Rejects with the signal's reason, or with a bug. */
export async function orFault<T>(asked: Promise<T>, signal: AbortSignal): Promise<T | Fault> {
  try {
    return await asked;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault) return error;
    throw error;
  }
}

async function collect(response: IncomingMessage, maxAnswerBytes: number): Promise<ReceivedAnswer> {
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
    isWhole: bytes < maxAnswerBytes,
  };
}

type Phase = "waiting for a free connection" | "connecting" | "answering";

function watchPhase(request: ClientRequest): () => Phase {
  let phase: Phase = "waiting for a free connection";
  request.once("socket", (socket) => {
    // A tunnel through a proxy is connected when it becomes a request's.
    const isConnected = request.reusedSocket || (!socket.connecting && !("encrypted" in socket));
    phase = isConnected ? "answering" : "connecting";
    if (isConnected) return;
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
      phase = "answering";
    });
  });
  return () => phase;
}

/** Calls `late` when its TCP connection is not there in time. Returns what ends that. */
function watchConnecting(request: ClientRequest, late: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const end = (): void => {
    isOver = true;
    clearTimeout(timer);
  };
  const start = (): void => {
    // An address may be found after whoever asked has gone.
    if (!isOver) timer = setTimeout(late, connectPatienceMs);
  };
  request.once("socket", (socket) => {
    if (!socket.connecting) return;
    socket.once("connect", end);
    if (isIP(request.host) === 0) socket.once("lookup", start);
    else start();
  });
  return end;
}

function failed(error: Error, request: ClientRequest, peer: Peer, phase: Phase): Error {
  const code = errorCode(error);
  const closed = code === "ECONNRESET" || code === "EPIPE";
  // Of a handshake that ends by FIN, Node.js says so itself.
  if (closed && phase === "connecting" && peer.url.startsWith("https:")) {
    return behindProxy(faultOfCause(causes.closedInHandshake, peer, ""), peer.proxy);
  }
  const fault = behindProxy(diagnose(error, peer), peer.proxy);
  return closed && request.reusedSocket ? new StaleConnection(fault) : fault;
}

function timedOut(phase: Phase, { errand, timeoutMs, peer }: Exchange): Fault {
  if (phase === "connecting") {
    return diagnose(Object.assign(new Error("no connection"), { code: "ETIMEDOUT" }), peer);
  }
  const { code, asked, hint } = overdue[errand];
  const within = `within ${Math.round(timeoutMs) / 1000} s`;
  const queued = phase === "waiting for a free connection";
  return new Fault({
    code,
    layer: "write",
    disposition: "retry",
    message: queued
      ? `no connection to InfluxDB became free ${within}: other requests take too long`
      : `InfluxDB did not answer ${asked} ${within}; its connection was closed`,
    hint: queued ? "see why InfluxDB answers slowly, or raise influxdb.max_in_flight" : hint,
  });
}

const overdue: Readonly<Record<Errand, { code: string; asked: string; hint: string }>> = {
  write: {
    code: "write_timeout",
    asked: "a write",
    hint: "the write is sent again, which changes nothing if it had arrived; if this lasts, look for a slow disk under InfluxDB, or raise influxdb.write_timeout",
  },
  schema: {
    code: "schema_timeout",
    asked: "a query of its schema",
    hint: "it is asked again; if this lasts, look for a slow disk under InfluxDB, or for queries that keep it busy",
  },
};

/** Of a request that was under way when its transport was closed. */
export function cancelled(errand: Errand): Fault {
  const isWrite = errand === "write";
  return new Fault({
    code: isWrite ? "write_cancelled" : "schema_cancelled",
    layer: "write",
    disposition: "retry",
    message: isWrite
      ? "a write was given up because the writer was closed"
      : "reading InfluxDB's schema was given up because its reader was closed",
    hint: isWrite ? "it is sent again after the next start" : "it is read again after the next start",
  });
}
