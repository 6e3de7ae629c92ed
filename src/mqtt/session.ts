import { connect, type IConnackPacket, type IPublishPacket, type MqttClient } from "mqtt";
import { once, settledWithin } from "../lib/abort.ts";
import type { MqttConfig } from "./config.ts";
import { connectOptions, type ProtocolVersion, statePayload } from "./connect-options.ts";
import { deferAcks } from "./deferred-ack.ts";
import {
  connectionFault,
  isUnsupportedVersion,
  lostFault,
  reasonFault,
  silentFault,
  subscriptionFault,
} from "./faults.ts";

/** What one connection hands upwards, in this order. */
export interface SessionHandler {
  connected(connack: IConnackPacket): void;
  subscribed(refused: readonly string[]): void;
  publish(packet: IPublishPacket, acknowledge: (() => void) | undefined): void;
  pressure(): Promise<void> | undefined;
}

export interface SessionOptions {
  readonly config: MqttConfig;
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  readonly handler: SessionHandler;
}

/** Time for commits and PUBACKs of what was already received, and for "offline", when stopping. */
const drainMs = 2000;

/**
 * One connection: CONNECT, SUBSCRIBE, messages until it ends. Rejects with a Fault when the connection
 * fails or is lost (or with the library's error for an unsupported protocol version); resolves when the
 * signal aborts, after what was received is acknowledged. Leaves no socket behind.
 */
export async function runSession(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const { config, clientId, protocolVersion } = options;
  const client = connect(config.url, connectOptions(config, clientId, protocolVersion));
  const connection = new Connection(client, options);
  try {
    await connection.open(signal);
    if (!signal.aborted) await connection.subscribe();
    if (!signal.aborted) await connection.ended(signal);
    if (client.connected) await connection.drain();
  } finally {
    await connection.close();
  }
}

class Connection {
  readonly #client: MqttClient;
  readonly #options: SessionOptions;
  readonly #failure: Promise<never>;
  readonly #reject: (error: unknown) => void;
  #stopping = false;
  #unacknowledged = 0;
  #acknowledgedAll: () => void = () => {};

  constructor(client: MqttClient, options: SessionOptions) {
    this.#client = client;
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    this.#failure = promise;
    this.#reject = reject;
    // Several awaits may race with it; none of them need be the one that sees it.
    promise.catch(() => {});
    this.#listen();
    deferAcks(client, {
      publish: (packet, acknowledge) => {
        this.#publish(packet, acknowledge);
      },
      pressure: () => (this.#stopping ? undefined : options.handler.pressure()),
    });
  }

  #listen(): void {
    const { url } = this.#options.config;
    // The library emits errors also after the connection has gone: the listener must stay for good.
    this.#client.on("error", (error) => {
      this.#reject(error);
    });
    this.#client.on("disconnect", (packet) => {
      this.#reject(reasonFault(packet.reasonCode ?? 0, url));
    });
    this.#client.on("close", () => {
      this.#reject(lostFault(url));
    });
  }

  #publish(packet: IPublishPacket, acknowledge: (() => void) | undefined): void {
    // Neither stored nor acknowledged: the broker keeps it for the next session.
    if (this.#stopping && acknowledge !== undefined) return;
    if (acknowledge === undefined) {
      this.#options.handler.publish(packet, undefined);
      return;
    }
    this.#unacknowledged += 1;
    this.#options.handler.publish(packet, () => {
      acknowledge();
      this.#unacknowledged -= 1;
      if (this.#unacknowledged === 0) this.#acknowledgedAll();
    });
  }

  async open(signal: AbortSignal): Promise<void> {
    const { connectTimeoutMs, url } = this.#options.config;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#reject(silentFault(url, connectTimeoutMs));
    }, connectTimeoutMs);
    const stopListening = once(signal, resolve);
    this.#client.once("connect", (connack) => {
      this.#options.handler.connected(connack);
      resolve();
    });
    try {
      await Promise.race([promise, this.#failure]);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      clearTimeout(timer);
      stopListening();
    }
  }

  /** On every connect, session or not: a broker that lost its database says "session present" all the same. */
  async subscribe(): Promise<void> {
    const { topics, url, stateTopic } = this.#options.config;
    const refused: string[] = [];
    const subscribing = Promise.all(
      topics.map(async (filter) => {
        // One SUBSCRIBE each: a refusal then names its filter, and in 3.1.1 costs only that one.
        const granted = await this.#client.subscribeAsync(filter, { qos: 1 }).catch(() => []);
        if (granted.length === 0 || granted.some(({ qos }) => qos >= 128)) refused.push(filter);
      }),
    );
    await Promise.race([subscribing, this.#failure]).catch((error: unknown) => {
      throw this.#explain(error);
    });
    if (refused.length === topics.length) throw subscriptionFault(refused.join(", "), url);
    this.#options.handler.subscribed(refused);
    if (stateTopic !== "") this.#announce("online").catch(() => {});
  }

  async #announce(state: "online" | "offline"): Promise<void> {
    const { stateTopic } = this.#options.config;
    await this.#client.publishAsync(stateTopic, statePayload(state), { qos: 1, retain: true });
  }

  async ended(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stopListening = once(signal, resolve);
    try {
      await Promise.race([promise, this.#failure]);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      stopListening();
    }
  }

  /** Takes no more messages, waits for the PUBACKs of those that are here, says goodbye. */
  async drain(): Promise<void> {
    this.#stopping = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#acknowledgedAll = resolve;
    if (this.#unacknowledged > 0) await settledWithin(Promise.race([promise, this.#gone()]), drainMs);
    if (this.#options.config.stateTopic === "") return;
    await settledWithin(Promise.race([this.#announce("offline").catch(() => {}), this.#gone()]), drainMs);
  }

  async #gone(): Promise<void> {
    await this.#failure.catch(() => {});
  }

  async close(): Promise<void> {
    this.#stopping = true;
    const client = this.#client;
    const polite = client.connected && (await settledWithin(client.endAsync(false), drainMs));
    if (!polite) await settledWithin(client.endAsync(true), drainMs);
  }

  #explain(error: unknown): unknown {
    return isUnsupportedVersion(error) ? error : connectionFault(error, this.#options.config.url);
  }
}
