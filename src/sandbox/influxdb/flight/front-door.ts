/**
 * One TCP port for HTTP/1.1 and HTTP/2, with or without TLS. The first bytes of a connection say which it
 * is: HTTP/2 begins with "PRI" (RFC 9113 §3.4), and no method of HTTP/1.1 does.
 *
 * Invariant: every connection from its accept to its end is known here, also one that has said nothing yet,
 * so that stopping leaves none behind.
 */
import type { Server as HttpServer } from "node:http";
import type { Http2Server } from "node:http2";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

import { assert } from "../../../lib/fault.ts";

/** PEM texts. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
}

export interface Protocols {
  readonly http1: HttpServer;
  readonly http2: Http2Server;
}

const http2Preface = "PRI";

/**
 * HTTP/1.1 stands first, so that a client that speaks both gets the HTTP API, which is not spoken over
 * HTTP/2 here; gRPC's clients offer nothing but h2.
 */
const alpnProtocols = ["http/1.1", "h2"];

export class FrontDoor {
  readonly #server: Server;
  readonly #protocols: Protocols;
  readonly #sockets = new Set<Socket>();

  constructor(protocols: Protocols, tls: TlsOptions | undefined) {
    this.#protocols = protocols;
    if (tls === undefined) {
      this.#server = createServer({ noDelay: true }, (socket) => this.#sniff(socket));
    } else {
      const { cert, key } = tls;
      const options = { cert, key, ALPNProtocols: alpnProtocols, noDelay: true };
      this.#server = createTlsServer(options, (socket) => this.#sniff(socket));
      this.#server.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
    }
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Gives the port; 0 picks one. Rejects with the error of `listen`. */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    const address = this.#server.address();
    assert(typeof address === "object" && address !== null, "a listening server has an address");
    return address.port;
  }

  /** Takes no further connection; resolves when the last one has gone. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Reads until the protocol is known, puts the bytes back and hands the connection over. */
  #sniff(socket: Socket): void {
    // Whoever takes the connection over listens too; until then a reset is no event here.
    socket.on("error", () => undefined);
    const chunks: Uint8Array[] = [];
    const look = (): void => {
      for (let chunk: unknown = socket.read(); chunk instanceof Uint8Array; chunk = socket.read()) {
        chunks.push(chunk);
      }
      const seen = Buffer.concat(chunks);
      const start = seen.toString("latin1", 0, http2Preface.length);
      if (start.length < http2Preface.length && http2Preface.startsWith(start)) return;
      socket.off("readable", look);
      socket.unshift(seen);
      const { http1, http2 } = this.#protocols;
      (start === http2Preface ? http2 : http1).emit("connection", socket);
    };
    socket.on("readable", look);
  }
}
