import type { IConnackPacket, IPublishPacket, MqttClient } from "mqtt";
import mqttPacket from "mqtt-packet";
import { once, settledWithin } from "../lib/abort.ts";
import { errorCode } from "../lib/fault.ts";
import type { Beat } from "../lib/pulse.ts";
import type { Wakeup } from "../lib/wakeup.ts";
import { createClient, openTunnel } from "./client.ts";
import type { MqttConfig } from "./config.ts";
import { connectOptions, type ProtocolVersion, statePayload } from "./connect-options.ts";
import { deferAcks } from "./deferred-ack.ts";
import {
  closedFault,
  connectFault,
  connectionFault,
  isUnsupportedVersion,
  lostFault,
  reasonFault,
  silentFault,
  subscriptionFault,
  unansweredSubscribeFault,
} from "./faults.ts";
import { KeepAlive } from "./keep-alive.ts";

/** What one connection hands upwards. Messages of a resumed session may come before `connected`. */
export interface SessionHandler {
  connected(connack: IConnackPacket): void;
  /** Filters that the broker's session may have besides ours, as a configuration of before named them. */
  former(): readonly string[];
  /** The broker has taken them out of the session. */
  unsubscribed(filters: readonly string[]): void;
  subscribed(refused: readonly string[]): void;
  /** It was us, not the other side, who ended an accepted connection: nothing came any more, or no MQTT. */
  gaveUp(): void;
  publish(packet: IPublishPacket, acknowledge: (() => void) | undefined): void;
  pressure(): Promise<void> | undefined;
}

/** Whether the daemon runs in safe mode, which the state topic tells. */
export interface DaemonMode {
  isSafe(): boolean;
  readonly changed: Wakeup;
}

export interface SessionOptions {
  readonly config: MqttConfig;
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  readonly handler: SessionHandler;
  /** For each packet of the broker (PINGRESP among them), and while it is held back on purpose. */
  readonly beat: Beat | undefined;
  readonly mode: DaemonMode;
}

/** Time for the commits and PUBACKs of what was already received, when stopping. */
const drainMs = 2000;
/** Time for "offline" to be acknowledged, and again for the broker to close after DISCONNECT. */
const goodbyeMs = 1000;

// At its first packet the library would make a Buffer for each number of 16 bits, and keep all 65,536 of them:
// 7 MB, to spare two bytes for a PUBACK.
mqttPacket.writeToStream.cacheNumbers = false;

/**
 * One connection: the tunnel where there is a proxy, CONNECT, SUBSCRIBE, messages until it ends. Rejects with a
 * Fault when the connection fails or is lost (or with the library's error for an unsupported protocol version);
 * resolves when the signal aborts, after what was received is acknowledged. Leaves no socket and no timer behind.
 */
export async function runSession(options: SessionOptions, signal: AbortSignal): Promise<void> {
  const { config, clientId, protocolVersion } = options;
  const connecting = connectOptions(config, clientId, protocolVersion);
  const deadlineMs = performance.now() + config.connectTimeoutMs;
  const tunnel = await openTunnel(config, signal);
  if (signal.aborted) {
    tunnel?.destroy();
    return;
  }
  const connection = new Connection(createClient(config.url, connecting, tunnel), options);
  let answers = false;
  try {
    await connection.open(deadlineMs, signal);
    if (!signal.aborted) await connection.subscribe(signal);
    if (!signal.aborted) await connection.ended(signal);
    answers = await connection.drain();
  } finally {
    await connection.close(answers);
  }
}

class Connection {
  readonly #client: MqttClient;
  readonly #options: SessionOptions;
  readonly #failure: Promise<never>;
  readonly #reject: (error: unknown) => void;
  #isOpen = false;
  #stopping = false;
  #unacknowledged = 0;
  #acknowledgedAll: () => void = () => {};
  /** The parser stands still until there is room. */
  #isHeldBack = false;
  /** Called when messages flow. */
  #flows: () => void = () => {};

  constructor(client: MqttClient, options: SessionOptions) {
    this.#client = client;
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    this.#failure = promise;
    this.#reject = reject;
    // Several awaits may race with it; none of them need be the one that sees it.
    promise.catch(() => {});
    this.#listen();
    const keepAlive = new KeepAlive(client, options.beat);
    client.on("packetreceive", () => options.beat?.());
    deferAcks(client, {
      publish: (packet, acknowledge) => {
        this.#publish(packet, acknowledge);
      },
      pressure: () => {
        const pressure = this.#stopping ? undefined : options.handler.pressure();
        return pressure === undefined ? undefined : this.#holdBack(keepAlive.during(pressure));
      },
    });
  }

