import { ChannelCredentials, credentials, type CallCredentials } from "@grpc/grpc-js";
import { isIP, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { Fault } from "../../lib/fault.ts";
import { causes } from "../../net/causes.ts";
import { diagnose, faultOfCause, type Peer } from "../../net/diagnose.ts";
import type { TlsConfig } from "../../net/config.ts";
import { tlsOptions } from "../../net/tls.ts";

/**
 * What grpc-js does between a TCP connection and HTTP/2, done by us:
 *
 * - TLS files are read for each new connection, as for HTTP (net/tls.ts). grpc-js' own credentials are made
 *   once, and a rotated certificate would need a new channel.
 * - An IP address is verified, but not sent as a server name, which grpc-js does and RFC 6066 forbids.
 * - A server that does not choose HTTP/2 is a fault at once; without ALPN grpc-js waits for it for ever.
 * - The error itself is seen here; further up only its text is left.
 * - Connections on which HTTP/2 has not begun when the channel closes are destroyed; grpc-js forgets them.
 */

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

export class FlightCredentials extends ChannelCredentials {
  readonly #peer: Peer;
  readonly #host: string;
  /** Undefined: plaintext. */
  readonly #tls: TlsConfig | undefined;
  #lastFault: Fault | undefined;

  constructor(peer: Peer, host: string, tls: TlsConfig | undefined) {
    super();
    this.#peer = peer;
    this.#host = host;
    this.#tls = tls;
  }

  /** Of the latest connection attempt that came beyond TCP. */
  get lastFault(): Fault | undefined {
    return this.#lastFault;
  }

  override _isSecure(): boolean {
    return this.#tls !== undefined;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(_target: unknown, _options: unknown, perCall?: CallCredentials): Connector {
    const young = new Set<Socket>();
    const callCredentials = perCall ?? credentials.createEmpty();
    return {
      connect: async (socket) => {
        this.#lastFault = undefined;
        young.add(socket);
        socket.once("close", () => young.delete(socket));
        if (this.#tls === undefined) {
          this.#watchForAlert(socket);
          return { socket, secure: false };
        }
        const secured = await this.#handshake(socket, this.#tls);
        young.delete(socket);
        return { socket: secured, secure: true };
      },
      waitForReady: async () => {},
      getCallCredentials: () => callCredentials,
      destroy: () => {
        // Where HTTP/2 has begun, grpc-js closes the session, which first sends what it owes.
        for (const socket of young) if (this._isSecure() || socket.bytesRead === 0) socket.destroy();
      },
    };
  }

  /** A TLS server answers plaintext with an alert of seven bytes, or with nothing; HTTP/2 begins with more. */
  #watchForAlert(socket: Socket): void {
    socket.once("close", () => {
      if (socket.bytesRead === 7) {
        this.#lastFault = faultOfCause(causes.peerSpeaksTls, this.#peer, "");
      }
    });
  }

  async #handshake(socket: Socket, tls: TlsConfig): Promise<Socket> {
    try {
      const secured = await secure(socket, this.#host, tls);
      if (secured.alpnProtocol === "h2") return secured;
      secured.destroy();
      throw faultOfCause(causes.notHttp2, this.#peer, "it did not choose h2 in the TLS handshake");
    } catch (error) {
      this.#lastFault = diagnose(error, this.#peer);
      throw this.#lastFault;
    }
  }
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
