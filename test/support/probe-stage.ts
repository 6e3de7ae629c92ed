/** Servers for a probe to look at: each gives its port on 127.0.0.1, and ends with the test. */
import { createServer as createHttp } from "node:http";
import type { RequestListener } from "node:http";
import { createSecureServer, createServer as createHttp2 } from "node:http2";
import { createServer as createHttps } from "node:https";
import { createServer as createTcp } from "node:net";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { createServer as createTls } from "node:tls";
import type { TlsOptions } from "node:tls";
import type { Pair } from "./probe-certificates.ts";
import { listening } from "./tcp-server.ts";

/** What InfluxDB says on /health, whoever asks. */
const healthy: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-type": "text/plain" }).end("OK");
};

export function answering(
  status: number,
  headers: Readonly<Record<string, string>>,
  body = "",
): RequestListener {
  return (_request, response) => void response.writeHead(status, headers).end(body);
}

export class ProbeStage {
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
  }

  async http(listener: RequestListener = healthy): Promise<number> {
    return (await listening(this.#t, createHttp(listener))).port;
  }

  async https(options: TlsOptions & Pair, listener: RequestListener = healthy): Promise<number> {
    return (await listening(this.#t, createHttps(options, listener))).port;
  }

  async h2c(): Promise<number> {
    return (await listening(this.#t, createHttp2())).port;
  }

  /** HTTP/2 in TLS, and HTTP/1.1 for who asks for that, as InfluxDB. */
  async h2(options: TlsOptions & Pair, listener?: RequestListener, statusOverHttp2 = 404): Promise<number> {
    const server = createSecureServer({ ...options, allowHTTP1: true });
    server.on("request", (request, response) => {
      if (request.httpVersionMajor === 1) (listener ?? healthy)(request as never, response as never);
      else response.writeHead(statusOverHttp2).end();
    });
    return (await listening(this.#t, server)).port;
  }

  /** TLS, whatever is asked inside of it. */
  async tls(options: TlsOptions & Pair, inside: (socket: Socket) => void): Promise<number> {
    const server = createTls(options, (socket) => {
      socket.on("error", () => {});
      inside(socket);
    });
    return (await listening(this.#t, server)).port;
  }

  async tcp(serve: (socket: Socket) => void): Promise<number> {
    return (await listening(this.#t, createTcp(serve))).port;
  }
}