  async #holdBack(wait: Promise<void>): Promise<void> {
    this.#isHeldBack = true;
    await wait;
    this.#isHeldBack = false;
    this.#flows();
  }

  #listen(): void {
    const { url } = this.#options.config;
    // The library emits errors also after the connection has gone: the listener must stay for good.
    this.#client.on("error", (error) => {
      this.#reject(this.#explain(error));
    });
    this.#client.on("disconnect", (packet) => {
      this.#reject(reasonFault(packet.reasonCode ?? 0, url));
    });
    this.#client.on("close", () => {
      this.#reject(this.#isOpen ? lostFault(url) : closedFault(url));
    });
  }

  #explain(error: unknown): unknown {
    const { url } = this.#options.config;
    if (isUnsupportedVersion(error)) return error;
    // Those of sockets and TLS have one.
    if (this.#isOpen && errorCode(error) === undefined) this.#options.handler.gaveUp();
    return this.#isOpen ? connectionFault(error, url) : connectFault(error, url);
  }

  #publish(packet: IPublishPacket, acknowledge: (() => void) | undefined): void {
    this.#flows();
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

  /** Until the work is done, or nobody wants it any more. Rejects when the connection fails. */
  async #until(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stopListening = once(signal, resolve);
    try {
      await Promise.race([work, promise, this.#failure]);
    } finally {
      stopListening();
    }
  }

  /** `deadlineMs`: on the clock of `performance.now`. */
  async open(deadlineMs: number, signal: AbortSignal): Promise<void> {
    const { connectTimeoutMs, url } = this.#options.config;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#reject(silentFault(url, connectTimeoutMs));
    }, deadlineMs - performance.now());
    this.#client.once("connect", (connack) => {
      this.#isOpen = true;
      this.#options.handler.connected(connack);
      resolve();
    });
    try {
      await this.#until(promise, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** On every connect, session or not: a broker that lost its database says "session present" all the same. */
  async subscribe(signal: AbortSignal): Promise<void> {
    const { topics, url, stateTopic } = this.#options.config;
    const refused: string[] = [];
    const subscribing = Promise.all(
      topics.map(async (filter) => {
        // One SUBSCRIBE each: a refusal then names its filter, and in 3.1.1 costs only that one.
        const granted = await this.#client.subscribeAsync(filter, { qos: 1 }).catch(() => []);
        if (granted.length === 0 || granted.some(({ qos }) => qos >= 128)) refused.push(filter);
      }),
    );
    const stopWaiting = this.#expectSuback();
    try {
      await this.#until(subscribing, signal);
    } finally {
      stopWaiting();
    }
    if (signal.aborted) return;
    if (refused.length === topics.length) throw subscriptionFault(refused.join(", "), url);
    this.#options.handler.subscribed(refused);
    void this.#unsubscribe(this.#options.handler.former());
    if (stateTopic !== "") this.#announce("online").catch(() => {});
  }

  /** After SUBSCRIBE: what matches an old filter and a new one may come twice for a moment, but not never. */
  async #unsubscribe(filters: readonly string[]): Promise<void> {
    if (filters.length === 0) return;
    // A connection that ends leaves it to the next one.
    const isDone = await this.#client.unsubscribeAsync([...filters]).then(
      () => true,
      () => false,
    );
    if (isDone) this.#options.handler.unsubscribed(filters);
  }

  /**
   * Fails the connection when nothing comes for `connectTimeoutMs`. SUBACK stands behind the backlog of a
   * resumed session, which may be long, wait for commits or come over a slow line: none of that is silence.
   */
  #expectSuback(): () => void {
    const { connectTimeoutMs, url } = this.#options.config;
    const timer = setTimeout(() => {
      if (this.#isHeldBack) timer.refresh();
      else this.#reject(unansweredSubscribeFault(url, connectTimeoutMs));
    }, connectTimeoutMs);
    this.#flows = () => timer.refresh();
    return () => {
      this.#flows = () => {};
      clearTimeout(timer);
    };
  }

  async #announce(state: "online" | "offline"): Promise<void> {
    const { config, mode } = this.#options;
    const payload = statePayload(state, state === "online" && mode.isSafe());
    await this.#client.publishAsync(config.stateTopic, payload, { qos: 1, retain: true });
  }

  async ended(signal: AbortSignal): Promise<void> {
    const { config, mode } = this.#options;
    while (!signal.aborted) {
      const { version } = mode.changed;
      await this.#until(mode.changed.changedSince(version, signal), signal);
      if (!signal.aborted && config.stateTopic !== "") this.#announce("online").catch(() => {});
    }
  }

  /**
   * Takes no more messages, waits for the PUBACKs of those that are here, says "offline". False when the
   * broker does not answer any more.
   */
  async drain(): Promise<boolean> {
    this.#stopping = true;
    if (!this.#client.connected) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#acknowledgedAll = resolve;
    if (this.#unacknowledged > 0) await settledWithin(Promise.race([promise, this.#gone()]), drainMs);
    if (this.#options.config.stateTopic === "") return true;
    const announced = this.#announce("offline").catch(() => {});
    return await settledWithin(Promise.race([announced, this.#gone()]), goodbyeMs);
  }

  async #gone(): Promise<void> {
    await this.#failure.catch(() => {});
  }

  /**
   * DISCONNECT is for a drained stop: without it the broker publishes our last will, and that is right in
   * every other case. The library's `end` waits without a limit for answers and for the peer's FIN, and a
   * second, forced `end` does nothing while the first one waits: hence the limit, and the socket itself.
   */
  async close(polite: boolean): Promise<void> {
    this.#stopping = true;
    const client = this.#client;
    if (polite) await settledWithin(client.endAsync(false), goodbyeMs);
    if (client.stream.closed) return;
    const closed = new Promise((resolve) => client.stream.once("close", resolve));
    client.stream.destroy();
    await closed;
  }
}
