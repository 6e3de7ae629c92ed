import { MqttClient } from "mqtt";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { connectThrough } from "../net/proxy.ts";
import { urlHost } from "../net/url-host.ts";
import type { MqttConfig } from "./config.ts";
import type { ConnectOptions } from "./connect-options.ts";
import { connectFault } from "./faults.ts";

/**
 * The way to a broker: TCP, or a tunnel through a proxy, and TLS on either.
 *
 * - The library makes its stream at once or not at all, so a tunnel is there before its client is.
 * - The stream is ours also where there is no proxy: the library's own builders obey MQTTJS_SOCKS_PROXY of the
 *   environment, and would tell the user name and password to whom it names.
 */

type TunnelConfig = Pick<MqttConfig, "url" | "proxy" | "connectTimeoutMs">;

/**
 * Undefined where there is no proxy, and when the signal aborts meanwhile. Rejects with a `Fault` of
 * net/proxy.ts, after `connectTimeoutMs` at most.
 */
export async function openTunnel(config: TunnelConfig, signal: AbortSignal): Promise<Socket | undefined> {
  const { url, proxy, connectTimeoutMs: timeoutMs } = config;
  if (proxy === undefined) return undefined;
  const { host, port } = brokerAddress(url);
  try {
    return await connectThrough(proxy, host, port, { timeoutMs, signal });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** A client that connects. It owns `tunnel`, also when what OpenSSL says of the certificates is thrown, a `Fault`. */
export function createClient(url: string, options: ConnectOptions, tunnel: Socket | undefined): MqttClient {
  try {
    return new MqttClient(() => brokerStream(url, options, tunnel), options);
  } catch (error) {
    tunnel?.destroy();
    // It refuses them for more reasons than our own look at the files: a key too small.
    throw connectFault(error, url);
  }
}

function brokerStream(url: string, options: ConnectOptions, tunnel: Socket | undefined): Duplex {
  const { host, port, usesTls } = brokerAddress(url);
  if (!usesTls) return tunnel ?? connectTcp({ host, port });
  const { ca, cert, key, rejectUnauthorized, servername = isIP(host) === 0 ? host : undefined } = options;
  const secure: ConnectionOptions = { host, port, ca, cert, key, rejectUnauthorized };
  if (servername !== undefined) secure.servername = servername;
  if (tunnel !== undefined) secure.socket = tunnel;
  return connectTls(secure);
}

interface BrokerAddress {
  /** As DNS and certificates have it; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly usesTls: boolean;
}

function brokerAddress(url: string): BrokerAddress {
  const { protocol, port } = new URL(url);
  const usesTls = protocol === "mqtts:";
  return {
    host: urlHost(url),
    port: port === "" ? (usesTls ? 8883 : 1883) : Number(port),
    usesTls,
  };
}
