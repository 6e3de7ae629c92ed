import type { IClientOptions } from "mqtt";
import { tlsOptions, type TlsOptions } from "../net/tls.ts";
import type { MqttConfig } from "./config.ts";

export type ProtocolVersion = 4 | 5;

export type ConnectOptions = IClientOptions & TlsOptions;

/**
 * The broker sends nothing larger, by its own account; in MQTT 3.1.1 there is no way to ask for that. A
 * packet is put together in memory before anybody sees it, and MQTT allows 256 MiB. A real event has a few
 * KiB: what is above its limit and below this one is quarantined and said, which a broker's drop is not.
 */
const maxPacketBytes = 16 * 1024 * 1024;

/**
 * CONNECT as we send it: a kept session (in MQTT 5 that takes `clean: false` and an expiry), a receive
 * maximum that lifts mosquitto's window of 20, a last will, and no reconnecting by the library.
 * Faults of reading TLS files.
 */
export function connectOptions(
  config: MqttConfig,
  clientId: string,
  protocolVersion: ProtocolVersion,
): ConnectOptions {
  const will =
    config.stateTopic === ""
      ? {}
      : {
          will: { topic: config.stateTopic, payload: statePayload("offline"), qos: 1 as const, retain: true },
        };
  return {
    protocolVersion,
    clientId,
    clean: false,
    keepalive: Math.max(1, Math.round(config.keepaliveMs / 1000)),
    // Our own timer answers first and says so in our words.
    connectTimeout: config.connectTimeoutMs * 2,
    reconnectPeriod: 0,
    resubscribe: false,
    ...(protocolVersion === 5
      ? {
          properties: {
            sessionExpiryInterval: Math.min(0xffff_fffe, Math.round(config.sessionExpiryMs / 1000)),
            receiveMaximum: config.receiveMaximum,
            maximumPacketSize: maxPacketBytes,
          },
        }
      : {}),
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(config.password === undefined ? {} : { password: config.password.reveal() }),
    ...will,
    ...tlsPart(config),
  };
}

function tlsPart(config: MqttConfig): ConnectOptions {
  // Node's types allow more shapes of a certificate than the library's; tlsOptions gives text only.
  return config.url.startsWith("mqtts:") ? (tlsOptions(config.tls) as ConnectOptions) : {};
}

/** What is retained on the state topic: {"state":"online"}, {"state":"online","mode":"safe"} or {"state":"offline"}. */
export function statePayload(state: "online" | "offline", isSafeMode = false): Buffer {
  return Buffer.from(JSON.stringify({ state, ...(isSafeMode ? { mode: "safe" } : {}) }));
}
