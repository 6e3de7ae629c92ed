import type { Agent } from "node:http";
import type * as Http from "node:http";
import type * as Https from "node:https";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { assert, type Fault } from "../lib/fault.ts";
import type { ProxyConfig } from "../net/config.ts";
import { http, https } from "../net/node-http.ts";
import { connectThrough } from "../net/proxy.ts";
import { tlsOptions } from "../net/tls.ts";
import type { InfluxConfig } from "./config.ts";

/**
 * The agents that make connections to `influxdb.url`: plain or TLS, straight or through a proxy.
 *
 * - TLS files are read for each new connection (net/tls.ts).
 * - A proxy is asked for a tunnel within half of what a write may take: its fault is said, and not that of the
 *   write. Node's agent counts a connection when its tunnel is there; until then, the number of requests
 *   under way is its limit.
 * - `destroy` ends also what is not connected yet.
 */

/** InfluxDB 3 does not say how long it keeps a connection, and NAT forgets them in silence. */
const idleMs = 30_000;

const tunnelTimeoutMs = 10_000;

type AgentConfig = Pick<InfluxConfig, "url" | "maxInFlight" | "tls" | "proxy" | "writeTimeoutMs">;

/** `closed`: what a request fails with that waits for a tunnel when the agent is destroyed. */
export function createAgent(config: AgentConfig, closed: () => Fault): Agent {
  const options = { keepAlive: true, maxSockets: config.maxInFlight, timeout: idleMs };
  const tunnels = config.proxy && new Tunnels(config.proxy, config.writeTimeoutMs, closed);
  if (config.url.startsWith("https:")) return new TlsAgent(options, config, tunnels);
  return tunnels === undefined ? new http.Agent(options) : new TunnelAgent(options, tunnels);
}

type Created = (error: Error | null, stream: Duplex) => void;

class TunnelAgent extends http.Agent {
  readonly #tunnels: Tunnels;

  constructor(options: Http.AgentOptions, tunnels: Tunnels) {
    super(options);
    this.#tunnels = tunnels;
  }

  override createConnection(options: Http.ClientRequestArgs, created?: Created): undefined {
    void this.#tunnels.open(options, (socket) => socket, created);
  }

  override destroy(): void {
    this.#tunnels.close();
    super.destroy();
  }
}

class TlsAgent extends https.Agent {
  readonly #config: AgentConfig;
  readonly #tunnels: Tunnels | undefined;

  constructor(options: Https.AgentOptions, config: AgentConfig, tunnels: Tunnels | undefined) {
    super(options);
    this.#config = config;
    this.#tunnels = tunnels;
  }

  override createConnection(options: Https.RequestOptions, created?: Created): Duplex | null | undefined {
    let connection: Https.RequestOptions;
    try {
      connection = { ...options, ...tlsOptions(this.#config.tls) };
    } catch (error) {
      return brokenConnection(error);
    }
    if (this.#tunnels === undefined) return super.createConnection(connection, created);
    const secured = (socket: Socket): Duplex => {
      const tunnelled: Https.RequestOptions & { readonly socket: Socket } = { ...connection, socket };
      const stream = super.createConnection(tunnelled);
      assert(stream instanceof Duplex, "TLS over a socket is there at once");
      return stream;
    };
    void this.#tunnels.open(options, secured, created);
    return undefined;
  }

  override destroy(): void {
    this.#tunnels?.close();
    super.destroy();
  }
}

/** The tunnels that an agent opens. */
class Tunnels {
  readonly #proxy: ProxyConfig;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  readonly #closed: () => Fault;

  constructor(proxy: ProxyConfig, writeTimeoutMs: number, closed: () => Fault) {
    this.#proxy = proxy;
    this.#closed = closed;
    this.#timeoutMs = Math.min(tunnelTimeoutMs, writeTimeoutMs / 2);
  }

  /** Never rejects: what happens is told to `created`, from which the agent takes the error or what `over` made. */
  async open(
    { host, port }: Pick<Http.ClientRequestArgs, "host" | "port">,
    over: (socket: Socket) => Duplex,
    created: Created | undefined,
  ): Promise<void> {
    const { signal } = this.#closing;
    let socket: Socket | undefined;
    try {
      socket = await connectThrough(this.#proxy, host ?? "", Number(port), {
        timeoutMs: this.#timeoutMs,
        signal,
      });
      created?.(null, over(socket));
    } catch (error) {
      // OpenSSL refuses certificates for more reasons than our own look at the files.
      socket?.destroy();
      assert(error instanceof Error, "only errors are thrown");
      // Other than an error of a connection that the agent counts, it holds up no request behind it.
      (created as ((error: Error) => void) | undefined)?.(error);
    }
  }

  close(): void {
    this.#closing.abort(this.#closed());
  }
}

/**
 * Fails whoever writes to it. An error given to the agent's callback at once, or thrown, would leave the
 * requests behind the failed one waiting for ever; a connection that breaks makes room for the next.
 */
function brokenConnection(error: unknown): Duplex {
  assert(error instanceof Error, "only errors are thrown");
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(error) });
}
