/**
 * Questions to InfluxDB over HTTP on the connection that the daemon's writes take: the same agent, with its TLS and
 * its proxy (influx/agents.ts), one connection, kept. What is asked changes nothing. Answers come without our token,
 * should the server repeat it.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, RequestOptions } from "node:http";
import { createAgent } from "../influx/agents.ts";
import type { InfluxConfig } from "../influx/config.ts";
import { orFault, send, StaleConnection, type ReceivedAnswer } from "../influx/exchange.ts";
import { redactor } from "../influx/redact.ts";
import { Fault } from "../lib/fault.ts";
import { behindProxy, peerWords } from "../net/diagnose.ts";
import { http, https } from "../net/node-http.ts";

export interface Question {
  readonly method: "GET" | "POST";
  /** From the root; a path in `influxdb.url` is put in front of it. */
  readonly path: string;
  /** An object is sent as JSON. */
  readonly body?: object | string;
  /** Asked as somebody who has none. */
  readonly withoutToken?: boolean;
}

export interface TimedAnswer extends ReceivedAnswer {
  readonly headers: IncomingHttpHeaders;
  /** Unix, on our clock: of the question, and of the head of its answer. */
  readonly askedMs: number;
  readonly answeredMs: number;
  readonly tookMs: number;
}

export interface InfluxHttp {
  /** A fault where there is no answer. Rejects with the signal's reason only. */
  ask(question: Question, signal: AbortSignal): Promise<TimedAnswer | Fault>;
  close(): void;
}

/** A list of databases, and what a proxy says in place of an answer. */
const maxAnswerBytes = 1024 * 1024;

type HttpConfig = Pick<InfluxConfig, "url" | "token" | "tls" | "proxy" | "writeTimeoutMs">;

export function openInfluxHttp(config: HttpConfig, timeoutMs: number): InfluxHttp {
  const token = config.token?.reveal() ?? "";
  const redact = redactor(token);
  const { url, proxy } = config;
  const peer = { target: "write", url, proxy } as const;
  const agentConfig = { ...config, maxInFlight: 1, writeTimeoutMs: timeoutMs };
  const agent = createAgent(agentConfig, () => late("", peer.url, timeoutMs));
  const target = targetOf(config.url);

  async function exchange(question: Question, signal: AbortSignal): Promise<TimedAnswer> {
    const { method, path, withoutToken = false } = question;
    const { body, headers } = contentOf(question);
    if (token !== "" && !withoutToken) headers["authorization"] = `Bearer ${token}`;
    const { options, prefix, module } = target;
    const request = module.request({ ...options, agent, method, path: `${prefix}${path}`, headers });
    const head = { headers: {}, answeredMs: 0, tookMs: 0 };
    const startedMs = performance.now();
    const askedMs = Date.now();
    request.once("response", (response) => {
      head.tookMs = performance.now() - startedMs;
      head.answeredMs = Date.now();
      head.headers = redacted(response.headers, redact);
    });
    const answer = await send({ request, body, peer, errand: "schema", timeoutMs, maxAnswerBytes, signal });
    const { location } = answer;
    return { ...answer, body: redact(answer.body), location: location && redact(location), ...head, askedMs };
  }

  async function twice(question: Question, signal: AbortSignal): Promise<TimedAnswer> {
    try {
      return await exchange(question, signal);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
    }
    try {
      return await exchange(question, signal);
    } catch (error) {
      throw error instanceof StaleConnection ? error.fault : error;
    }
  }

  return {
    async ask(question, signal) {
      signal.throwIfAborted();
      const answer = await orFault(twice(question, signal), signal);
      const isLate = answer instanceof Fault && answer.code === "schema_timeout";
      if (!isLate) return answer;
      return behindProxy(late(`${question.method} ${question.path}`, url, timeoutMs), proxy);
    },
    close() {
      agent.destroy();
    },
  };
}

interface HttpTarget {
  readonly module: Pick<typeof http, "request">;
  readonly options: RequestOptions;
  readonly prefix: string;
}

function targetOf(url: string): HttpTarget {
  const { protocol, hostname, port, pathname } = new URL(url);
  const usesTls = protocol === "https:";
  const options = {
    protocol,
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (usesTls ? 443 : 80) : Number(port),
  };
  return { module: usesTls ? https : http, options, prefix: pathname.replace(/\/$/, "") };
}

function contentOf({ body }: Question): { readonly body: Buffer; readonly headers: OutgoingHttpHeaders } {
  const headers: OutgoingHttpHeaders = { "user-agent": "flightline" };
  if (body === undefined) return { body: Buffer.alloc(0), headers };
  const isText = typeof body === "string";
  const bytes = Buffer.from(isText ? body : JSON.stringify(body));
  headers["content-type"] = isText ? "text/plain; charset=utf-8" : "application/json";
  headers["content-length"] = bytes.length;
  return { body: bytes, headers };
}

function redacted(headers: IncomingHttpHeaders, redact: (text: string) => string): IncomingHttpHeaders {
  const shown = Object.entries(headers).filter(([, value]) => typeof value === "string");
  return Object.fromEntries(shown.map(([name, value]) => [name, redact(String(value))]));
}

/** The daemon's words for this speak of its own errands. */
function late(what: string, url: string, timeoutMs: number): Fault {
  const { name } = peerWords({ target: "write", url });
  return new Fault({
    code: "influxdb_no_answer",
    layer: "write",
    disposition: "retry",
    message: `${name} did not answer ${what.replace(/\?.*$/, "")} within ${timeoutMs / 1000} s`,
    hint: "see how busy InfluxDB is and what its log says; a proxy whose server hangs looks the same",
  });
}
