import type { Agent, ClientRequest, OutgoingHttpHeaders, RequestOptions } from "node:http";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { Fault, assert } from "../lib/fault.ts";
import type { Peer } from "../net/diagnose.ts";
import { http, https } from "../net/node-http.ts";
import { Outages } from "../net/probe-outage.ts";
import { createAgent } from "./agents.ts";
import type { InfluxConfig } from "./config.ts";
import { StaleConnection, cancelled, send, type Errand, type ReceivedAnswer } from "./exchange.ts";
import { strangersAnswer } from "./outcome.ts";
import { redactor } from "./redact.ts";

/**
 * POST to InfluxDB over node:http or node:https with an agent of our own (agents.ts).
 *
 * - At most `maxInFlight` connections, and idle ones are kept for a while.
 * - One deadline over everything: waiting for a connection, connecting, sending, and the last byte of
 *   the answer. When it passes, the socket is destroyed.
 * - The token is in the Authorization header and nowhere else: not in faults, and not in an answer
 *   that repeats it; a proxy never gets it.
 * - No request waits for a probe: what it finds is said by the next one that fails alike. A page, a redirect or a
 *   portal is no answer of InfluxDB's: who answers there is looked into as if nobody had.
 */

export interface Post {
  /** From the root, with its query. A path in `influxdb.url` is put in front of it. */
  readonly path: string;
  readonly body: string;
  readonly contentType: string;
  /** Default: `influxdb.write_timeout`. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

export interface HttpTransport {
  /**
   * Rejects with a `Fault` when there is no answer, or none to its end or to `maxAnswerBytes`; or with the
   * signal's reason.
   */
  post(request: Post): Promise<ReceivedAnswer>;
  /** Closes every connection; requests under way reject with a `Fault`. */
  close(): void;
}

export interface TransportUse {
  readonly errand: Errand;
  readonly maxAnswerBytes: number;
}

/** What an error answer says fits into it many times over. */
const writing: TransportUse = { errand: "write", maxAnswerBytes: 64 * 1024 };

/** A body that fits into one packet gains nothing from being smaller. */
const gzipFromBytes = 1400;

const gzipAsync = promisify(gzip);

/** Of one step of a probe. */
const probeStepMs = 5000;

/** Shared by all transports to one server. */
export function outagesOf({ url, tls, proxy, writeTimeoutMs }: InfluxConfig, everyMs?: number): Outages {
  const timeoutMs = Math.min(probeStepMs, writeTimeoutMs);
  const target = { target: "write", speaks: "http", url, tls, timeoutMs } as const;
  return new Outages(proxy === undefined ? target : undefined, everyMs);
}

export function createTransport(
  config: InfluxConfig,
  outages: Outages,
  use: TransportUse = writing,
): HttpTransport {
  const token = config.token?.reveal() ?? "";
  assert(/^[\x21-\x7e]*$/.test(token), "the configuration let a token through that no header can carry");
  const redact = redactor(token);
  const peer: Peer = { target: "write", url: config.url, proxy: config.proxy };
  const open = requestMaker(config, token, use.errand);
  const underWay = new Set<ClientRequest>();
  const closing = new AbortController();
  let isClosed = false;

  async function exchange(
    post: Post,
    body: Buffer,
    gzipped: boolean,
    timeoutMs: number,
  ): Promise<ReceivedAnswer> {
    // A write that was being compressed while the writer was closed.
    if (isClosed) throw cancelled(use.errand);
    const request = open.request(post, body.length, gzipped);
    underWay.add(request);
    try {
      const answer = await send({ request, body, peer, ...use, timeoutMs, signal: post.signal });
      return { ...answer, body: redact(answer.body), location: answer.location && redact(answer.location) };
    } finally {
      underWay.delete(request);
    }
  }

  async function attempt(post: Post): Promise<ReceivedAnswer> {
    const { timeoutMs = config.writeTimeoutMs } = post;
    const deadlineMs = performance.now() + timeoutMs;
    post.signal.throwIfAborted();
    const plain = Buffer.from(post.body);
    const gzipped = config.gzip && plain.length >= gzipFromBytes;
    // Level 1: a gateway's core has other work than the last tenth of compression.
    const body = gzipped ? await gzipAsync(plain, { level: constants.Z_BEST_SPEED }) : plain;
    post.signal.throwIfAborted();
    try {
      return await exchange(post, body, gzipped, timeoutMs);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
    }
    try {
      return await exchange(post, body, gzipped, Math.max(1, deadlineMs - performance.now()));
    } catch (error) {
      throw error instanceof StaleConnection ? error.fault : error;
    }
  }

  /** The cause, where a probe has found one. */
  function ofStranger(answer: ReceivedAnswer): Fault | undefined {
    const stranger = strangersAnswer(answer);
    if (stranger === undefined) outages.over();
    const found = stranger && outages.soon(stranger, performance.now(), closing.signal);
    return found === stranger ? undefined : found;
  }

  return {
    async post(post) {
      try {
        const answer = await attempt(post);
        const found = ofStranger(answer);
        if (found !== undefined) throw found;
        return answer;
      } catch (error) {
        if (!(error instanceof Fault) || post.signal.aborted || isClosed) throw error;
        throw better(error, outages.soon(error, performance.now(), closing.signal));
      }
    },
    close() {
      isClosed = true;
      closing.abort();
      for (const request of underWay) request.destroy(cancelled(use.errand));
      open.agent.destroy();
    },
  };
}

/**
 * A batch that brings the server down closes its connection, and whoever sends batches goes by that code: it only gives
 * way to what no batch can have done.
 */
function better(fault: Fault, found: Fault): Fault {
  return fault.code === "connection_closed" && found.layer !== "config" ? fault : found;
}

interface RequestMaker {
  readonly agent: Agent;
  request(post: Post, bytes: number, gzipped: boolean): ClientRequest;
}

function requestMaker(config: InfluxConfig, token: string, errand: Errand): RequestMaker {
  const base = new URL(config.url);
  const usesTls = base.protocol === "https:";
  const agent = createAgent(config, () => cancelled(errand));
  const shared: RequestOptions = {
    protocol: base.protocol,
    host: base.hostname.replace(/^\[|\]$/g, ""), // IPv6 stands in brackets in a URL only
    port: base.port === "" ? (usesTls ? 443 : 80) : Number(base.port),
    method: "POST",
    agent,
  };
  const prefix = base.pathname.replace(/\/$/, "");
  return {
    agent,
    request({ path, contentType }, bytes, gzipped) {
      const headers: OutgoingHttpHeaders = {
        "content-type": contentType,
        "content-length": bytes,
        "user-agent": "flightline",
      };
      if (gzipped) headers["content-encoding"] = "gzip";
      if (token !== "") headers["authorization"] = `Bearer ${token}`;
      return (usesTls ? https : http).request({ ...shared, path: `${prefix}${path}`, headers });
    },
  };
}
