/** An HTTP proxy for tests that knows CONNECT only, straight on node:net, so that it can also answer what no proxy should. */
import * as net from "node:net";
import type { TestContext } from "node:test";
import { listening } from "./tcp-server.ts";

export interface ConnectProxy {
  readonly url: string;
  /** What each client sent before it had a tunnel. */
  readonly heads: readonly string[];
  /** What came through the tunnels from clients. */
  readonly tunnelled: () => string;
}

export interface ConnectProxyOptions {
  /** In place of a tunnel; "" is silence. */
  readonly answer?: (head: string) => string | undefined;
  /** Waits for the server's first bytes and sends them in one packet with the answer. */
  readonly together?: boolean;
}

export async function connectProxy(
  t: TestContext,
  { answer, together = false }: ConnectProxyOptions = {},
): Promise<ConnectProxy> {
  const heads: string[] = [];
  const tunnelled: Buffer[] = [];
  const server = net.createServer((client) => {
    let head = "";
    client.on("data", function read(chunk: Buffer) {
      head += chunk.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      client.off("data", read);
      heads.push(head);
      const instead = answer?.(head);
      if (instead !== undefined) {
        if (instead !== "") client.end(instead);
        return;
      }
      const [, host = "", port = ""] = /^CONNECT \[?([^ ]+?)\]?:(\d+) /.exec(head) ?? [];
      const upstream = net.connect(Number(port), host);
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroySoon());
      const ok = "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n";
      client.on("data", (bytes: Buffer) => tunnelled.push(bytes));
      upstream.on("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
      if (together) {
        upstream.once("data", (bytes: Buffer) => {
          client.write(Buffer.concat([Buffer.from(ok), bytes]));
          upstream.pipe(client).pipe(upstream);
        });
        return;
      }
      upstream.once("connect", () => {
        client.write(ok);
        upstream.pipe(client).pipe(upstream);
      });
    });
  });
  const { port } = await listening(t, server);
  return {
    url: `http://127.0.0.1:${port}`,
    heads,
    tunnelled: () => Buffer.concat(tunnelled).toString("latin1"),
  };
}
