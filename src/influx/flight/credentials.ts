import { ChannelCredentials, credentials, type CallCredentials } from "@grpc/grpc-js";
import { isIP, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { errorCode, type Fault } from "../../lib/fault.ts";
import { causes } from "../../net/causes.ts";
import { behindProxy, diagnose, faultOfCause, type Peer } from "../../net/diagnose.ts";
import type { ProxyConfig, TlsConfig } from "../../net/config.ts";
import { isBeforeConnection, openTunnel, proxySilent, proxyUnreachable } from "../../net/proxy.ts";
import { tlsOptions } from "../../net/tls.ts";

/**
 * What grpc-js does between a TCP connection and HTTP/2, done by us:
 *
 * - TLS files are read for each new connection, as for HTTP (net/tls.ts). grpc-js' own credentials are made
 *   once, and a rotated certificate would need a new channel.
 * - An IP address is verified, but not sent as a server name, which grpc-js does and RFC 6066 forbids.
 * - A server that does not choose HTTP/2 is a fault at once; without ALPN grpc-js waits for it for ever.
 * - The error itself is seen here; further up only its text is left.
 * - Connections on which HTTP/2 has not begun when the channel closes are destroyed, in whatever state they are or come
 *   to be; grpc-js forgets them.
 * - TCP probes a connection that is silent: after 20 s, then every second, and after ten in vain it is gone (the last
 *   two are libuv's). A gRPC server does not see that, and NAT remembers a connection that is probed.
 * - grpc-js connects to a proxy as if it were the server; the tunnel is opened here. Its own proxies come from
 *   the environment, and it drops the reason when one refuses.
 */

const probeAfterMs = 20_000;
/** HTTP/2 begins with a SETTINGS frame, whose header is nine bytes. A TLS alert is seven. */
const leastBytesOfHttp2 = 9;

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/** Where a connection leads that grpc-js has made. */
interface Destination {
  /** IPv6 without brackets. */
  readonly host: string;
  /** "host:port", IPv6 in brackets. */
  readonly authority: string;
  /** The other end of grpc-js' connection; undefined: the server itself. */
  readonly proxy: ProxyConfig | undefined;
  /** Undefined: plaintext. */
  readonly tls: TlsConfig | undefined;
}

/** A shorter time than that of a query leaves it the chance of another attempt. */
const tunnelTimeoutMs = 10_000;

export class FlightCredentials extends ChannelCredentials {
  readonly #peer: Peer;
  readonly #to: Destination;
  #lastFault: Fault | undefined;
  /** The latest connection that grpc-js has made to a proxy is there. */
  #isAtProxy = false;

  constructor(peer: Peer, to: Destination) {
    super();
    this.#peer = peer;
    this.#to = to;
  }

  /** Of the latest connection attempt that came beyond TCP. */
  get lastFault(): Fault | undefined {
    return this.#lastFault;
  }

  /** What a fault of connecting is where grpc-js connects to a proxy, as which it does not know it. */
  atProxy(fault: Fault): Fault {
    const { proxy } = this.#to;
    return proxy === undefined ? fault : behindProxy(this.#toProxy(fault, proxy), proxy);
  }

  #toProxy(fault: Fault, proxy: ProxyConfig): Fault {
    if (fault === this.#lastFault) return fault;
    if (this.#isAtProxy) return this.#lastFault ?? fault;
    if (fault.code === "flight_timeout") return this.#lastFault ?? proxyUnreachable(proxy, "connect_timeout");
    return isBeforeConnection(fault.code) ? proxyUnreachable(proxy, fault.code) : fault;
  }

  override _isSecure(): boolean {
    return this.#to.tls !== undefined;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(_target: unknown, _options: unknown, perCall?: CallCredentials): Connector {
    const shakingHands = new Set<Socket>();
    /** What grpc-js speaks HTTP/2 on. */
    const handedOver = new Set<Socket>();
    const closed = new AbortController();
    const callCredentials = perCall ?? credentials.createEmpty();
    return {
      connect: async (socket) => {
        // grpc-js destroys the socket then.
        if (closed.signal.aborted) throw new Error("the connection was given up before it was made");
        this.#lastFault = undefined;
        socket.setKeepAlive(true, probeAfterMs);
        const { proxy, tls } = this.#to;
        if (proxy !== undefined) {
          keepWhileOpen(socket, shakingHands);
          await this.#tunnel(socket, proxy, closed.signal);
        }
        if (tls === undefined) {
          shakingHands.delete(socket);
          this.#watchForAlert(socket);
          keepWhileOpen(socket, handedOver);
          return { socket, secure: false };
        }
        keepWhileOpen(socket, shakingHands);
        const secured = await this.#handshake(socket, tls);
        shakingHands.delete(socket);
        keepWhileOpen(secured, handedOver);
        return { socket: secured, secure: true };
      },
      waitForReady: async () => {},
      getCallCredentials: () => callCredentials,
      destroy: () => {
        closed.abort();
        for (const socket of shakingHands) socket.destroy();
        // Where HTTP/2 has begun, grpc-js closes the session, which first sends what it owes.
        for (const socket of handedOver) if (bytesOfServer(socket) < leastBytesOfHttp2) socket.destroy();
      },
    };
  }

  async #tunnel(socket: Socket, proxy: ProxyConfig, signal: AbortSignal): Promise<void> {
    this.#isAtProxy = true;
    socket.once("close", () => {
      this.#isAtProxy = false;
    });
    // What a query says whose deadline comes before that of the tunnel.
    this.#lastFault = proxySilent(proxy);
    try {
      await openTunnel(socket, proxy, this.#to.authority, { timeoutMs: tunnelTimeoutMs, signal });
      this.#lastFault = undefined;
      bytesOfProxy.set(socket, socket.bytesRead - socket.readableLength);
    } catch (error) {
      this.#lastFault = diagnose(error, this.#peer);
      throw this.#lastFault;
    }
  }

  /** A TLS server answers plaintext with an alert of seven bytes, or with nothing; HTTP/2 begins with more. */
  #watchForAlert(socket: Socket): void {
    socket.once("close", () => {
      if (bytesOfServer(socket) === 7) {
        this.#lastFault = faultOfCause(causes.peerSpeaksTls, this.#peer, "");
      }
    });
  }

  /** Of a connection that is refused here, grpc-js destroys the socket. */
  async #handshake(socket: Socket, tls: TlsConfig): Promise<Socket> {
    try {
      const secured = await secure(socket, this.#to.host, tls);
      if (secured.alpnProtocol === "h2") return secured;
      throw faultOfCause(causes.notHttp2, this.#peer, "it did not choose h2 in the TLS handshake");
    } catch (error) {
      // By FIN or by RST: on plain HTTP a reset in the middle of something would be another thing.
      this.#lastFault =
        errorCode(error) === "ECONNRESET"
          ? faultOfCause(causes.closedInHandshake, this.#peer, "")
          : diagnose(error, this.#peer);
      throw this.#lastFault;
    }
  }
}

/** The answer to CONNECT. */
const bytesOfProxy = new WeakMap<Socket, number>();

function bytesOfServer(socket: Socket): number {
  return socket.bytesRead - (bytesOfProxy.get(socket) ?? 0);
}

function keepWhileOpen(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
}

/** Rejects with the error of the handshake, or with the fault of a TLS file. */
async function secure(socket: Socket, host: string, tls: TlsConfig): Promise<TLSSocket> {
  const options: ConnectionOptions = { ...tlsOptions(tls), socket, host, ALPNProtocols: ["h2"] };
  if (options.servername === undefined && isIP(host) === 0) options.servername = host;
  return await new Promise((resolve, reject) => {
    const secured = connect(options, () => resolve(secured));
    // Stays: an error after the handshake also closes the connection, and grpc-js hears that.
    secured.on("error", reject);
    secured.once("close", () => reject(new Error("the connection was closed in the TLS handshake")));
  });
}
