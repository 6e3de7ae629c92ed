/** A port that speaks TLS, until it leads to another one in plaintext. */
import * as net from "node:net";
import type { TestContext } from "node:test";
import * as tls from "node:tls";
import { listening } from "./tcp-server.ts";

interface TlsShell {
  readonly port: number;
  isSecure: boolean;
  /** Ends the connections that are open. */
  drop(): void;
}

export async function tlsShell(t: TestContext, inside: number, pair: tls.TlsOptions): Promise<TlsShell> {
  const secure = tls.createServer(pair, (socket) => void socket.on("error", () => {}).resume());
  const server = net.createServer((socket) => {
    if (made.isSecure) {
      secure.emit("connection", socket);
      return;
    }
    const upstream = net.connect(inside, "127.0.0.1").on("error", () => {});
    socket
      .on("close", () => upstream.destroy())
      .pipe(upstream)
      .pipe(socket);
  });
  const { port, sockets } = await listening(t, server);
  const made: TlsShell = {
    port,
    isSecure: true,
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
  return made;
}
